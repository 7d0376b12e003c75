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
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/lockstep-data/lockstep/schema/avro"
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
	narrowFile := write("narrow.avsc", `{"type":"record","name":"row","fields":[{"name":"id","type":"int"}]}`)
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
		"kafka://" + broker + "/rows-avro?format=protobuf":      "Protobuf is not read yet",
		"kafka://" + broker + "/rows-avro?fromat=json":          "it takes format",
		"kafka:///rows-avro?format=json":                        "kafka://broker:9092",
		"kafka://" + broker + "/?format=json":                   "kafka://broker:9092",
		"kafka://" + broker + "/nothing-there?format=json":      "topic",
		"kafka://" + broker + "/rows-avro?format=json":          "",
		"kafka://" + broker + "/r?format=avro&schema=none.avsc": "schema= is a file",
		// What is not understood is not left out, or more than was asked for would be compared.
		"kafka://" + broker + "/rows-json?format=json;until=2026-01-01":               "semicolon",
		"kafka://" + broker + "/rows-json?until=%zz":                                  "%zz",
		"kafka://" + broker + "/rows-json?until=2026-01-01&until=2027-01-01":          "until is given twice",
		"kafka://" + broker + "/rows-json?since=2027-01-01&until=2026-01-01":          "until 2026-01-01 is not after since 2027-01-01",
		"kafka://ann:secret@" + broker + "/rows-json":                                 "ann:xxxxx@",
		"kafka://" + broker + "/rows-avro?format=avro&subject=x&schema=" + narrowFile: "hint: a side has a row of every record",
	} {
		code, _, errs := judged(t, env, args, file, "--key", "id")
		if code != exitFailed || !strings.Contains(errs, "lockstep: hint:") || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d\n%s", args, code, errs)
		}
	}
}

// oneRegistry is a registry without schemas, and a client of it.
func oneRegistry(t *testing.T) (*srfake.Registry, *avro.Registry) {
	t.Helper()
	fake := srfake.New()
	t.Cleanup(fake.Close)
	reg, err := avro.Dial([]string{fake.URL()}, "", "")
	if err != nil {
		t.Fatal(err)
	}
	return fake, reg
}

// TestTopicOfARegistry: values in the registry's format, of two versions of a schema, are compared with a file; also
// with the registry of the pipeline file. A schema that the registry lacks is an error.
func TestTopicOfARegistry(t *testing.T) {
	env := oneBroker(t)
	broker := strings.TrimPrefix(env[0], "KAFKA=")
	fake, reg := oneRegistry(t)
	var framed [][]byte
	for i, fields := range []string{"", `,{"name":"land","type":"string","default":"DE"}`} {
		id, err := reg.Register(t.Context(), "rows-value", `{"type":"record","name":"row","fields":[{"name":"id","type":"long"},{"name":"name","type":["null","string"]}`+fields+`]}`)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range avroValues([]int64{int64(i)*2 + 1, int64(i)*2 + 2}, []string{"a", ""}) {
			if fields != "" {
				v = append(zigzag(v, 2), []string{"FR", "IT"}[k]...)
			}
			framed = append(framed, append(avro.AppendFrame(nil, id), v...))
		}
	}
	produce(t, broker, "rows", framed...)
	produce(t, broker, "stray", append(avro.AppendFrame(nil, 4711), 2, 0))
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := write("rows.ndjson", `{"id":1,"name":"a","land":"DE"}`+"\n"+`{"id":2,"name":null,"land":"DE"}`+"\n"+`{"id":3,"name":"a","land":"FR"}`+"\n"+`{"id":4,"name":null,"land":"IT"}`+"\n")
	other := write("other.csv", "id,name,land\n1,a,DE\n2,,DE\n3,a,FR\n4,,FR\n")
	side := "kafka://" + broker + "/rows?format=avro&registry=" + fake.URL()
	if code, out, errs := judged(t, env, side, file, "--key", "id"); code != exitOK || !strings.Contains(out, "4 rows agree in 2 columns") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	if code, out, errs := judged(t, env, side, other, "--key", "id"); code != exitNo || !strings.Contains(out, "1 row changed") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	pipelineFile := write("p.yaml", "pipeline: rows\nstreams:\n  rows:\n    time: at\n    disorder: 1m\n    columns: {id: bigint, name: string, at: timestamp}\n    kafka: {topic: rows, format: json}\n"+
		"kafka: {brokers: [\""+broker+"\"], registry: {url: \""+fake.URL()+"\"}}\nquery: SELECT id, name, at FROM rows\nvalidate: {key: [id]}\n")
	if code, out, errs := judged(t, env, pipelineFile, file, "kafka:///rows?format=avro"); code != exitOK {
		t.Errorf("with the file's registry: exit code %d\n%s%s", code, out, errs)
	}
	code, _, errs := judged(t, env, "kafka://"+broker+"/stray?format=avro&subject=rows-value&registry="+fake.URL(), file, "--key", "id")
	if code != exitFailed || !strings.Contains(errs, "4711") || !strings.Contains(errs, "lockstep: hint:") {
		t.Errorf("a schema that is not there: exit code %d\n%s", code, errs)
	}
}

