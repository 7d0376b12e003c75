package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/replay/sql"
	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/validate"
)

// blame ties every difference between a stream and the batch to the late rows behind it.
//
// Where S and B* agree about a key and B does not, lateness is the cause: B* and B are one engine over one lake, and
// differ in rule 1 alone. Which late rows it was, the traces say: a row that B alone has was made of them; a row
// that B* alone has shares a row of a stream with one of B that was; or a late row was the first copy of an event.
type blame struct {
	t              *triangle
	defects, price map[string]string // how the keys differ
	ours           map[string]bool   // differences of B* and B as both are run here, nil where no other is compared
	batch, ideal   traceIndex
	late           map[logPlace]asideRow
	lateByID       map[string][]asideRow
	hidden         map[logPlace][]origin // of B without conditions, by the rows of keys that nothing else names
	named, unnamed int64
	wrong          map[string]bool // cells that S and B* have differently, of the keys that differ in both comparisons
	lookups        *lookupTables
	windows        *windows
}

// traceIndex is where the rows of the keys that differ came from.
type traceIndex struct {
	byKey map[string][]origin
	byRow map[logPlace][]string // keys of the rows that a row of a stream is in
}

func newBlame(t *triangle) *blame {
	return &blame{t: t, defects: map[string]string{}, price: map[string]string{}, late: map[logPlace]asideRow{}, lateByID: map[string][]asideRow{},
		wrong: map[string]bool{}, lookups: &lookupTables{t: t}}
}

// collect notes the keys that differ.
func (b *blame) collect(keys map[string]string) func(validate.Difference) validate.Known {
	return func(d validate.Difference) validate.Known {
		keys[stableKey(d.Key)] = d.Class
		return validate.Known{}
	}
}

// collectDefects does it for S against B*, after B* against B.
func (b *blame) collectDefects(d validate.Difference) validate.Known {
	if b.price[stableKey(d.Key)] != "" && d.Class == "changed" {
		b.wrong[nameOf(d)] = true
	}
	return b.collect(b.defects)(d)
}

// collectOurs notes how B* and B differ as both are run here, in place of those that the user gave: what differs in
// these alone is no work of late rows.
func (b *blame) collectOurs(d validate.Difference) validate.Known {
	b.ours[stableKey(d.Key)+"\x00"+d.Class] = true
	b.ours[nameOf(d)] = true
	return validate.Known{}
}

// nameOf names a difference: a row by its key, a cell by its column too.
func nameOf(d validate.Difference) string {
	name := stableKey(d.Key) + "\x00" + d.Class
	if len(d.Cells) > 0 {
		name += "\x00" + d.Cells[d.Cell].Column
	}
	return name
}

// read reads the late rows, and both traces as far as their keys differ.
func (b *blame) read(ctx context.Context) error {
	t := b.t
	for _, s := range t.trace.plain.Pipeline.Streams {
		id := func(r asideRow) string { return s.Name + "\x00" + r.id }
		place := filepath.Join(t.tmp, "ideal", "_late", s.Name)
		if _, err := os.Stat(place); errors.Is(err, fs.ErrNotExist) {
			continue // none of its rows was late
		}
		err := t.world.setAside(ctx, place, s.Name, placePartition, placeOffset, func(r asideRow) {
			b.late[r.logPlace] = r
			t.lateBy[s.Name] = append(t.lateBy[s.Name], r.lateness)
			t.lateAll++
			if r.id != "" {
				b.lateByID[id(r)] = append(b.lateByID[id(r)], r)
			}
		}, append([]string{s.Time}, s.ID...)...)
		if err != nil {
			return err
		}
	}
	var err error
	if b.batch, err = b.index(ctx, "batch"); err != nil {
		return err
	}
	if b.ideal, err = b.index(ctx, "ideal"); err != nil {
		return err
	}
	if err := b.widen(ctx); err != nil || len(b.defects) == 0 {
		return err
	}
	b.windows = b.newWindows()
	return b.windows.find(ctx, b.defects)
}

