package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// judged runs validate and returns its exit code and what it printed.
func judged(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(t.Context(), append([]string{"validate", "--quiet"}, args...), env, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func produce(t *testing.T, broker, topic string, values ...[]byte) {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.UnknownTopicRetries(10))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := kadm.NewClient(c).CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: v}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTopicIsASide compares topics of Avro and of JSON with a file, in both directions and with a pipeline file.
func TestTopicIsASide(t *testing.T) {
	env := oneBroker(t)
	broker := strings.TrimPrefix(env[0], "KAFKA=")
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := write("rows.ndjson", `{"id":9007199254740993,"name":"a"}`+"\n"+`{"id":2,"name":null}`+"\n"+`{"id":3,"name":"c"}`+"\n")
	avsc := `{"type":"record","name":"row","fields":[{"name":"id","type":"long"},{"name":"name","type":["null","string"]}]}`
	schemaFile := write("rows.avsc", avsc)
	produce(t, broker, "rows-avro", avroValues([]int64{9007199254740993, 2, 3}, []string{"a", "", "c"})...)
	produce(t, broker, "rows-json", []byte(`{"id": 9007199254740993, "name": "a"}`), []byte(`{"id":2}`), []byte("{\n\"id\":3,\"name\":\"d\"}"))
	inAvro := fmt.Sprintf("kafka://%s/rows-avro?format=avro&schema=%s", broker, schemaFile)
	inJSON := fmt.Sprintf("kafka://%s/rows-json?format=json", broker)

	if code, out, errs := judged(t, env, inAvro, file, "--key", "id"); code != exitOK {
		t.Errorf("avro: exit code %d\n%s%s", code, out, errs)
	}
	if code, out, errs := judged(t, env, file, inAvro, "--key", "id"); code != exitOK {
		t.Errorf("file against avro: exit code %d\n%s%s", code, out, errs)
	}
	code, out, errs := judged(t, env, inJSON, inAvro, "--key", "id", "--format", "json")
	var res struct {
		Rows   struct{ Left, Right, Equal, Changed int }
		Inputs []struct {
			Name  string
			Files []struct {
				ETag string
				Rows int
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &res); err != nil {
		t.Fatalf("%v: %s%s", err, out, errs)
	}
	if code != exitNo || res.Rows.Left != 3 || res.Rows.Right != 3 || res.Rows.Equal != 2 || res.Rows.Changed != 1 {
		t.Errorf("json against avro: exit code %d: %s%s", code, out, errs)
	}
	for i, in := range res.Inputs {
		if in.Name != []string{inJSON, inAvro}[i] || len(in.Files) != 1 || !strings.Contains(in.Files[0].ETag, ":3") || in.Files[0].Rows != 3 {
			t.Errorf("input %d: %+v", i, in)
		}
	}

	pipelineFile := write("p.yaml", "pipeline: rows\nstreams:\n  rows:\n    time: at\n    disorder: 1m\n    columns: {id: bigint, name: string, at: timestamp}\n    kafka: {topic: rows-json, format: json}\n"+
		"kafka: {brokers: [\""+broker+"\"]}\nquery: SELECT id, name, at FROM rows\nvalidate: {key: [id]}\n")
	if code, out, errs := judged(t, env, pipelineFile, "kafka:///rows-json?format=json", inAvro); code != exitNo || !strings.Contains(out, "changed") {
		t.Errorf("with a pipeline file: exit code %d\n%s%s", code, out, errs)
	}

	for args, want := range map[string]string{
		"kafka://" + broker + "/rows-avro?format=avro":          "schema=FILE",
		"kafka://" + broker + "/rows-avro?format=xml":           "format=json",
		"kafka://" + broker + "/rows-avro?fromat=json":          "it takes format",
		"kafka:///rows-avro?format=json":                        "kafka://broker:9092",
		"kafka://" + broker + "/?format=json":                   "kafka://broker:9092",
		"kafka://" + broker + "/nothing-there?format=json":      "topic",
		"kafka://" + broker + "/rows-avro?format=json":          "",
		"kafka://" + broker + "/r?format=avro&schema=none.avsc": "",
	} {
		code, _, errs := judged(t, env, args, file, "--key", "id")
		if code != exitFailed || !strings.Contains(errs, "lockstep: hint:") || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d\n%s", args, code, errs)
		}
	}
}

// avroValues writes rows of an id and a name, "" for none.
func avroValues(ids []int64, names []string) [][]byte {
	var out [][]byte
	for i := range ids { // by hand: a long, then the union's branch and a string
		v := zigzag(nil, ids[i])
		if names[i] == "" {
			v = zigzag(v, 0)
		} else {
			v = append(zigzag(zigzag(v, 1), int64(len(names[i]))), names[i]...)
		}
		out = append(out, v)
	}
	return out
}

func zigzag(b []byte, i int64) []byte {
	u := uint64(i<<1) ^ uint64(i>>63)
	for u >= 0x80 {
		b, u = append(b, byte(u)|0x80), u>>7
	}
	return append(b, byte(u))
}
