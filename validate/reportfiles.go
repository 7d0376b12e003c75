package validate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/parquet-go/parquet-go"
)

// reportFiles writes the report's folder. Everything goes to a folder beside it, which takes its place at the
// end: a run that is stopped leaves nothing half-written. A nil *reportFiles writes nothing.
type reportFiles struct {
	r          *run
	out, tmp   string
	files      []*os.File
	diff       *parquet.GenericWriter[diffRow]
	sets       [4]*rowFile // only_left, only_right, duplicates, pending
	unfinished bool
}

// diffRow is a line of diff.parquet: one cell that differs.
type diffRow struct {
	Key      string  `parquet:"key,zstd"`
	Column   string  `parquet:"column,dict,zstd"`
	Left     *string `parquet:"left,optional,zstd"`
	Right    *string `parquet:"right,optional,zstd"`
	Class    string  `parquet:"class,dict,zstd"`
	Cause    string  `parquet:"cause,dict,zstd"`
	Evidence string  `parquet:"evidence,dict,zstd"`
}

type columnRow struct {
	Name      string  `parquet:"name"`
	TypeLeft  string  `parquet:"type_left"`
	TypeRight string  `parquet:"type_right"`
	Compared  int64   `parquet:"compared"`
	Equal     int64   `parquet:"equal"`
	Within    int64   `parquet:"within"`
	Different int64   `parquet:"different"`
	NullLeft  int64   `parquet:"null_left"`
	NullRight int64   `parquet:"null_right"`
	MaxAbs    *string `parquet:"max_abs,optional"`
	MaxRel    *string `parquet:"max_rel,optional"`
	SMAPE     *string `parquet:"smape,optional"`
	P50       *string `parquet:"p50,optional"`
	P99       *string `parquet:"p99,optional"`
}

func (r *run) newReportFiles() (*reportFiles, error) {
	if r.opts.Out == "" {
		return nil, nil
	}
	tmp, err := StageReport(r.opts.Out)
	if err != nil {
		return nil, err
	}
	f := &reportFiles{r: r, out: r.opts.Out, tmp: tmp, unfinished: true}
	w, err := f.create("diff.parquet")
	if err != nil {
		return f, err
	}
	f.diff = parquet.NewGenericWriter[diffRow](w)
	for i, name := range []string{"only_left.parquet", "only_right.parquet", "duplicates.parquet", "pending.parquet"} {
		w, err := f.create(name)
		if err != nil {
			return f, err
		}
		f.sets[i] = newRowFile(w, r)
	}
	return f, nil
}

// StageReport makes a folder beside out, in which a report grows until PublishReport puts it in its place: there is never half a
// report. A folder that holds anything but an earlier report is refused.
func StageReport(out string) (staged string, err error) {
	if err := checkOut(out); err != nil {
		return "", err
	}
	parent := filepath.Dir(filepath.Clean(out))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	return os.MkdirTemp(parent, ".lockstep-report-")
}

// PublishReport puts a report that is whole in its place, and removes an earlier one.
func PublishReport(staged, out string) error {
	if err := os.Chmod(staged, 0o755); err != nil {
		return err
	}
	if err := checkOut(out); err != nil {
		return err
	}
	old := staged + "-old"
	if _, serr := os.Stat(out); serr == nil {
		if err := os.Rename(out, old); err != nil {
			return err
		}
	}
	if err := os.Rename(staged, out); err != nil {
		return err
	}
	return os.RemoveAll(old)
}

// checkOut refuses a folder that holds anything but an earlier report.
func checkOut(out string) error {
	entries, err := os.ReadDir(out)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(out, "summary.json")); err != nil {
		return withHint(fmt.Errorf("%s is not empty and holds no earlier report", out), "give --out a new folder")
	}
	return nil
}

func (f *reportFiles) create(name string) (*os.File, error) {
	w, err := os.Create(filepath.Join(f.tmp, name))
	if err == nil {
		f.files = append(f.files, w)
	}
	return w, err
}

// overflow takes rows of a key that has too many of them to be held. As long as all are the same, their number is enough.
func (f *reportFiles) overflow(j *jury) func(*group, record) error {
	if f == nil {
		return nil
	}
	return func(g *group, rec record) error {
		cause := causeConflict
		if j.r.classify(g) == nullKey {
			cause = unexplained
		} else if j.r.multiset {
			return nil
		}
		if g.same {
			return nil
		}
		g.n[rec.side()]-- // it is written below
		err := f.kept(f.sets[2], g, cause, "")
		g.n[rec.side()]++
		g.rows[0], g.rows[1] = g.rows[0][:0], g.rows[1][:0]
		return errors.Join(err, f.sets[2].write(rec.side(), g.key, rec.cells(), cause, ""))
	}
}

