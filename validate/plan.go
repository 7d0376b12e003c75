package validate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// plan is what is compared with what, settled before the first row is read.
type plan struct {
	opts     *Options
	sides    [2]*side
	keys     []column
	cols     []column // compared columns but the keys, in the left side's order
	time     *column
	where    *filter
	offsets  *offsetBounds
	since    *instant
	until    *instant
	schema   []Finding
	refused  []Uncomparable
	differs  bool // a finding makes the sides different
	forceAll bool // every row goes to the second pass
	multiset bool
}

// column is a column common to both sides.
type column struct {
	name   string
	path   []string
	types  [2]typ
	common typ
	tol    *tolerant
	as     bool
}

func (c *column) want() want { return want{name: c.name, path: c.path, dst: c.common, as: c.as} }

// label is how a key is called.
func (c *column) label() string { return strings.Join(append([]string{c.name}, c.path...), ".") }

// side is one input with its files and the columns they have together.
type side struct {
	name  string
	files []*openFile
	cols  []field
	orig  map[string]string // the name in the files of a renamed column
	units []unitRef
}

type unitRef struct {
	file *openFile
	unit int // of the file
}

func (s *side) find(name string) (typ, bool) {
	for _, c := range s.cols {
		if c.name == name {
			return c.typ, true
		}
	}
	return typ{}, false
}

// newSide unites the columns of a side's files.
func newSide(name, label string, files []*openFile, rename map[string]string) (*side, []Finding, error) {
	s := &side{name: name, files: files, orig: map[string]string{}}
	var notes []Finding
	back := map[string]string{}
	for l, r := range rename {
		back[r] = l
	}
	in := map[string]int{}
	from := map[string]string{} // the file that a column's type is from
	for _, f := range files {
		f.first = len(s.units)
		for u := range f.units() {
			s.units = append(s.units, unitRef{f, u})
		}
		for _, c := range append(append([]field(nil), f.columns()...), f.hive...) {
			shown := c.name
			if l, ok := back[c.name]; ok {
				shown = l
				s.orig[l] = c.name
			}
			in[shown]++
			found := false
			for i := range s.cols {
				if s.cols[i].name != shown {
					continue
				}
				found = true
				var fs findings
				t, ok := unify(s.cols[i].typ, c.typ, &fs)
				if !ok {
					t = s.cols[i].typ
					if t.kind != kUnread {
						t = typ{kind: kUnread, name: t.String() + " or " + c.typ.String(),
							why: fmt.Sprintf("it is %s in %s and %s in %s", t, from[shown], c.typ, f.info.Path)}
					}
					s.cols[i].typ = t
					continue
				}
				if !s.cols[i].typ.same(c.typ) && s.cols[i].typ.kind != kNull && c.typ.kind != kNull {
					notes = append(notes, Finding{Kind: "file_type", Column: shown, Text: fmt.Sprintf("files of the %s side have it as %s and %s", label, s.cols[i].typ, c.typ)})
				}
				s.cols[i].typ = t
			}
			if !found {
				s.cols = append(s.cols, field{shown, c.typ})
				from[shown] = f.info.Path
			}
		}
	}
	for l := range s.orig {
		if _, renamed := back[l]; in[l] == 0 || renamed { // two may change their names
			continue
		}
		for _, f := range files {
			if slices.ContainsFunc(slices.Concat(f.columns(), f.hive), func(c field) bool { return c.name == l }) {
				return nil, nil, withHint(fmt.Errorf("the %s side has both %q and %q, which is renamed to it", label, l, s.orig[l]), "drop the --rename, or give the right side without its own %q", l)
			}
		}
	}
	for _, c := range s.cols {
		if missing := len(files) - in[c.name]; missing > 0 {
			notes = append(notes, Finding{Kind: "file_lacks_column", Column: c.name, Text: fmt.Sprintf("some files of the %s side lack it; NULL there", label)})
		}
	}
	return s, notes, nil
}

