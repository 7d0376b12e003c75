package pipeline

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-data/lockstep/schema"
)

func load(t *testing.T, text string, env map[string]string) *Pipeline {
	t.Helper()
	p, problems := Load("dir/p.yaml", []byte(text), env)
	if Failed(problems) {
		t.Fatalf("problems:\n%s", show(problems))
	}
	return p
}

func TestDefaults(t *testing.T) {
	p := load(t, "pipeline: p\nstreams:\n  s: {time: t, lake: in, kafka: {topic: s}}\nkafka: {brokers: a}\nquery: SELECT * FROM s\n", nil)
	want := Stream{Name: "s", Time: "t", Ahead: time.Hour, Positions: PositionColumns{"_partition", "_offset", "_timestamp"}, OnBadRecord: "fail",
		Lake: filepath.Join("dir", "in"), Kafka: &KafkaStream{Topic: "s", Format: "json", Subject: "s-value"}}
	if !reflect.DeepEqual(p.Streams[0], want) {
		t.Errorf("got  %+v\nwant %+v", p.Streams[0], want)
	}
	if k := (Kafka{Brokers: []string{"a"}, ClientID: "lockstep", Group: "lockstep-p", Delivery: "at-least-once"}); !reflect.DeepEqual(p.Kafka, k) {
		t.Errorf("kafka: %+v", p.Kafka)
	}
	if p.OnError != "fail" || p.Outputs != nil || p.Tables != nil {
		t.Errorf("%+v", p)
	}
}

func TestEverything(t *testing.T) {
	p := load(t, `
pipeline: p-1.x
on_error: reject
streams:
  s:
    time: t
    disorder: 1h30m
    ahead: 5m
    within: 2d
    idle: 30s
    align: off
    id: [a, b]
    columns: {t: timestamp(ms), a: "decimal(12,2)", b: "struct<x: int, y: array<string>>", k: int}
    schema: s.avsc
    kafka: {topic: 2026, format: avro, subject: sub}
    lake: /abs/*.parquet
    lanes: file
    positions: {partition: kp, offset: ko}
    on_bad_record: reject
tables:
  z: {key: id, lake: "file://z.csv", format: csv, versions: v, columns: {id: bigint, v: timestamp}}
  a: {key: [id], lake: s3://b/a/}
kafka:
  brokers: ["${HOST}:9092", b:9093]
  client_id: me
  group: g
  delivery: at-least-once
  tls: {ca: ca.pem, cert: c.pem, key: k.pem, server_name: n}
  sasl: {mechanism: SCRAM-SHA-512, user: u, password: "${PASSWORD}"}
  registry: {url: https://r, user: ru, password_file: pw, tls: true}
query: >
  SELECT *
  FROM s
outputs:
  b: {where: a > 1, lake: out/b/, kafka: {topic: o, key: [a, b], format: avro, framing: plain}}
  a: {kafka: {topic: o2, format: avro}}
validate:
  key: [a, b]
  time: t
  settle: 1h
  columns:
    k: {absolute: 0.5, ulp: 3, decimals: 2, within: 1s, null_as: '', trim: true, case: true, unordered: true, as: double, relative: 0}
    x: {ignore: true}
`, map[string]string{"HOST": "h", "PASSWORD": "hunter2"})
	s := p.Streams[0]
	if s.Disorder != 90*time.Minute || s.Ahead != 5*time.Minute || s.Within != 48*time.Hour || s.Idle != 30*time.Second || s.Align != AlignOff || !s.LaneByFile ||
		s.Schema != "dir/s.avsc" || s.Lake != "/abs/*.parquet" || s.OnBadRecord != "reject" || s.Positions != (PositionColumns{"kp", "ko", "_timestamp"}) {
		t.Errorf("stream: %+v", s)
	}
	if fmt.Sprint(s.Columns) == "" || len(s.Columns) != 4 || s.Columns[0].Type.Epoch != "ms" || s.Columns[1].Type.Scale != 2 || s.Columns[2].Type.Fields[1].Type.Kind != schema.Array {
		t.Errorf("columns: %+v", s.Columns)
	}
	if *s.Kafka != (KafkaStream{Topic: "2026", Format: "avro", Schema: "dir/s.avsc", Registry: true, Subject: "sub"}) {
		t.Errorf("kafka: %+v", s.Kafka)
	}
	if p.Tables[0].Name != "z" || p.Tables[0].Lake != "dir/z.csv" || p.Tables[1].Lake != "s3://b/a/" || p.Tables[0].Versions != "v" || p.Tables[1].Format != "auto" {
		t.Errorf("tables: %+v", p.Tables)
	}
	k := p.Kafka
	if k.Brokers[0] != "h:9092" || k.TLS.CA != "dir/ca.pem" || k.SASL.Password != "hunter2" || k.Registry.TLS == nil || k.Registry.PasswordFile != "dir/pw" || k.Delivery != "at-least-once" {
		t.Errorf("kafka: %+v", k)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(verb, *k.SASL); strings.Contains(text, "hunter2") {
			t.Errorf("%s prints the password: %s", verb, text)
		}
	}
	if p.Outputs[0].Name != "b" || p.Outputs[0].Kafka.Registry || !p.Outputs[1].Kafka.Registry || p.Outputs[1].Kafka.Subject != "o2-value" || p.Outputs[0].Lake != "dir/out/b/" {
		t.Errorf("outputs: %+v", p.Outputs)
	}
	c := p.Validate.Columns[0]
	if p.Validate.Settle != time.Hour || *c.Absolute != 0.5 || *c.Relative != 0 || *c.ULP != 3 || *c.Decimals != 2 || *c.Within != time.Second || *c.NullAs != "" || !c.Trim || !c.Case || !c.Unordered || c.As.Kind != schema.Double || !p.Validate.Columns[1].Ignore {
		t.Errorf("tolerance: %+v", c)
	}
	if p.Query != "SELECT * FROM s\n" {
		t.Errorf("query: %q", p.Query)
	}
}

