package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/replay/lake"
	"github.com/lockstep-data/lockstep/replay/sql"
	"github.com/lockstep-data/lockstep/validate"
)

// windows finds joins of S whose window of time is another than the query's. A pair that S has and B* has not is
// one when its rows are in the lake and lie further apart than the query allows. Pairs that B* has and S has not are,
// when each of them lies further apart than every pair that both have.
type windows struct {
	b *blame
	// keys are the columns of the key that are plain columns of a stream, by its number in the query.
	keys  map[int][]keyColumn
	bands []band
	notes map[string]string // evidence by key
	// asideByFirst is what S set aside, by the key's part of the first stream.
	asideByFirst map[string]validate.Known
}

type keyColumn struct{ result, stream string }

// band is a join's window: of the stream's time less that of the first, which is the time of a joined row.
type band struct {
	stream string
	lo, hi int64
}

func (b *blame) newWindows() *windows {
	w := &windows{b: b, keys: map[int][]keyColumn{}, notes: map[string]string{}}
	plan := b.t.trace.plain.Plan
	if scan := w.visit(plan.Root); scan != nil {
		w.bands = append([]band{{stream: scan.Stream}}, w.bands...)
	}
	for _, k := range b.t.opts.Key {
		if c, ok := b.t.trace.Columns[k]; ok && !c.Table {
			w.keys[c.Number] = append(w.keys[c.Number], keyColumn{k, c.Column})
		}
	}
	return w
}

// visit collects the bands in the order of the query and returns its first scan; nil for a UNION ALL.
func (w *windows) visit(n sql.Node) *sql.Scan {
	switch n := n.(type) {
	case *sql.Scan:
		return n
	case *sql.Join:
		first := w.visit(n.Left)
		if right := w.visit(n.Right); right != nil && first != nil {
			w.bands = append(w.bands, band{right.Stream, n.Lo, n.Hi})
			return first
		}
	case *sql.Lookup:
		return w.visit(n.Input)
	case *sql.Filter:
		return w.visit(n.Input)
	case *sql.Project:
		return w.visit(n.Input)
	}
	return nil
}

// part is what a key says of one stream; whole is false where a column of it is NULL.
func (w *windows) part(key map[string]json.RawMessage, stream int) (text string, whole bool) {
	for _, c := range w.keys[stream] {
		v := string(key[c.result])
		if v == "null" || v == "" {
			return "", false
		}
		text += stableKey(json.RawMessage(v)) + ","
	}
	return text, text != ""
}

// find fills notes. class is how each key differs between S and B*.
func (w *windows) find(ctx context.Context, class map[string]string) error {
	for n := 1; n < len(w.bands); n++ {
		if len(w.keys[0]) == 0 || len(w.keys[n]) == 0 {
			continue
		}
		if err := w.narrow(ctx, n, class); err != nil {
			return err
		}
		if err := w.wide(ctx, n, class); err != nil {
			return err
		}
	}
	return nil
}

func decodeKey(key string) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	_ = json.Unmarshal([]byte(key), &out)
	return out
}

// apart is how far a row of stream n lies behind the first of a traced row.
func (w *windows) apart(o origin, n int) (int64, bool) {
	first, other := int64(0), int64(0)
	found := 0
	for _, in := range o.inputs {
		switch in.slot {
		case 0:
			first = in.time
			found++
		case n:
			other = in.time
			found++
		}
	}
	return other - first, found == 2
}