// TestDefaultsOfARegistry: a stream whose columns the registry gives has the newest schema's defaults for older values.
func TestDefaultsOfARegistry(t *testing.T) {
	env := oneBroker(t)
	broker := strings.TrimPrefix(env[0], "KAFKA=")
	fake, reg := oneRegistry(t)
	var values [][]byte
	for i, fields := range []string{"", `,{"name":"land","type":"string","default":"DE"}`} {
		id, err := reg.Register(t.Context(), "grown-value", `{"type":"record","name":"row","fields":[{"name":"id","type":"long"},{"name":"t","type":{"type":"long","logicalType":"timestamp-millis"}}`+fields+`]}`)
		if err != nil {
			t.Fatal(err)
		}
		v := zigzag(zigzag(avro.AppendFrame(nil, id), int64(i)), 1_700_000_000_000)
		if fields != "" {
			v = append(zigzag(v, 2), "FR"...)
		}
		values = append(values, v)
	}
	produce(t, broker, "grown", values...)
	file := filepath.Join(t.TempDir(), "p.yaml")
	text := "pipeline: grown\nstreams:\n  g: {time: t, disorder: 1m, kafka: {topic: grown, format: avro}}\n" +
		"kafka: {brokers: [\"" + broker + "\"], registry: {url: \"" + fake.URL() + "\"}}\nquery: SELECT id, land FROM g\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out := lockstepCommand(t, env, "replay", file, "--from", "kafka", "--until", "latest", "--final", "--to", "-", "--quiet")
	for _, row := range []string{`{"id":0,"land":"DE"}`, `{"id":1,"land":"FR"}`} {
		if !strings.Contains(out, row) {
			t.Errorf("%s is not in\n%s", row, out)
		}
	}
}

// TestTopicIsS: of the three results S may be a topic, of JSON or of Avro, and explain finds it there too.
func TestTopicIsS(t *testing.T) {
	dir := t.TempDir()
	env := oneBroker(t)
	fake := srfake.New()
	defer fake.Close()
	in := filepath.Join(dir, "traffic")
	env = append(env, "OUT="+filepath.Join(dir, "out"), "LAKE="+filepath.Join(dir, "lake"))
	lockstepCommand(t, env, "fixtures", "generate", "--to", in, "--impressions", "3000", "--seed", "11")
	lockstepCommand(t, env, "fixtures", "produce", in, "--brokers", strings.TrimPrefix(env[0], "KAFKA="))
	file := filepath.Join(in, "pipeline.yaml")
	lockstepCommand(t, env, "capture", file, "--until", "latest", "--to", filepath.Join(dir, "lake"), "--quiet")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	avroFile := filepath.Join(in, "avro.yaml")
	changed := strings.ReplaceAll(string(text), "topic: take-rate,", "topic: take-rate-avro, format: avro,")
	changed = strings.ReplaceAll(changed, "topic: plays,", "topic: plays-avro, format: avro,")
	changed = strings.ReplaceAll(changed, "topic: impressions, format: avro", "topic: impressions, format: avro, framing: plain")
	changed = strings.ReplaceAll(changed, "kafka: {brokers: [", "kafka: {registry: {url: \""+fake.URL()+"\"}, brokers: [")
	if err := os.WriteFile(avroFile, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	for file, side := range map[string]string{file: "kafka:///take-rate?format=json", avroFile: "kafka:///take-rate-avro?format=avro"} {
		lockstepCommand(t, append(env, "OUT="+filepath.Join(dir, "out", filepath.Base(file))), "replay", file, "--from", "kafka", "--as", "stream", "--until", "latest", "--final", "--quiet")
		code, out, errs := judged(t, env, file, side, "--format", "json")
		var r triangleResult
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%v: %s%s", err, out, errs)
		}
		at := r.Defects.Inputs[0].Files[0].ETag
		if code != exitOK || r.Output != "all" || r.Defects.Rows.Equal == 0 || r.Explained.Named == 0 || r.Explained.Rest != 0 || !strings.Contains(at, "0:") {
			t.Errorf("%s: exit code %d, read to %q: %s\n%s", side, code, at, r.Sentence, errs)
		}
		var errOut, explained bytes.Buffer
		key := decodeKey(string(r.Price.Examples[len(r.Price.Examples)-1].Key))["impression_id"]
		code = Main(t.Context(), []string{"explain", file, "--stream", side, "--key", "impression_id=" + strings.Trim(string(key), `"`)}, env, strings.NewReader(""), &explained, &errOut)
		if code != exitNo || !strings.Contains(explained.String(), "  S yes, B* yes, B no") && !strings.Contains(explained.String(), "  S no, B* no, B yes") {
			t.Errorf("%s: explain %s: exit code %d\n%s%s", side, key, code, explained.String(), errOut.String())
		}
		// Nothing of the topic: every row is a defect.
		code, out, errs = judged(t, env, file, side+"&until=1970-01-01", "--format", "json")
		if strings.HasSuffix(side, "json") {
			if code != exitFailed || !strings.Contains(errs, "says nothing of columns") || !strings.Contains(errs, "hint: since=") {
				t.Errorf("%s, nothing of it: exit code %d\n%s", side, code, errs)
			}
			continue
		}
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%v: %s%s", err, out, errs)
		}
		if code != exitNo || r.Defects.Rows.Left != 0 || r.Defects.Rows.OnlyRight != r.Defects.Rows.Right {
			t.Errorf("%s, nothing of it: exit code %d: %s\n%s", side, code, r.Sentence, errs)
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