// scan reads a unit's columns by their names in the side.
func (s *side) scan(ctx context.Context, u int, wants []want, yield func(*block) error) error {
	f := s.units[u].file
	wants = append([]want(nil), wants...)
	own := make([]want, 0, len(wants))
	at := make([]int, len(wants)) // place in own, or -1 for what the path says
	for k, w := range wants {
		if o, ok := s.orig[w.name]; ok {
			w.name = o
		}
		at[k] = len(own)
		for _, h := range f.hive {
			if h.name == w.name {
				at[k] = -1
			}
		}
		if at[k] >= 0 {
			own = append(own, w)
		} else {
			wants[k].name = w.name
		}
	}
	if len(own) == len(wants) {
		return f.scan(ctx, s.units[u].unit, own, yield)
	}
	return f.scan(ctx, s.units[u].unit, own, func(b *block) error {
		out := &block{n: b.n}
		if b.held != nil {
			out.held = func(k int) ([]piece, error) {
				if at[k] >= 0 {
					return b.held(at[k])
				}
				var pieces []piece
				err := out.col(k, func(start int, v *vec) error {
					pieces = append(pieces, piece{start, v})
					return nil
				})
				return pieces, err
			}
		}
		out.col = func(k int, yield func(int, *vec) error) error {
			if at[k] >= 0 {
				return b.col(at[k], yield)
			}
			w := wants[k]
			text, ok := f.value[w.name]
			if !ok {
				return yieldNulls(b.n, yield)
			}
			c, err := w.converterFor(typ{kind: kUntyped})
			i, raw := int64(0), []byte(text)
			if err == nil && c != nil {
				var scratch []byte
				i, raw, err = c(0, raw, &scratch)
			}
			if err != nil {
				return withHint(fmt.Errorf("%s: folder %s=%s: %w", f.info.Path, w.name, text, err), "a Hive value takes the type of the other side's column; --exclude leaves it out")
			}
			return yield(0, repeatVec(b.n, i, raw, w.dst.inBytes()))
		}
		return yield(out)
	})
}

func (s *side) close() {
	for _, f := range s.files {
		f.close()
	}
}