// kept writes the rows of a key that are held, and the copies of them that are not.
func (f *reportFiles) kept(set *rowFile, g *group, cause, note string) error {
	for s := range g.rows {
		for n := range g.n[s] {
			if len(g.rows[s]) == 0 { // all are written
				break
			}
			rec := g.rows[s][min(int(n), len(g.rows[s])-1)]
			if err := set.write(s, g.key, rec.cells(), cause, note); err != nil {
				return err
			}
		}
	}
	return nil
}

// group writes one key's rows where they belong.
func (f *reportFiles) group(j *jury, kind class, g *group, p *pair, rowCause, rowNote string) error {
	if f == nil {
		return nil
	}
	if kind == pairClass {
		key := string(j.r.keyJSON(g.key))
		rows := make([]diffRow, 0, len(p.cells))
		for i, c := range p.cells {
			col := &j.r.cols[c.col]
			row := diffRow{Key: key, Column: col.name, Left: cellOrNil(&col.common, c.l), Right: cellOrNil(&col.common, c.r), Class: "different", Cause: p.causes[i].cause}
			if c.within {
				row.Class, row.Cause = "within", ""
			} else if note := p.causes[i].note; note != "" {
				row.Evidence = note
			} else if row.Cause != unexplained {
				row.Evidence = j.suspects[c.col].evidence(p.causes[i].why, col.name, j.r.cols)
			}
			rows = append(rows, row)
		}
		_, err := f.diff.Write(rows)
		return err
	}
	set := f.sets[2]
	switch kind {
	case onlyLeft:
		set = f.sets[0]
	case onlyRight:
		set = f.sets[1]
	}
	return f.kept(set, g, rowCause, rowNote)
}

// pending writes the rows that were not judged.
func (f *reportFiles) pending(ctx context.Context) error {
	if f == nil {
		return nil
	}
	why := f.r.pendingText()
	return f.r.eachPending(ctx, func(rec record) error {
		return f.sets[3].write(rec.side(), rec.key, rec.cells(), Pending, why)
	})
}

func cellOrNil(t *typ, cell []byte) *string {
	if cell[0] == 0 {
		return nil
	}
	s := cellText(t, cell)
	return &s
}

// publish writes what is known at the end and moves the folder to its place.
func (f *reportFiles) publish(res *Result) error {
	if f == nil {
		return nil
	}
	err := f.diff.Close()
	for _, s := range f.sets {
		err = errors.Join(err, s.close())
	}
	write := func(name string, do func(io.Writer) error) {
		if err != nil {
			return
		}
		var w *os.File
		if w, err = f.create(name); err == nil {
			err = do(w)
		}
	}
	write("columns.parquet", func(w io.Writer) error {
		text := func(m json.RawMessage) *string {
			if string(m) == "null" {
				return nil
			}
			s := string(m)
			if s[0] == '"' {
				s = s[1 : len(s)-1]
			}
			return &s
		}
		var rows []columnRow
		for _, c := range res.Columns {
			rows = append(rows, columnRow{c.Name, c.TypeLeft, c.TypeRight, c.Compared, c.Equal, c.Within, c.Different, c.NullLeft, c.NullRight,
				text(c.MaxAbs), text(c.MaxRel), text(c.SMAPE), text(c.P50), text(c.P99)})
		}
		pw := parquet.NewGenericWriter[columnRow](w)
		_, err := pw.Write(rows)
		return errors.Join(err, pw.Close())
	})
	write("summary.json", func(w io.Writer) error { return encodeJSON(w, stripRun(res)) })
	write("inputs.json", func(w io.Writer) error { return encodeJSON(w, res.Inputs) })
	write("summary.md", func(w io.Writer) error { return WriteMarkdown(w, res) })
	write("junit.xml", func(w io.Writer) error { return WriteJUnit(w, res) })
	write("report.html", func(w io.Writer) error { return WriteHTML(w, res) })
	for _, w := range f.files {
		err = errors.Join(err, w.Close())
	}
	f.files = nil
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := PublishReport(f.tmp, f.out); err != nil {
		return err
	}
	f.unfinished = false
	return nil
}

// stripRun leaves out what is of the run and not of the data: inputs.json has the inputs.
func stripRun(res *Result) *Result {
	c := *res
	c.Seconds = 0
	return &c
}

func encodeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// abandon removes what was not published.
func (f *reportFiles) abandon() {
	if f == nil || !f.unfinished {
		return
	}
	for _, w := range f.files {
		w.Close()
	}
	os.RemoveAll(f.tmp)
}

// rowFile holds whole rows: the side, the key and every common column, each in its own type where Parquet has
// it, else as text.
type rowFile struct {
	w     *parquet.GenericWriter[any]
	cols  []*rowColumn // by key and column of the plan; place is the order of the file
	row   parquet.Row
	marks [len(rowMarks)]int // their places
}

type rowColumn struct {
	c     *column
	place int
	text  bool
}

// rowMarks are the columns that say of a row which side it is from and why it stands alone.
var rowMarks = [3]string{"_side", "_cause", "_evidence"}

func newRowFile(w io.Writer, r *run) *rowFile {
	f := &rowFile{}
	group := parquet.Group{}
	for _, name := range rowMarks {
		group[name] = parquet.Compressed(parquet.Encoded(parquet.String(), &parquet.RLEDictionary), &parquet.Zstd)
	}
	var names []string
	add := func(c *column) {
		node, text := parquetNode(&c.common)
		name := c.label()
		for _, taken := group[name]; taken; _, taken = group[name] {
			name += "_"
		}
		group[name] = parquet.Optional(parquet.Compressed(node, &parquet.Zstd))
		f.cols, names = append(f.cols, &rowColumn{c: c, text: text}), append(names, name)
	}
	for i := range r.keys {
		add(&r.keys[i])
	}
	for i := range r.cols {
		add(&r.cols[i])
	}
	schema := parquet.NewSchema("rows", group)
	place := map[string]int{}
	for i, path := range schema.Columns() {
		place[path[0]] = i
	}
	for i, name := range rowMarks {
		f.marks[i] = place[name]
	}
	for i, c := range f.cols {
		c.place = place[names[i]]
	}
	f.row = make(parquet.Row, len(place))
	f.w = parquet.NewGenericWriter[any](w, schema)
	return f
}

// parquetNode is the type to write; text where values are written as people read them.
func parquetNode(t *typ) (node parquet.Node, text bool) {
	switch t.kind {
	case kBool:
		return parquet.Leaf(parquet.BooleanType), false
	case kInt:
		if t.unsigned {
			return parquet.Uint(64), false
		}
		return parquet.Int(64), false
	case kFloat:
		return parquet.Leaf(parquet.DoubleType), false
	case kDecimal:
		return parquet.Decimal(t.scale, 18, parquet.Int64Type), false
	case kDate:
		return parquet.Date(), false
	case kBinary:
		return parquet.Leaf(parquet.ByteArrayType), false
	case kTimestamp:
		switch t.unit {
		case millis:
			return parquet.TimestampAdjusted(parquet.Millisecond, t.utc), false
		case micros:
			return parquet.TimestampAdjusted(parquet.Microsecond, t.utc), false
		case nanos:
			return parquet.TimestampAdjusted(parquet.Nanosecond, t.utc), false
		}
	}
	return parquet.String(), true
}

func (f *rowFile) write(side int, key, cells []byte, cause, evidence string) error {
	for i, text := range [len(rowMarks)]string{[]string{"left", "right"}[side], cause, evidence} {
		f.row[f.marks[i]] = parquet.ByteArrayValue([]byte(text)).Level(0, 0, f.marks[i])
	}
	for _, c := range f.cols {
		t := &c.c.common
		from := &key
		if len(key) == 0 {
			from = &cells
		}
		n := cellLen(t, *from)
		null, i, raw, _ := cutCell(t, (*from)[:n])
		*from = (*from)[n:]
		v := parquet.NullValue()
		if !null {
			switch {
			case c.text:
				v = parquet.ByteArrayValue(appendText(nil, t, i, raw))
			case t.kind == kBool:
				v = parquet.BooleanValue(i != 0)
			case t.kind == kFloat:
				v = parquet.DoubleValue(floatOf(i))
			case t.kind == kDate:
				v = parquet.Int32Value(int32(i))
			case t.kind == kBinary:
				v = parquet.ByteArrayValue(raw)
			default:
				v = parquet.Int64Value(i)
			}
			f.row[c.place] = v.Level(0, 1, c.place)
		} else {
			f.row[c.place] = v.Level(0, 0, c.place)
		}
	}
	_, err := f.w.WriteRows([]parquet.Row{f.row})
	return err
}

func (f *rowFile) close() error { return f.w.Close() }
