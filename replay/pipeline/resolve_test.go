package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/lockstep-data/lockstep/schema"
)

// fields are written as in a file: "a bigint, b string".
func fields(t *testing.T, text string) []schema.Field {
	t.Helper()
	typ, err := schema.ParseType("struct<" + text + ">")
	if err != nil {
		t.Fatal(err)
	}
	return typ.Fields
}

func TestResolve(t *testing.T) {
	const head = "pipeline: p\nstreams:\n  s:\n    time: t\n    disorder: 0s\n"
	const tail = "tables: {d: {key: [id], lake: d.csv}}\nquery: SELECT s.id, s.t, d.x FROM s JOIN d ON d.id = s.id\n"
	const table = "id bigint, x string"
	lost := errors.New("no credentials")
	type place struct {
		fields string
		err    error
	}
	for _, c := range []struct {
		name, stream string
		avro, lake   place
		table        place
		want         []string // "line:col: message | hint"
		types        string   // of the stream, when it is fit
	}{
		{"the lake alone", "    lake: l\n", place{}, place{fields: "id bigint, t timestamp(3)"}, place{fields: table}, nil, "ROW<id BIGINT, t TIMESTAMP(3)>"},
		{"positions are no columns", "    lake: l\n", place{}, place{fields: "id bigint, t timestamp, _partition int, _offset bigint, _timestamp timestamp"}, place{fields: table}, nil, "ROW<id BIGINT, t TIMESTAMP(6)>"},
		{"columns before the schema before the lake", "    columns: {id: bigint, t: timestamp(ms)}\n    schema: s.avsc\n    lake: l\n",
			place{fields: "id int, t bigint, more string"}, place{fields: "t timestamp, id bigint"}, place{fields: table}, nil, "ROW<id BIGINT, t TIMESTAMP(3)>"},
		{"the schema before the lake", "    schema: s.avsc\n    lake: l\n", place{fields: "id bigint, t timestamp(3)"}, place{fields: "id int, t timestamp"}, place{fields: table}, nil, "ROW<id BIGINT, t TIMESTAMP(3)>"},
		{"columns against the schema", "    columns: {id: bigint, t: timestamp}\n    schema: s.avsc\n    lake: l\n", place{fields: "id string, t timestamp"}, place{fields: "id bigint, t timestamp"}, place{fields: table},
			[]string{"6:15: error: stream s: column id is BIGINT in dir/p.yaml:6, but STRING in dir/s.avsc | write id: string, or change the other"}, ""},
		{"columns against the lake", "    columns: {id: int, t: timestamp}\n    lake: l\n", place{}, place{fields: "id bigint, t timestamp"}, place{fields: table},
			[]string{"6:15: error: stream s: column id is INT in dir/p.yaml:6, but BIGINT in dir/l/part.parquet | write id: bigint"}, ""},
		{"the schema against the lake", "    schema: s.avsc\n    lake: l\n", place{fields: "id bigint, t timestamp"}, place{fields: "id string, t timestamp"}, place{fields: table},
			[]string{"6:5: error: stream s: column id is BIGINT in dir/s.avsc, but STRING in dir/l/part.parquet | change one of them"}, ""},
		{"a declared column that the lake lacks", "    columns: {id: bigint, t: timestamp, ix: int}\n    lake: l\n", place{}, place{fields: "id bigint, t timestamp"}, place{fields: table},
			[]string{"6:41: error: stream s: column ix is declared, but dir/l/part.parquet has none | write id"}, ""},
		{"a column younger than the lake", "    schema: s.avsc\n    lake: l\n", place{fields: "id bigint, t timestamp, new string"}, place{fields: "id bigint, t timestamp"}, place{fields: table},
			[]string{"6:5: warning: stream s: column new of dir/s.avsc is not in dir/l/part.parquet, where it is NULL | check its name"}, "ROW<id BIGINT, t TIMESTAMP(6), new STRING>"},
		{"a lake that cannot be read", "    lake: l\n", place{}, place{err: schema.WithHint(lost, "set AWS_PROFILE")}, place{fields: table}, []string{"6:5: error: stream s: no credentials | set AWS_PROFILE"}, ""},
		{"a lake that need not be read", "    columns: {id: bigint, t: timestamp}\n    lake: l\n", place{}, place{err: lost}, place{fields: table},
			[]string{"7:5: warning: stream s: columns could not be compared: no credentials | "}, "ROW<id BIGINT, t TIMESTAMP(6)>"},
		{"a lake of files that differ, with columns", "    columns: {id: bigint, t: timestamp}\n    positions: {offset: off}\n    lake: l\n", place{}, place{}, place{fields: table}, nil, "ROW<id BIGINT, t TIMESTAMP(6)>"},
		{"a lake of files that differ, with a schema", "    schema: s.avsc\n    lake: l\n", place{fields: "id bigint, t timestamp"}, place{}, place{fields: table}, nil, "ROW<id BIGINT, t TIMESTAMP(6)>"},
		{"a lake that is still empty", "    columns: {id: bigint, t: timestamp}\n    lake: l\n", place{}, place{err: fmt.Errorf("l: %w", fs.ErrNotExist)}, place{fields: table}, nil, "ROW<id BIGINT, t TIMESTAMP(6)>"},
		{"a schema that cannot be read", "    columns: {id: bigint, t: timestamp}\n    schema: s.avsc\n    lake: l\n", place{err: lost}, place{fields: "id bigint, t timestamp"}, place{fields: table},
			[]string{"7:5: error: stream s: no credentials | check the place"}, ""},
		{"two streams of problems", "    lake: l\n", place{}, place{err: lost}, place{err: lost}, []string{"6:5: error: stream s: no credentials | columns:", "7:25: error: table d: no credentials | columns:"}, ""},
		{"mapped positions", "    positions: {offset: off, partition: prt}\n    lake: l\n", place{}, place{fields: "id bigint, t timestamp, off bigint, part int"}, place{fields: table},
			[]string{"6:30: error: dir/l/part.parquet has no column prt | write part"}, ""},
		{"positions of another type", "    lake: l\n", place{}, place{fields: "id bigint, t timestamp, _offset string"}, place{fields: table},
			[]string{"3:3: error: stream s: column _offset of dir/l/part.parquet is STRING, which is no offset | positions: {offset: COLUMN}"}, ""},
		{"a number as the time", "    lake: l\n", place{}, place{fields: "id bigint, t bigint"}, place{fields: table},
			[]string{"4:11: error: column t of stream s (dir/l/part.parquet) is BIGINT, not a timestamp | columns: {t: timestamp(ms), ...}"}, ""},
		{"a table without its key", "    lake: l\n", place{}, place{fields: "id bigint, t timestamp"}, place{fields: "idd bigint, x string"},
			[]string{"7:20: error: table d (dir/d.csv) has no column id | write idd"}, "ROW<id BIGINT, t TIMESTAMP(6)>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := load(t, head+c.stream+tail, nil)
			find := func(x place, where string) ([]schema.Field, string, error) {
				if x.err != nil {
					return nil, "", x.err
				}
				return fields(t, x.fields), where, nil
			}
			checked, problems := Check(context.Background(), p, Finder{
				LakeFields: func(_ context.Context, s Stream, known []schema.Field) ([]schema.Field, string, error) {
					if c.lake.fields == "" && c.lake.err == nil && known != nil {
						return nil, "", nil
					}
					return find(c.lake, s.Lake+"/part.parquet")
				},
				AvroFields: func(_ context.Context, _ *Pipeline, s Stream) ([]schema.Field, string, error) {
					return find(c.avro, s.Schema)
				},
				TableFields: func(_ context.Context, tb Table) ([]schema.Field, string, error) { return find(c.table, tb.Lake) },
			})
			if len(problems) != len(c.want) {
				t.Fatalf("got %d problems, want %d:\n%s", len(problems), len(c.want), show(problems))
			}
			for i, want := range c.want {
				message, hint, _ := strings.Cut(want, " | ")
				if got := problems[i].String(); got != "dir/p.yaml:"+message || !strings.Contains(problems[i].Hint, hint) {
					t.Errorf("got\n%swant %s", show(problems[i:i+1]), want)
				}
			}
			if r, ok := checked.Catalog.Streams["s"]; ok != (c.types != "") || ok && (schema.Type{Kind: schema.Row, Fields: r.Fields}).String() != c.types {
				t.Errorf("stream s is %v, want %s", r.Fields, c.types)
			}
			if (checked.Plan != nil) == Failed(problems) {
				t.Errorf("plan: %v", checked.Plan)
			}
		})
	}
}