// newPlan settles columns, keys, types and flags.
func newPlan(opts *Options, left, right *side) (*plan, error) {
	p := &plan{opts: opts, sides: [2]*side{left, right}, multiset: opts.NoKey || opts.MatchDuplicates, forceAll: opts.Paranoid}
	known := func(name string) bool {
		_, l := left.find(name)
		_, r := right.find(name)
		return l || r
	}
	knownField := func(name string) bool {
		return slices.ContainsFunc(slices.Concat(left.cols, right.cols), func(c field) bool { return c.typ.hasField(c.name, name) })
	}
	unknown := func(flag, name string) error {
		return withHint(fmt.Errorf("%s names the column %q, which neither side has", flag, name), "the columns are %s", columnList(left, right))
	}
	for l, r := range opts.Rename {
		if _, ok := left.find(l); !ok {
			return nil, withHint(fmt.Errorf("--rename names the column %q, which the left side lacks", l), "the left side has %s", columnList(left))
		}
		if right.orig[l] != r {
			return nil, withHint(fmt.Errorf("--rename names the column %q, which the right side lacks", r), "the right side has %s", columnList(right))
		}
	}
	selected, excluded, fields := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, c := range opts.Columns {
		if !known(c) {
			return nil, unknown("--columns", c)
		}
		selected[c] = true
	}
	for _, c := range opts.Exclude {
		switch {
		case selected[c]:
			return nil, withHint(fmt.Errorf("both --columns and --exclude name the column %q", c), "drop it from one of them")
		case known(c):
			excluded[c] = true
		case knownField(c):
			fields[c] = true
		default:
			return nil, unknown("--exclude", c)
		}
	}
	tolerances := map[string]*Tolerance{}
	for i := range opts.Tolerances {
		t := &opts.Tolerances[i]
		if !known(t.Column) {
			return nil, unknown("--tolerance", t.Column)
		}
		if tolerances[t.Column] != nil {
			m := mergeTolerance(*tolerances[t.Column], *t)
			t = &m
		}
		tolerances[t.Column] = t
	}
	if err := p.setKeys(); err != nil {
		return nil, err
	}
	isKey := map[string]bool{}
	for _, k := range p.keys {
		if k.path == nil {
			isKey[k.name] = true
			if tolerances[k.name] != nil {
				return nil, withHint(fmt.Errorf("the key %q has a tolerance", k.name), "keys are compared exactly; choose another key")
			}
		}
	}
	use := func(name string) bool {
		return !isKey[name] && !excluded[name] && (len(selected) == 0 || selected[name])
	}
	var order [2][]string
	for _, c := range left.cols {
		if !use(c.name) {
			continue
		}
		r, ok := right.find(c.name)
		if !ok {
			p.note(Finding{Kind: "missing_right", Column: c.name, Left: c.typ.String(), Text: "a column that only the left side has", Different: true})
			continue
		}
		order[0] = append(order[0], c.name)
		f := findings{excluded: fields}
		col := column{name: c.name, types: [2]typ{c.typ, r}}
		col.common = resolve(c.typ, r, c.name, &f)
		t := tolerances[c.name]
		if t != nil && t.As != "" {
			d, err := parseTypeName(t.As)
			// A field of CSV need not be what the other side has, when the user says what else it is.
			if len(f.uncomparable) > 0 || (c.typ.kind == kUntyped) != (r.kind == kUntyped) && d.kind != col.common.kind {
				if err == nil {
					_, err1 := asConverter(c.typ, d)
					_, err2 := asConverter(r, d)
					err = errors.Join(err1, err2)
				}
				if err != nil {
					return nil, fmt.Errorf("tolerance of column %q: as:%s: %w", c.name, t.As, err)
				}
				f = findings{}
				col.common, col.as, p.forceAll = d, true, true
			}
		}
		if len(f.uncomparable) > 0 {
			if t != nil && t.Ignore {
				p.note(Finding{Kind: "ignored", Column: c.name, Left: c.typ.String(), Right: r.String(), Text: "types that are not compared; ignored as asked"})
				continue
			}
			p.refused = append(p.refused, f.uncomparable...)
			continue
		}
		for _, x := range append(f.missing, f.notes...) {
			p.note(x)
		}
		if !c.typ.same(r) && declared(c.typ) && declared(r) {
			p.note(Finding{Kind: "type", Column: c.name, Left: c.typ.String(), Right: r.String(), Text: "other types, compared by value"})
		}
		if t != nil {
			var err error
			if col.tol, err = t.prepare(&col.common, col.as); err != nil {
				return nil, err
			}
		}
		p.cols = append(p.cols, col)
	}
	for i := range p.cols { // the tolerance points at its column's type, which has moved
		if p.cols[i].tol != nil {
			p.cols[i].tol.c = &p.cols[i].common
		}
	}
	for _, c := range right.cols {
		if !use(c.name) {
			continue
		}
		if _, ok := left.find(c.name); ok {
			order[1] = append(order[1], c.name)
		} else {
			p.note(Finding{Kind: "missing_left", Column: c.name, Right: c.typ.String(), Text: "a column that only the right side has", Different: true})
		}
	}
	if strings.Join(order[0], "\x00") != strings.Join(order[1], "\x00") {
		p.note(Finding{Kind: "order", Text: "the columns stand in another order"})
	}
	if len(p.refused) > 0 && !opts.AllowUncomparable {
		first := p.refused[0].Column
		if known(first) {
			return nil, withHint(&UncomparableError{p.refused}, "say what to compare it as with --tolerance %s=as:TYPE, leave it out with --exclude, or go on without it with --allow-uncomparable", first)
		}
		return nil, withHint(&UncomparableError{p.refused}, "leave the field or the whole column out with --exclude, or go on without it with --allow-uncomparable: no tolerance goes into nested values")
	}
	if len(p.keys)+len(p.cols)+len(p.refused) == 0 {
		return nil, withHint(fmt.Errorf("the sides have no column in common that is compared: the left has %s; the right has %s", columnList(left), columnList(right)),
			"--rename left=right says which columns belong together")
	}
	return p, p.setScope()
}