func TestAnchorsAndMerges(t *testing.T) {
	p := load(t, `
pipeline: p
streams:
  a: &a {time: t, disorder: 5m, lake: a}
  b:
    <<: *a
    lake: b
query: SELECT * FROM a
`, nil)
	if p.Streams[1].Disorder != 5*time.Minute || p.Streams[1].Lake != "dir/b" {
		t.Errorf("%+v", p.Streams[1])
	}
}

func TestExpand(t *testing.T) {
	env := map[string]string{"A": "aa", "EMPTY": ""}
	for text, want := range map[string]string{
		"x${A}y": "xaay", "${A}${A}": "aaaa", "${NO:-d}": "d", "${EMPTY:-d}": "d", "${EMPTY}x": "x", "$${A}": "${A}", "$A": "$A", "a$": "a$", "${A:-x}": "aa", "${NO:-}x": "x",
	} {
		got := expand(located{text: text}, env, func(at position, message, _ string) { t.Errorf("%s: %s", text, message) })
		if got.text != want {
			t.Errorf("%s: got %q, want %q", text, got.text, want)
		}
	}
	// What a variable holds is not YAML: it cannot add fields.
	p := load(t, "pipeline: p\nstreams: {s: {time: t, lake: \"${L}\"}}\nquery: SELECT 1\n", map[string]string{"L": "/a, kafka: {topic: x}\n"})
	if p.Streams[0].Kafka != nil || p.Streams[0].Lake != "/a, kafka: {topic: x}\n" {
		t.Errorf("%+v", p.Streams[0])
	}
}

