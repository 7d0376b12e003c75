package replay

import (
	"context"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/replay/sql"
	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
)

var benchFields = []schema.Field{
	{Name: "id", Type: schema.Type{Kind: schema.BigInt}}, {Name: "k", Type: schema.Type{Kind: schema.BigInt}},
	{Name: "t", Type: schema.Type{Kind: schema.Timestamp, Precision: 6}}, {Name: "v", Type: schema.Type{Kind: schema.BigInt}},
}

// BenchmarkGroup measures one shard: rows in, final rows out, with the watermark ten seconds behind. 1,000 rows a
// second of event time; B/op is of a batch of 8,192 rows.
func BenchmarkGroup(b *testing.B) {
	for _, c := range []struct{ name, query string }{
		{"by_row_of_four", "SELECT id, t, COUNT(*) AS n, SUM(v) AS s, MIN(v) AS m FROM r GROUP BY id, t"},
		{"tumble_1m_1000_keys", "SELECT k, COUNT(*) AS n, SUM(v) AS s, MIN(v) AS m FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(t), INTERVAL '1' MINUTE)) GROUP BY k, window_start, window_end"},
		{"tumble_1m_distinct", "SELECT k, COUNT(DISTINCT v) AS n FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(t), INTERVAL '1' MINUTE)) GROUP BY k, window_start, window_end"},
		{"hop_1m_every_10s", "SELECT k, COUNT(*) AS n, SUM(v) AS s FROM TABLE(HOP(TABLE r, DESCRIPTOR(t), INTERVAL '10' SECOND, INTERVAL '1' MINUTE)) GROUP BY k, window_start, window_end"},
		{"session_of_one", "SELECT k, COUNT(*) AS n FROM TABLE(SESSION(TABLE r PARTITION BY k, DESCRIPTOR(t), INTERVAL '0.5' SECOND)) GROUP BY k, window_start, window_end"},
		{"rank_of_four", "SELECT id, v FROM r QUALIFY ROW_NUMBER() OVER (PARTITION BY id, t ORDER BY v DESC) = 1"},
	} {
		b.Run(c.name, func(b *testing.B) {
			plan, problems := sql.Compile(c.query, sql.Catalog{Streams: map[string]sql.Relation{"r": {Fields: benchFields, Time: "t"}}})
			if plan == nil {
				b.Fatal(problems)
			}
			var op operator
			var input *sql.Project
			var keys []int
			for n := plan.Root; op == nil; n = sql.Inputs(n)[0] {
				switch n := n.(type) {
				case *sql.Group:
					op, input, keys = newGroup(n, failures{from: origin{stream: &stream{in: &StreamInput{Source: noSource{}}}}}, nil), n.Input.(*sql.Project), identity(n.Keys)
				case *sql.Rank:
					op, input, keys = newRank(n, nil, origin{}), n.Input.(*sql.Project), n.Keys
				}
			}
			project, err := newProject(input.Exprs, failures{})
			if err != nil {
				b.Fatal(err)
			}
			ctx, out := context.Background(), 0
			emit := func(_ context.Context, b *batch) error { out += b.rows(); return nil }
			now := int64(0)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				m := benchMessage(b, ctx, project, input, keys, &now)
				b.StartTimer()
				if err := op.process(ctx, m, emit); err != nil {
					b.Fatal(err)
				}
				op.advance(0, now-10_000_000)
				if err := op.settle(ctx, false, emit); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*batchRows/b.Elapsed().Seconds()/1e6, "Mrows/s")
			b.ReportMetric(float64(out)/float64(b.N), "out/op")
		})
	}
}

// noSource has the benchmark's columns.
type noSource struct{ Source }

func (noSource) Fields() []schema.Field { return benchFields }

// benchMessage makes a batch of rows whose times go on from *now: four a row of id.
func benchMessage(b *testing.B, ctx context.Context, project *project, input *sql.Project, keys []int, now *int64) *message {
	ids, ks, ts, vs := make([]int64, batchRows), make([]int64, batchRows), make([]int64, batchRows), make([]int64, batchRows)
	for i := range ids {
		*now += 1000
		ids[i], ts[i] = *now/4000, *now/4000*4000
		ks[i], vs[i] = *now/1000*7919%1000, *now/1000*104729%977
	}
	column := func(dt arrow.DataType, v []int64) arrow.Array {
		return array.MakeFromData(array.NewData(dt, len(v), []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(v))}, nil, 0, 0))
	}
	long := arrow.PrimitiveTypes.Int64
	all := []arrow.Array{column(long, ids), column(long, ks), column(schema.TimestampType, ts), column(long, vs)}
	in := &batch{times: ts}
	// The scan below has only the columns that are used.
	for _, f := range input.Input.Fields() {
		for i := range benchFields {
			if benchFields[i].Name == f.Name {
				in.cols = append(in.cols, all[i])
			}
		}
	}
	got, err := project.apply(ctx, in)
	if err != nil {
		b.Fatal(err)
	}
	m := &message{b: got, views: state.Views(got.cols), hashes: make([]uint64, batchRows), rows: allRows(batchRows)}
	for _, k := range keys {
		m.keys = append(m.keys, m.views[k])
	}
	state.HashAll(m.keys, batchRows, m.hashes)
	return m
}