func (b *blame) index(ctx context.Context, which string) (traceIndex, error) {
	x := traceIndex{map[string][]origin{}, map[logPlace][]string{}}
	if len(b.defects)+len(b.price) == 0 {
		return x, nil
	}
	return x, b.t.world.rows(ctx, b.t.ownPlace(which), func(rec arrow.Record) error {
		keys, err := validate.Keys(rec, b.t.opts.Key)
		if err != nil {
			return err
		}
		from := b.t.trace.origins(rec)
		for i, k := range keys {
			key := stableKey(k)
			if b.defects[key] == "" && b.price[key] == "" {
				continue
			}
			o := from(i)
			x.byKey[key] = append(x.byKey[key], o)
			for _, in := range o.inputs {
				x.byRow[in.logPlace] = append(x.byRow[in.logPlace], key)
			}
		}
		return nil
	})
}

// widen finds the late rows behind keys that no row of a result names: those of rows that WHERE, or the output's
// condition, removes because of them. It runs the batch once more without conditions, when there are such keys.
func (b *blame) widen(ctx context.Context) error {
	t := b.t
	wanted := map[logPlace]bool{}
	for key := range b.price {
		if len(b.lateOf(key)) > 0 {
			continue
		}
		for _, x := range []traceIndex{b.batch, b.ideal} {
			for _, o := range x.byKey[key] {
				for _, in := range o.inputs {
					wanted[in.logPlace] = true
				}
			}
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	wide, err := t.world.traceOf(t.trace.plain, true)
	if err != nil {
		return nil // the query needs its WHERE; these keys stay without names
	}
	wide.since, wide.until = t.trace.since, t.trace.until
	if err := wide.run(ctx, "batch", "", filepath.Join(t.tmp, "wide"), nil); err != nil {
		return fmt.Errorf("run B without conditions: %w", err)
	}
	b.hidden = map[logPlace][]origin{}
	return t.world.rows(ctx, t.ownPlace("wide"), func(rec arrow.Record) error {
		from := wide.origins(rec)
		for i := range int(rec.NumRows()) {
			o := from(i)
			if len(b.inputsLate(o)) == 0 {
				continue
			}
			for _, in := range o.inputs {
				if wanted[in.logPlace] {
					b.hidden[in.logPlace] = append(b.hidden[in.logPlace], o)
				}
			}
		}
		return nil
	})
}

// lateOf names the late rows behind a key.
func (b *blame) lateOf(key string) []asideRow {
	var near []origin // rows of the other result that share a row of a stream
	for _, sides := range [][2]traceIndex{{b.ideal, b.batch}, {b.batch, b.ideal}} {
		for _, o := range sides[0].byKey[key] {
			for _, in := range o.inputs {
				for _, k := range sides[1].byRow[in.logPlace] {
					near = append(near, sides[1].byKey[k]...)
				}
				near = append(near, b.hidden[in.logPlace]...)
			}
		}
	}
	own := append(slices.Clone(b.batch.byKey[key]), b.ideal.byKey[key]...)
	for _, look := range []func(origin) []asideRow{b.inputsLate, b.copiesLate} {
		for _, rows := range [][]origin{own, near} {
			var out []asideRow
			for _, o := range rows {
				out = append(out, look(o)...)
			}
			if len(out) > 0 {
				slices.SortFunc(out, func(x, y asideRow) int { return x.compare(y.logPlace) })
				return slices.CompactFunc(out, func(x, y asideRow) bool { return x.logPlace == y.logPlace })
			}
		}
	}
	return nil
}

func (p logPlace) compare(o logPlace) int {
	if c := strings.Compare(p.stream, o.stream); c != 0 {
		return c
	}
	if p.partition != o.partition {
		return int(p.partition) - int(o.partition)
	}
	if p.offset < o.offset {
		return -1
	} else if p.offset > o.offset {
		return 1
	}
	return 0
}

func (b *blame) inputsLate(o origin) (out []asideRow) {
	for _, in := range o.inputs {
		if r, ok := b.late[in.logPlace]; ok {
			out = append(out, r)
		}
	}
	return out
}

// copiesLate are late rows that are copies of the events that a row was made of.
func (b *blame) copiesLate(o origin) (out []asideRow) {
	for _, in := range o.inputs {
		if in.id != "" {
			out = append(out, b.lateByID[in.stream+"\x00"+in.id]...)
		}
	}
	return out
}

// ofPrice explains B* against B.
func (b *blame) ofPrice(d validate.Difference) validate.Known {
	if !b.priced(d) {
		return validate.Known{}
	}
	return b.lateness(stableKey(d.Key), d.Cell == 0)
}

// priced says whether lateness makes a difference of S or B* against B.
func (b *blame) priced(d validate.Difference) bool {
	return b.price[stableKey(d.Key)] != "" && (b.ours == nil || b.ours[nameOf(d)])
}

// lateCell is priced for S against B: of a cell that S and B* have differently lateness is not the reason.
func (b *blame) lateCell(d validate.Difference) bool {
	return b.priced(d) && !b.wrong[nameOf(d)]
}

// all says whether something holds for a row, or for every cell of a pair that differs.
func all(d validate.Difference, holds func(validate.Difference) bool) bool {
	for i := range d.Cells {
		d.Cell = i
		if !holds(d) {
			return false
		}
	}
	return len(d.Cells) > 0 || holds(d)
}

func (b *blame) lateness(key string, first bool) validate.Known {
	rows := b.lateOf(key)
	if first && len(rows) > 0 {
		b.named++
	} else if first {
		b.unnamed++
	}
	if len(rows) == 0 {
		return validate.Known{Cause: validate.Late, Evidence: "the engine gives this row or the other by late rows alone; the result's rows do not tell which"}
	}
	var parts []string
	for _, r := range rows[:min(len(rows), 3)] {
		parts = append(parts, b.t.lateText(r))
	}
	if n := len(rows) - 3; n > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", n))
	}
	return validate.Known{Cause: validate.Late, Evidence: strings.Join(parts, ", ")}
}

func (t *triangle) lateText(r asideRow) string {
	return fmt.Sprintf("%s of %s came %s too late", r.logPlace, utcText(r.time), micros(r.lateness))
}

// utcText is a time as people write it.
func utcText(us int64) string {
	if us == replay.NoTime {
		return "no time"
	}
	return time.UnixMicro(us).UTC().Format("2006-01-02T15:04:05.999999Z")
}

// ofTotal explains S against B: by the defect where there is one, else by late rows.
func (b *blame) ofTotal(d validate.Difference) validate.Known {
	key := stableKey(d.Key)
	// Where S and B* both have the row, its being there or not is the price alone, and so are the cells they agree about.
	if class := b.defects[key]; class != "" && (class != "changed" || d.Class == "changed" && !b.lateCell(d)) {
		return b.ofDefect(d)
	}
	if b.lateCell(d) {
		return b.lateness(key, d.Cell == 0 && all(d, b.lateCell))
	}
	return validate.Known{}
}

// ofDefect explains S against B*, where it can, by what S set aside and by look-ups.
func (b *blame) ofDefect(d validate.Difference) validate.Known {
	key := stableKey(d.Key)
	for _, o := range b.ideal.byKey[key] {
		if known := b.asideOf(o); known.Cause != "" {
			return known
		}
	}
	if d.Class == "changed" {
		return b.lookups.explain(b.ideal.byKey[key], d)
	}
	if note := b.windows.notes[key]; note != "" {
		return validate.Known{Cause: validate.JoinWindow, Evidence: note}
	}
	return b.inStead(key)
}

// inStead explains a row that S has because another row of B*, made of the same row of the query's first stream, is
// lacking: of that one, S set a row aside.
func (b *blame) inStead(key string) validate.Known {
	w := b.windows
	first, ok := w.part(decodeKey(key), 0)
	if !ok || b.defects[key] != "only_left" {
		return validate.Known{}
	}
	if w.asideByFirst == nil {
		w.asideByFirst = map[string]validate.Known{}
		for k, class := range b.defects {
			if f, ok := w.part(decodeKey(k), 0); ok && class == "only_right" {
				for _, o := range b.ideal.byKey[k] {
					if known := b.asideOf(o); known.Cause != "" {
						w.asideByFirst[f] = known
					}
				}
			}
		}
	}
	return w.asideByFirst[first]
}

// asideOf says which row of a result's row S set aside.
func (b *blame) asideOf(o origin) validate.Known {
	for _, in := range o.inputs {
		if a, ok := b.t.aside[in.logPlace]; ok {
			return validate.Known{Cause: asideCause(a.folder), Evidence: fmt.Sprintf("S set %s aside in %s: %s", in.logPlace, a.folder, a.reason)}
		}
	}
	return validate.Known{}
}

func asideCause(folder string) string {
	switch folder {
	case "_undecided":
		return validate.Undecided
	case "_conflicts":
		return validate.ConflictingDuplicate
	}
	return validate.DroppedByPolicy
}

// setAside reads a side output, with the row's time and its id.
func (w *world) setAside(ctx context.Context, place, stream, partition, offset string, do func(asideRow), columns ...string) error {
	return w.rows(ctx, place, func(rec arrow.Record) error {
		col := func(name string) arrow.Array {
			if at := rec.Schema().FieldIndices(name); len(at) == 1 {
				return rec.Column(at[0])
			}
			return nil
		}
		part, _ := col(partition).(*array.Int32)
		off, _ := col(offset).(*array.Int64)
		reason, lateness := col("_reason"), col("_lateness")
		if part == nil || off == nil || reason == nil || lateness == nil {
			return fmt.Errorf("%s is no side output: it lacks %s, %s, _reason or _lateness", place, partition, offset)
		}
		var ids arrow.Array
		if len(columns) > 0 {
			var err error
			if ids, err = joinedText(rec, columns[1:]); err != nil {
				return err
			}
		}
		for i := range int(rec.NumRows()) {
			r := asideRow{logPlace: logPlace{stream: stream, offset: -1, partition: -1}, reason: reason.ValueStr(i), lateness: -1, time: replay.NoTime}
			if off.IsValid(i) {
				r.offset = off.Value(i)
			}
			if part.IsValid(i) {
				r.partition = part.Value(i)
			}
			if late, ok := lateness.(*array.Int64); ok && late.IsValid(i) {
				r.lateness = late.Value(i)
			}
			if len(columns) > 0 {
				if at, ok := col(columns[0]).(*array.Timestamp); ok && at.IsValid(i) {
					r.time = int64(at.Value(i))
				}
				if ids != nil && ids.IsValid(i) {
					r.id = ids.ValueStr(i)
				}
			}
			do(r)
		}
		return nil
	})
}

// joinedTexts is the columns' text with a bar between, as a trace has ids and keys: "" where a part is NULL, nil
// without columns.
func joinedTexts(rec arrow.Record, columns []string) ([]string, error) {
	a, err := joinedText(rec, columns)
	if a == nil || err != nil {
		return nil, err
	}
	out := make([]string, a.Len())
	for i := range out {
		if a.IsValid(i) {
			out[i] = a.ValueStr(i)
		}
	}
	return out, nil
}

// joinedText is the same as an array.
func joinedText(rec arrow.Record, columns []string) (arrow.Array, error) {
	if len(columns) == 0 {
		return nil, nil
	}
	var fields []schema.Field
	for _, f := range rec.Schema().Fields() {
		t, err := schema.FromArrow(f.Type)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		fields = append(fields, schema.Field{Name: f.Name, Type: t})
	}
	node, problems := sql.BindJoined(columns, fields)
	if node == nil {
		return nil, errors.New(problems[0].Message)
	}
	program, err := expr.Compile(node)
	if err != nil {
		return nil, err
	}
	out, _, err := program.Eval(rec.Columns(), int(rec.NumRows()))
	if err != nil {
		return nil, err
	}
	return out[0], nil
}