// A place in the query's text must be found in the file, however the text is written there.
func TestQueryPositions(t *testing.T) {
	for _, c := range []struct{ name, query string }{
		{"block", "query: |\n  SELECT a,\n\n    «X\n  FROM s\n"},
		{"block with other indentation", "query: |2-\n     SELECT\n   «X\n"},
		{"block behind a comment", "query: |  # the query\n    SELECT «X\n"},
		{"folded", "query: >\n  SELECT a,\n  b,\n  «X\n"},
		{"plain", "query: SELECT «X FROM s\n"},
		{"plain over lines", "query: SELECT a,\n   «X FROM s\n"},
		{"single quotes", "query: 'SELECT ''a'', «X'\n"},
		{"double quotes", "query: \"SELECT \\\"a\\\",\\n «X\"\n"},
		{"wide characters", "query: |\n  SELECT 'äöü€😀', «X\n"},
		{"variable before it", "query: |\n  SELECT ${LONG}, «X\n"},
		{"variable with lines", "query: |\n  SELECT ${LINES}, «X\n"},
		{"inside a variable", "query: |\n  SELECT «${X}\n"},
		{"windows line ends", "query: |\r\n  SELECT a,\r\n    «X\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := "pipeline: p\nstreams: {s: {time: t, lake: l}}\n" + c.query
			i := strings.Index(text, "«")
			line := strings.Count(text[:i], "\n") + 1
			col := len([]rune(text[strings.LastIndex(text[:i], "\n")+1:i])) + 1
			p := load(t, strings.Replace(text, "«", "", 1), map[string]string{"LONG": "aaaaaaaaaaaaaaaaaa", "LINES": "a,\nb", "X": "X"})
			j := strings.Index(p.Query, "X")
			qline := strings.Count(p.Query[:j], "\n") + 1
			qcol := len([]rune(p.Query[strings.LastIndex(p.Query[:j], "\n")+1:j])) + 1
			if got := p.texts["query"].lineAt(qline, qcol); got != (position{line, col}) {
				t.Errorf("%d:%d of the query is at %d:%d, want %d:%d", qline, qcol, got.line, got.col, line, col)
			}
		})
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "0s": 0, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute, "2d": 48 * time.Hour, "5us": 5 * time.Microsecond, "1d12h": 36 * time.Hour} {
		got, err := ParseDuration(text)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
		if again, err := ParseDuration(formatDuration(got)); err != nil || again != got {
			t.Errorf("%s: written as %s", text, formatDuration(got))
		}
	}
	for _, text := range []string{"", "s", "1", "1x", "1m1h", "1h1h", "-1s", "1ns", "1e3s", "999999999d", "1 h", "..5s"} {
		if d, err := ParseDuration(text); err == nil || schema.Hint(err) == "" {
			t.Errorf("%q: %v, %v", text, d, err)
		}
	}
}

func TestBrokenYAML(t *testing.T) {
	for _, c := range []struct{ text, want, hint string }{
		{"", "p.yaml:1:1: error: the file is empty", "begin with: pipeline: NAME"},
		{"# only a comment\n", "p.yaml:1:1: error: the file is empty", "begin with"},
		{"pipeline: [a\n", "p.yaml:1:11: error: this is no YAML", "close what was opened"},
		{"pipeline: p\nstreams:\n\ts: 1\n", "p.yaml:3:1: error: this is no YAML", "indent with spaces"},
		{"- a\n- b\n", "p.yaml:1:1: error: the file is a section, not a list", "write its fields below it"},
		{"just text\n", "p.yaml:1:1: error: the file is a section", "write its fields"},
		{"a: &a [" + strings.Repeat("x,", 1000) + "x]\n", "unknown field a", "the fields here"},
	} {
		_, problems := Load("p.yaml", []byte(c.text), nil)
		if len(problems) == 0 || !strings.Contains(problems[0].String(), c.want) && !strings.Contains(show(problems), c.want) || !strings.Contains(show(problems), c.hint) {
			t.Errorf("%.40q: got\n%swant %s | %s", c.text, show(problems), c.want, c.hint)
		}
	}
}

