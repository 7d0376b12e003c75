package validate

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
)

// TestWatermarkBoundsTheSides: rows from the lesser watermark on are pending; a side that is whole has no bound, and
// one that says nothing counts by its rows.
func TestWatermarkBoundsTheSides(t *testing.T) {
	csv := "id,t\n1,2026-01-01T00:00:00\n2,2026-01-01T00:10:00\n3,2026-01-01T00:20:00\n"
	short := "id,t\n1,2026-01-01T00:00:00\n2,2026-01-01T00:10:00\n"
	for _, c := range []struct {
		left, right string // watermarks
		settle      time.Duration
		verdict     Verdict
		rows        Rows
		horizon     string
	}{
		{"", "", 0, Equal, Rows{Equal: 2, PendingLeft: 1}, "2026-01-01 00:10:00.000000"},
		{"2026-01-01T00:10:00Z", "2026-01-01T00:20:00Z", 0, Equal, Rows{Equal: 1, PendingLeft: 2, PendingRight: 1}, "2026-01-01 00:09:59.999999999"},
		{"2026-01-01T00:20:00Z", "end", 0, Equal, Rows{Equal: 2, PendingLeft: 1}, "2026-01-01 00:19:59.999999999"},
		{"2026-01-01T00:20:00.000001Z", "end", 0, Different, Rows{Equal: 2, OnlyLeft: 1}, "2026-01-01 00:20:00.000000999"},
		{"2026-01-01T00:20:00Z", "end", 15 * time.Minute, Equal, Rows{Equal: 1, PendingLeft: 2, PendingRight: 1}, "2026-01-01 00:04:59.999999999"},
		{"end", "", 0, Equal, Rows{Equal: 2, PendingLeft: 1}, "2026-01-01 00:10:00.000000"},
		{"end", "end", 0, Different, Rows{Equal: 2, OnlyLeft: 1}, ""},
		{"2025-01-01", "end", 0, Inconclusive, Rows{PendingLeft: 3, PendingRight: 2}, "2024-12-31 23:59:59.999999999"},
	} {
		l, r := csvSide(t, csv), parquetTimes(t, short)
		l.Watermark, r.Watermark = c.left, c.right
		res := judge(t, Options{Left: l, Right: r, Key: key, Time: "t", Settle: c.settle})
		wantRows(t, res, c.verdict, c.rows)
		if res.Horizon != c.horizon {
			t.Errorf("%+v: horizon %q", c, res.Horizon)
		}
	}
	l := csvSide(t, csv)
	l.Watermark = "yesterday"
	refused(t, Options{Left: l, Right: parquetTimes(t, short), Key: key, Time: "t"}, "yesterday", "not a time")
	l.Watermark = "2026-01-01"
	refused(t, Options{Left: l, Right: parquetTimes(t, short), Key: key}, "time column")
}

// parquetTimes is a side of ids and times as in the CSV.
func parquetTimes(t *testing.T, csv string) Input {
	t.Helper()
	type row struct {
		ID int64     `parquet:"id"`
		T  time.Time `parquet:"t,timestamp(microsecond)"`
	}
	var rows []row
	for i, line := range strings.Split(strings.TrimSpace(csv), "\n")[1:] {
		_, at, _ := strings.Cut(line, ",")
		when, err := time.Parse("2006-01-02T15:04:05", at)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row{int64(i + 1), when})
	}
	return parquetSide(t, rows)
}

// logRow is a row with its place in a log.
type logRow struct {
	ID        string    `parquet:"id"`
	V         int64     `parquet:"v"`
	T         time.Time `parquet:"t,timestamp(microsecond)"`
	Partition *int32    `parquet:"_partition,optional"`
	Offset    *int64    `parquet:"_offset,optional"`
}

func logRows(n int) []logRow {
	var out []logRow
	for i := range n {
		p, o := int32(i%3), int64(i/3)
		out = append(out, logRow{fmt.Sprint("row ", i), int64(i), time.Unix(int64(i)*60, 0).UTC(), &p, &o})
	}
	return out
}