// declared says that a file gave the type; CSV and JSON have none to differ.
func declared(t typ) bool {
	switch t.kind {
	case kUntyped, kJSONNumber, kNull:
		return false
	case kList:
		return declared(*t.elem)
	case kMap:
		return declared(*t.key) && declared(*t.elem)
	case kStruct:
		for _, f := range t.fields {
			if !declared(f.typ) {
				return false
			}
		}
	}
	return !t.json
}

func (p *plan) note(f Finding) {
	p.schema = append(p.schema, f)
	p.differs = p.differs || f.Different
}

func mergeTolerance(a, b Tolerance) Tolerance {
	if b.abs == nil {
		b.abs, b.absF, b.Absolute = a.abs, a.absF, a.Absolute
	}
	if b.rel == nil {
		b.rel, b.relF, b.Relative = a.rel, a.relF, a.Relative
	}
	b.ULP, b.Decimals = max(a.ULP, b.ULP), max(a.Decimals, b.Decimals)
	if !b.HasWithin {
		b.HasWithin, b.Within = a.HasWithin, a.Within
	}
	if b.NullAs == nil {
		b.NullAs = a.NullAs
	}
	if b.As == "" {
		b.As = a.As
	}
	b.Trim, b.Case, b.Unordered, b.Ignore = a.Trim || b.Trim, a.Case || b.Case, a.Unordered || b.Unordered, a.Ignore || b.Ignore
	return b
}

func columnList(sides ...*side) string {
	var names []string
	seen := map[string]bool{}
	for _, s := range sides {
		for _, c := range s.cols {
			if !seen[c.name] {
				seen[c.name] = true
				names = append(names, c.name)
			}
		}
	}
	if len(names) > 20 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:20], ", "), len(names)-20)
	}
	return strings.Join(names, ", ")
}

// lookup finds a common column by name or path.
func (p *plan) lookup(name string) (column, bool) {
	try := func(first string, path []string) (column, bool) {
		l, ok1 := p.sides[0].find(first)
		r, ok2 := p.sides[1].find(first)
		if !ok1 || !ok2 {
			return column{}, false
		}
		l, ok1 = follow(l, path)
		r, ok2 = follow(r, path)
		return column{name: first, path: path, types: [2]typ{l, r}}, ok1 && ok2
	}
	if c, ok := try(name, nil); ok {
		return c, true
	}
	parts := strings.Split(name, ".")
	for n := len(parts) - 1; n > 0; n-- {
		if c, ok := try(strings.Join(parts[:n], "."), parts[n:]); ok {
			return c, true
		}
	}
	return column{}, false
}