// Aliases of aliases must not take memory for what they stand for.
func TestManyAliases(t *testing.T) {
	var b strings.Builder
	b.WriteString("pipeline: p\nquery: SELECT 1\nstreams:\n  s0: &c {time: t, lake: l, columns: &cols {")
	for i := range 2000 {
		fmt.Fprintf(&b, "c%d: int, ", i)
	}
	b.WriteString("z: int}}\n")
	for i := 1; i < 500; i++ {
		fmt.Fprintf(&b, "  s%d: *c\n", i)
	}
	_, problems := Load("p.yaml", []byte(b.String()), nil)
	if !strings.Contains(show(problems), "more than 100,000 values") {
		t.Error(show(problems)[:200])
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(sound)
	f.Add(whole)
	f.Add("pipeline: &a p\nstreams: {s: *a}\nquery: \"SELECT \\x41 ${A}\"\n")
	f.Add("a:\n  <<: [*a, {b: c}]\n? [x]\n: y\n")
	f.Add("query: >2-\n   x\n\n y\n")
	if entries, err := os.ReadDir("testdata"); err == nil {
		for _, e := range entries {
			if text, err := os.ReadFile(filepath.Join("testdata", e.Name())); err == nil {
				f.Add(string(text))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, problems := Load("p.yaml", []byte(text), map[string]string{"A": "a\nb"})
		if p != nil {
			checked, more := Check(context.Background(), p, Finder{})
			if (checked.Plan == nil) && p.Query != "" && !Failed(append(problems, more...)) {
				t.Fatalf("%q: neither a plan nor a problem", text)
			}
			for _, pr := range more {
				if pr.Message == "" || pr.Line < 1 || pr.Column < 1 {
					t.Fatalf("%q: bad problem %+v", text, pr)
				}
			}
		}
		lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 2
		for _, pr := range problems {
			if pr.Message == "" || pr.Hint == "" || pr.Line < 1 || pr.Line > lines || pr.Column < 1 {
				t.Fatalf("%q: bad problem %+v", text, pr)
			}
		}
		if p == nil && !Failed(problems) {
			t.Fatalf("%q: neither a pipeline nor a problem", text)
		}
		if p != nil && !Failed(problems) && (p.Name == "" || len(p.Streams) == 0 || p.Query == "") {
			t.Fatalf("%q: no problem, but %+v", text, p)
		}
	})
}

func TestAnOutputInWhatIsRead(t *testing.T) {
	for _, c := range []struct {
		lake, place string
		want        bool
	}{
		{"in", "in/out", true},
		{"in/", "in/out/", true},
		{"in", "in", true},
		{"in", "./in/../in/x/y", true},
		{"in", "into", false},
		{"in", "out/in", false},
		{"in", "in/_out", false},
		{"in", "in/x/.out", false},
		{"in/**/*.parquet", "in/out", true},
		{"in/a/**", "in/out", false},
		{"in/*.parquet", "in/out", false},
		{"in/dt=*/*.parquet", "in/out", false},
		{"in/a.parquet", "in/out", false},
		{".", "out", true},
		{".", "../out", false},
		{".", "/out", false},
		{"**/*.parquet", "out", true},
		{"", "out", false},
		{"/lake/in", "/lake/in/out", true},
		{"s3://b/in", "s3://b/in/out/", true},
		{"s3://b/in", "s3://c/in/out", false},
	} {
		stream := &Pipeline{Streams: []Stream{{Name: "s", Lake: c.lake}}}
		table := &Pipeline{Tables: []Table{{Name: "t", Lake: c.lake}}}
		if got := stream.ReadBy(c.place); (got == "stream s") != c.want || (got == "") == c.want {
			t.Errorf("%s in %s: %q", c.place, c.lake, got)
		}
		if got := table.ReadBy(c.place); (got == "table t") != c.want {
			t.Errorf("%s in %s: %q", c.place, c.lake, got)
		}
	}
	text := "pipeline: p\nstreams: {s: {time: t, disorder: 0s, lake: in}}\nquery: SELECT s.t FROM s\noutputs: {o: {lake: in/out}}\n"
	_, problems := Load("p.yaml", []byte(text), nil)
	if got := show(problems); !strings.Contains(got, "4:15: error: output o would write into what stream s reads") {
		t.Error(got)
	}
}
