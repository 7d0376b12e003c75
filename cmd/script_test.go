package cmd

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

var update = flag.Bool("update", false, "write what a script's cmp finds into the script")

// TestMain lets scripts run the command line as `lockstep`, through Main, with the script's environment.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"lockstep": func() {
			os.Exit(Main(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

// Each testdata/script/*.txtar is a session of a user: commands, what they print and how they end. $REPOSITORY is the
// module's folder, $FLIGHTS that of the flights. Beside testscript's own commands there are:
//
//	exit CODE lockstep ARGS...   wants that exit code
//	replace FILE NEW OLD TEXT    writes FILE as NEW with TEXT for OLD
//	kafka                        starts a broker inside the test; $KAFKA is where
//	until REGEXP COMMAND ARGS... repeats a command until it prints what is wanted
//	drop TOPIC                   deletes a topic
//	put TOPIC FILE               writes each line of the file as a record; \x00 and the like stand for bytes
//	refusing STATUS CODE         starts an S3 server that refuses everything; $AWS_ENDPOINT_URL is where
//	registry                     starts a schema registry that knows no schema; $REGISTRY is where
//	cut FILES BYTES              cuts so many bytes off the end of the files that a glob matches
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireUniqueNames:  true,
		RequireExplicitExec: false,
		Setup: func(e *testscript.Env) error {
			e.Setenv("TERM", "dumb")
			root, err := filepath.Abs("..")
			e.Setenv("REPOSITORY", root)
			e.Setenv("FLIGHTS", filepath.Join(root, "fixtures", "flights"))
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exit": wantExit, "replace": replaceText, "kafka": startKafka, "put": put, "drop": drop, "until": until, "refusing": startRefusing, "registry": startRegistry, "cut": cut,
			"term": terminate,
		},
	})
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP COMMAND ARGS...")
	}
	wanted, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for range 600 {
		if err := ts.Exec(args[1], args[2:]...); err == nil && wanted.MatchString(ts.ReadFile("stdout")) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	ts.Fatalf("%s does not print %s", strings.Join(args[1:], " "), args[0])
}

func replaceText(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: replace FILE NEW OLD TEXT")
	}
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[2]) {
		ts.Fatalf("%s has no %q", args[0], args[2])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.ReplaceAll(text, args[2], args[3])), 0o666))
}

func startKafka(ts *testscript.TestScript, _ bool, _ []string) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	ts.Check(err)
	ts.Defer(c.Close)
	ts.Setenv("KAFKA", c.ListenAddrs()[0])
}

func put(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: put TOPIC FILE")
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(ts.Getenv("KAFKA")))
	ts.Check(err)
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(context.Background(), 1, 1, nil, args[0]); !errors.Is(err, kerr.TopicAlreadyExists) {
		ts.Check(err)
	}
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		value, err := strconv.Unquote("`" + strings.TrimSuffix(line, "\n") + "`")
		if strings.Contains(line, `\x`) {
			value, err = strconv.Unquote(`"` + strings.TrimSuffix(line, "\n") + `"`)
		}
		ts.Check(err)
		ts.Check(cl.ProduceSync(context.Background(), &kgo.Record{Topic: args[0], Value: []byte(value)}).FirstErr())
	}
}

func drop(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: drop TOPIC")
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(ts.Getenv("KAFKA")))
	ts.Check(err)
	defer cl.Close()
	_, err = kadm.NewClient(cl).DeleteTopic(context.Background(), args[0])
	ts.Check(err)
}

// serve runs an HTTP server until the script ends and leaves its address in a variable.
func serve(ts *testscript.TestScript, variable string, status int, contentType, body string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	ts.Defer(s.Close)
	ts.Setenv(variable, s.URL)
}

func startRefusing(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: refusing STATUS CODE")
	}
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	serve(ts, "AWS_ENDPOINT_URL", status, "application/xml", "<Error><Code>"+args[1]+"</Code><Message>no</Message></Error>")
}

func startRegistry(ts *testscript.TestScript, _ bool, _ []string) {
	serve(ts, "REGISTRY", http.StatusNotFound, "application/vnd.schemaregistry.v1+json", `{"error_code":40403,"message":"Schema not found"}`)
}

func cut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cut FILE BYTES")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	files, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(files) == 0 {
		ts.Fatalf("cut: there is no %s", args[0])
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		ts.Check(err)
		ts.Check(os.WriteFile(file, data[:len(data)-n], 0o644))
	}
}

// terminate sends every background command what a supervisor sends; testscript's own kill knows Ctrl-C alone.
func terminate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: term")
	}
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGTERM))
	}
}

// wantExit runs a command and compares its exit code.
func wantExit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE COMMAND ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		got = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