func (p *plan) setKeys() error {
	var names []string
	for _, k := range p.opts.Key {
		if _, ok := p.lookup(k); ok {
			names = append(names, k)
			continue
		}
		for _, n := range strings.Split(k, ",") {
			names = append(names, strings.TrimSpace(n))
		}
	}
	seen := map[string]bool{}
	for _, n := range names {
		c, ok := p.lookup(n)
		if !ok {
			_, l := p.sides[0].find(n)
			_, r := p.sides[1].find(n)
			switch {
			case l:
				return withHint(fmt.Errorf("the key names the column %q, which the right side lacks", n), "--rename %s=NAME says what it is called there: the right side has %s", n, columnList(p.sides[1]))
			case r:
				return withHint(fmt.Errorf("the key names the column %q, which the left side lacks", n), "--rename NAME=%s says what it is called there: the left side has %s", n, columnList(p.sides[0]))
			}
			return withHint(fmt.Errorf("the key names the column %q, which neither side has", n), "the columns are %s", columnList(p.sides[0], p.sides[1]))
		}
		if seen[c.label()] {
			continue
		}
		seen[c.label()] = true
		var f findings
		c.common = resolve(c.types[0], c.types[1], c.label(), &f)
		if len(f.uncomparable) > 0 {
			return withHint(&UncomparableError{f.uncomparable}, "a key must be comparable: write one side with the other's type")
		}
		for _, x := range f.missing {
			p.note(x)
		}
		for _, x := range f.notes {
			p.note(x)
		}
		if !c.types[0].same(c.types[1]) && declared(c.types[0]) && declared(c.types[1]) {
			p.note(Finding{Kind: "type", Column: c.label(), Left: c.types[0].String(), Right: c.types[1].String(), Text: "other types, compared by value"})
		}
		p.keys = append(p.keys, c)
	}
	return nil
}

// setScope prepares --where, --time, --since and --until.
func (p *plan) setScope() error {
	o := p.opts
	if o.Where != "" {
		f, err := p.newFilter(o.Where)
		if err != nil {
			return err
		}
		p.where = f
	}
	if err := p.setOffsets(); err != nil {
		return err
	}
	if o.Time == "" {
		return nil
	}
	c, ok := p.lookup(o.Time)
	if !ok {
		return withHint(fmt.Errorf("--time names the column %q, which is not on both sides", o.Time), "the columns are %s", columnList(p.sides[0], p.sides[1]))
	}
	var f findings
	c.common = resolve(c.types[0], c.types[1], c.label(), &f)
	if c.common.kind == kText && len(f.uncomparable) == 0 { // CSV and JSON have no times of their own
		d, err := parseTypeName("timestamp")
		if err != nil {
			return err
		}
		c.common, c.as = d, true
	}
	if c.common.kind != kTimestamp && c.common.kind != kDate {
		return withHint(fmt.Errorf("--time names the column %q, which is %s", o.Time, c.types[0]), "the time column must be a date or a timestamp, or text that is one")
	}
	p.time = &c
	bound := func(flag, s string) (*instant, error) {
		if s == "" {
			return nil, nil
		}
		sec, nano, ok := parseTimestamp(s)
		if !ok {
			return nil, withHint(fmt.Errorf("%s: %q is not a time", flag, s), "write 2026-11-01 or 2026-11-01T12:00:00Z")
		}
		return &instant{sec, nano}, nil
	}
	var err error
	if p.since, err = bound("--since", o.Since); err != nil {
		return err
	}
	if p.until, err = bound("--until", o.Until); err != nil {
		return err
	}
	if p.since != nil && p.until != nil && !p.since.before(*p.until) {
		return withHint(fmt.Errorf("no time is from %s on and before %s", o.Since, o.Until), "give a --until that is later than --since")
	}
	return nil
}

// instant is a time of any unit and any year.
type instant struct{ sec, nano int64 }

func (a instant) before(b instant) bool { return a.sec < b.sec || a.sec == b.sec && a.nano < b.nano }

func (a instant) minus(d time.Duration) instant {
	n := a.nano - int64(d%time.Second)
	s := a.sec - int64(d/time.Second)
	switch {
	case n < 0:
		n, s = n+1e9, s-1
	case n >= 1e9:
		n, s = n-1e9, s+1
	}
	return instant{s, n}
}

// instantOf reads a raw date or timestamp.
func instantOf(c *typ, i int64, b []byte) instant {
	switch {
	case c.kind == kDate:
		return instant{i * 86400, 0}
	case c.unit == mixedUnit:
		sec, nano := secNanos(b)
		return instant{sec, nano}
	}
	per := c.unit.perSecond()
	sec := floorDiv(i, per)
	return instant{sec, (i - sec*per) * (1e9 / per)}
}