func TestNothingGivesColumns(t *testing.T) {
	p := load(t, "pipeline: p\nstreams: {s: {time: t, disorder: 0s, lake: l}}\ntables: {d: {key: [id], lake: d.csv}}\nquery: SELECT s.t FROM s JOIN d ON d.id = s.id\n", nil)
	_, problems := Check(context.Background(), p, Finder{})
	if got := show(problems); !strings.Contains(got, "2:11: error: nothing gives the columns of stream s") || !strings.Contains(got, "3:10: error: nothing gives the columns of table d") {
		t.Error(got)
	}
}

func TestAgrees(t *testing.T) {
	for pair, want := range map[string]bool{
		"bigint|int": true, "int|bigint": false, "double|float": true, "float|double": false, "string|varchar(3)": true, "decimal(12,2)|decimal(10,2)": true, "decimal(10,2)|decimal(12,2)": false,
		"decimal(12,2)|decimal(12,3)": false, "timestamp(ms)|bigint": true, "timestamp|bigint": false, "timestamp(3)|timestamp": true, "array<bigint>|array<int>": true, "map<string,int>|map<string,bigint>": false,
		"struct<a: bigint>|struct<a: int>": true, "struct<a: int>|struct<b: int>": false, "struct<a: int>|struct<a: int, b: int>": false, "bytes|string": false, "date|timestamp": false,
	} {
		a, b, _ := strings.Cut(pair, "|")
		x, _ := schema.ParseType(a)
		y, _ := schema.ParseType(b)
		if agrees(x, y) != want {
			t.Errorf("%s: %v", pair, !want)
		}
	}
}