func TestOffsetsBoundTheSides(t *testing.T) {
	l := logRows(30)
	r := slices.Clone(l[:24])
	l[29].Partition, l[29].Offset = nil, nil // of no log: judged
	o := Options{Left: parquetSide(t, l), Right: parquetSide(t, r), Key: key, Offsets: map[int32]int64{0: 8, 1: 4}}
	// Partition 0 counts in full, partition 1 up to offset 4, partition 2 not at all.
	wantRows(t, judge(t, o), Different, Rows{Equal: 12, OnlyLeft: 1, PendingLeft: 2 + 6 + 9, PendingRight: 4 + 8})
	o.Offsets = map[int32]int64{}
	o.Left = parquetSide(t, l[:29])
	wantRows(t, judge(t, o), Inconclusive, Rows{PendingLeft: 29, PendingRight: 24})
	o.Left = csvSide(t, "id,v,t,_partition\na,1,,0\n")
	refused(t, o, `"_offset"`)
}

// TestPendingRowsAreWritten: pending.parquet has exactly the rows that are counted as pending, by key and with their
// values, in the same bytes at any memory and parallelism; a row beyond both bounds is there once.
func TestPendingRowsAreWritten(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	l := logRows(5000)
	for i := range l {
		if rnd.IntN(50) == 0 {
			l[i].V++
		}
	}
	r := logRows(4900)
	until := time.Unix(4500*60, 0).UTC()
	pending := func(rows []logRow) map[string]int64 {
		out := map[string]int64{}
		for _, x := range rows {
			if x.V >= 0 && (!x.T.Before(until) || *x.Partition == 2 && *x.Offset >= 1000) && !x.T.Before(time.Unix(600, 0)) {
				out[x.ID] = x.V
			}
		}
		return out
	}
	want := [2]map[string]int64{pending(l), pending(r)}
	var first []byte
	for i, split := range []int{1, 3, 1} {
		write := func(rows []logRow) Input {
			dir := t.TempDir()
			for f := range split {
				part := rows[len(rows)*f/split : len(rows)*(f+1)/split]
				if i == 2 {
					part = slices.Clone(part)
					slices.Reverse(part)
				}
				if err := parquet.WriteFile(filepath.Join(dir, fmt.Sprint(f, ".parquet")), part, parquet.MaxRowsPerRowGroup(700)); err != nil {
					t.Fatal(err)
				}
			}
			return Input{Path: dir, Watermark: until.Format(time.RFC3339)}
		}
		out := filepath.Join(t.TempDir(), "report")
		res := judge(t, Options{Left: write(l), Right: write(r), Key: key, Time: "t", Since: "1970-01-01T00:10:00", Offsets: map[int32]int64{0: 1 << 40, 1: 1 << 40, 2: 1000},
			Memory: leastMemory, Parallelism: 1 + i, Out: out})
		if res.Rows.PendingLeft != int64(len(want[0])) || res.Rows.PendingRight != int64(len(want[1])) {
			t.Fatalf("seed %d: %d and %d are pending, want %d and %d", seed, res.Rows.PendingLeft, res.Rows.PendingRight, len(want[0]), len(want[1]))
		}
		got := [2]map[string]int64{{}, {}}
		type row struct {
			Side     string `parquet:"_side"`
			Cause    string `parquet:"_cause"`
			Evidence string `parquet:"_evidence"`
			ID       string `parquet:"id"`
			V        int64  `parquet:"v"`
		}
		file := filepath.Join(out, "pending.parquet")
		rows, err := parquet.ReadFile[row](file)
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		for k, x := range rows {
			got[map[string]int{"left": 0, "right": 1}[x.Side]][x.ID] = x.V
			if x.Cause != Pending || x.Evidence != "from the watermark of 1970-01-04 03:00:00.000000 on, or from the offsets 0:1099511627776 1:1099511627776 2:1000 on" {
				t.Fatalf("%+v", x)
			}
			if k > 0 && rows[k-1].ID > x.ID {
				t.Fatalf("%q stands before %q", rows[k-1].ID, x.ID)
			}
		}
		if len(rows) != len(want[0])+len(want[1]) || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("seed %d: %d rows are written, want %d and %d", seed, len(rows), len(want[0]), len(want[1]))
		}
		bytes, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = bytes
		}
		if string(first) != string(bytes) {
			t.Errorf("run %d wrote other bytes", i)
		}
	}
}