func (w *windows) narrow(ctx context.Context, n int, class map[string]string) error {
	t := w.b.t
	missing := map[string]int64{} // pairs that B* alone has
	for key, c := range class {
		if c != "only_right" {
			continue
		}
		for _, o := range w.b.ideal.byKey[key] {
			if d, ok := w.apart(o, n); ok {
				missing[key] = d
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	var common []int64 // least and greatest of the pairs that both have
	err := t.world.rows(ctx, t.ownPlace("ideal"), func(rec arrow.Record) error {
		keys, err := validate.Keys(rec, t.opts.Key)
		if err != nil {
			return err
		}
		from := t.trace.origins(rec)
		for i, k := range keys {
			if _, differs := class[stableKey(k)]; differs {
				continue
			}
			if d, ok := w.apart(from(i), n); ok {
				if common == nil {
					common = []int64{d, d}
				}
				common[0], common[1] = min(common[0], d), max(common[1], d)
			}
		}
		return nil
	})
	if err != nil || common == nil {
		return err
	}
	for _, d := range missing {
		if d >= common[0] && d <= common[1] {
			return nil // S has pairs that lie as far apart: the window is not what keeps this one away
		}
	}
	lost := map[string]string{}
	for key, d := range missing {
		note := fmt.Sprintf("the row of %s lies %s behind; of the pairs that S has none lies beyond %s", w.bands[n].stream, micros(d), micros(common[1]))
		if d < common[0] {
			note = fmt.Sprintf("the row of %s lies %s behind; of the pairs that S has none lies before %s", w.bands[n].stream, micros(d), micros(common[0]))
		}
		w.notes[key] = note
		if first, ok := w.part(decodeKey(key), 0); ok {
			lost[first] = note
		}
	}
	for key, c := range class { // the rows that S has in their stead
		if c != "only_left" {
			continue
		}
		k := decodeKey(key)
		if _, matched := w.part(k, n); matched {
			continue
		}
		if first, ok := w.part(k, 0); ok && lost[first] != "" {
			w.notes[key] = lost[first]
		}
	}
	return nil
}

func (w *windows) wide(ctx context.Context, n int, class map[string]string) error {
	type pair struct{ key, first, other string }
	var pairs []pair
	wanted := [2]map[string][]int64{{}, {}}
	for key, c := range class {
		if c != "only_left" {
			continue
		}
		k := decodeKey(key)
		first, ok1 := w.part(k, 0)
		other, ok2 := w.part(k, n)
		if ok1 && ok2 {
			pairs = append(pairs, pair{key, first, other})
			wanted[0][first], wanted[1][other] = nil, nil
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	for i, stream := range []int{0, n} {
		if err := w.times(ctx, stream, wanted[i]); err != nil {
			return err
		}
	}
	gained := map[string]string{}
	band := w.bands[n]
	for _, p := range pairs {
		if len(wanted[0][p.first]) == 0 || len(wanted[1][p.other]) == 0 {
			continue
		}
		best := int64(-1) // how far outside, of the copies that lie nearest
		var apart int64
		for _, a := range wanted[0][p.first] {
			for _, b := range wanted[1][p.other] {
				d := b - a
				if out := max(d-band.hi, band.lo-d, 0); best < 0 || out < best {
					best, apart = out, d
				}
			}
		}
		if best <= 0 {
			continue
		}
		w.notes[p.key] = fmt.Sprintf("the row of %s lies %s behind, %s outside of the window from %s to %s", band.stream, micros(apart), micros(best), micros(band.lo), micros(band.hi))
		gained[p.first] = w.notes[p.key]
	}
	for key, c := range class {
		if c != "only_right" {
			continue
		}
		k := decodeKey(key)
		if _, matched := w.part(k, n); matched {
			continue
		}
		if first, ok := w.part(k, 0); ok && gained[first] != "" {
			w.notes[key] = gained[first]
		}
	}
	return nil
}

// times reads the event times of the rows of a stream that wanted names.
func (w *windows) times(ctx context.Context, n int, wanted map[string][]int64) error {
	t := w.b.t
	s := t.trace.plain.Pipeline.Stream(w.bands[n].stream)
	var names []string
	for _, c := range w.keys[n] {
		names = append(names, c.stream)
	}
	src, err := lake.NewSource(ctx, lake.SourceOptions{Place: s.Lake, Env: t.world.env, Fields: t.trace.plain.Catalog.Streams[s.Name].Fields,
		Columns: append(slices.Clone(names), s.Time), Time: s.Time, Partition: s.Positions.Partition, Offset: s.Positions.Offset, Timestamp: s.Positions.Timestamp,
		AbsentAsNull: s.ByAvro()})
	if err != nil {
		return err
	}
	defer src.Close()
	return eachBlock(ctx, src, func(b *replay.Block) error {
		keys, err := validate.Keys(b.Record, names)
		if err != nil {
			return err
		}
		times := b.Record.Column(len(names)).(*array.Timestamp)
		for i, k := range keys {
			parts := decodeKey(string(k))
			var text strings.Builder
			for _, name := range names {
				text.WriteString(stableKey(parts[name]) + ",")
			}
			if have, ok := wanted[text.String()]; ok && times.IsValid(i) && !w.takesNoPart(s.Name, b, i) {
				wanted[text.String()] = append(have, int64(times.Value(i)))
			}
		}
		return nil
	})
}

// takesNoPart says of a row of the lake that it was late or that S set it aside.
func (w *windows) takesNoPart(stream string, b *replay.Block, row int) bool {
	if b.Offsets == nil || b.Partitions == nil {
		return false
	}
	p := logPlace{stream, b.Partitions[row], b.Offsets[row]}
	_, late := w.b.late[p]
	_, aside := w.b.t.aside[p]
	return late || aside
}

func micros(us int64) string { return short(time.Duration(us) * time.Microsecond) }

// short writes a duration without zeros at its end: 10m, not 10m0s.
func short(d time.Duration) string {
	s := strings.Replace(d.String(), "µs", "us", 1)
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}
