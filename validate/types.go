package validate

import (
	"fmt"
	"sort"
	"strings"
)

// kind is the family of a type: what a value means, whatever file it came from.
type kind uint8

const (
	kNull kind = iota // nothing is known: every value is NULL
	kBool
	kInt
	kFloat
	kDecimal
	kText
	kBinary
	kDate
	kTime
	kTimestamp
	kDuration
	kInterval
	kList
	kMap
	kStruct
	kUntyped    // a CSV field or a Hive value: text until the other side says what it is
	kJSONNumber // a JSON number as written: exact until the other side says that it is a double
	kNumber     // what exact numbers of different types are compared as: any decimal, without trailing zeros
	kUnread     // of no type that can be read: refused by name where it is to be compared
)

// unit counts powers of a thousand below the second: 0 seconds, 3 nanoseconds. mixedUnit is the common unit
// of two sides that differ: seconds and nanoseconds, so that nothing overflows.
type unit int8

const (
	seconds unit = iota
	millis
	micros
	nanos
	mixedUnit
)

func (u unit) String() string { return [...]string{"s", "ms", "us", "ns", "ns"}[u] }

// perSecond is how many of the unit a second has.
func (u unit) perSecond() int64 { return [...]int64{1, 1e3, 1e6, 1e9, 1e9}[u] }

// typ is a type, of a file's column, of a side or common to both.
type typ struct {
	kind     kind
	bits     int  // kInt, kFloat
	unsigned bool // kInt
	prec     int  // kDecimal; kNumber: not used
	scale    int  // kDecimal, kNumber (for display only)
	unit     unit
	utc      bool // kTimestamp: adjusted to UTC
	json     bool // kText out of JSON: may take the other side's date or time
	elem     *typ // kList; value of kMap
	key      *typ // kMap
	fields   []field
	name     string // kUnread
	why      string // kUnread
}

type field struct {
	name string
	typ  typ
}

func (t typ) String() string {
	switch t.kind {
	case kNull:
		return "null"
	case kBool:
		return "bool"
	case kInt:
		if t.unsigned {
			return fmt.Sprintf("uint%d", t.bits)
		}
		return fmt.Sprintf("int%d", t.bits)
	case kFloat:
		switch t.bits {
		case 16:
			return "float16"
		case 32:
			return "float"
		}
		return "double"
	case kDecimal:
		return fmt.Sprintf("decimal(%d,%d)", t.prec, t.scale)
	case kText:
		return "text"
	case kBinary:
		return "binary"
	case kDate:
		return "date"
	case kTime:
		return "time[" + t.unit.String() + "]"
	case kTimestamp:
		if t.utc {
			return "timestamp[" + t.unit.String() + ",UTC]"
		}
		return "timestamp[" + t.unit.String() + "]"
	case kDuration:
		return "duration[" + t.unit.String() + "]"
	case kInterval:
		return "interval"
	case kList:
		return "list<" + t.elem.String() + ">"
	case kMap:
		return "map<" + t.key.String() + "," + t.elem.String() + ">"
	case kStruct:
		var b strings.Builder
		b.WriteString("struct<")
		for i, f := range t.fields {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(f.name + ":" + f.typ.String())
		}
		return b.String() + ">"
	case kUntyped:
		return "untyped"
	case kJSONNumber, kNumber:
		return "number"
	case kUnread:
		return t.name
	}
	return "?"
}

func (t typ) nested() bool { return t.kind == kList || t.kind == kMap || t.kind == kStruct }

// inBytes says where a value's raw form lies: in bytes, or in an int64.
//
// Raw forms. int64: bool 0/1, integers (uint64 as its bits), floats as the bits of the float64, decimals of up
// to 18 digits unscaled, dates in days, times and timestamps in their unit. Bytes: text, binary, decimals of
// more digits as big-endian two's complement, kNumber and mixed units in canonical form, JSON numbers and CSV
// fields as written, nested values in canonical form.
func (t typ) inBytes() bool {
	switch t.kind {
	case kText, kBinary, kUntyped, kJSONNumber, kNumber, kInterval, kList, kMap, kStruct:
		return true
	case kDecimal:
		return t.prec > 18
	case kTimestamp, kDuration:
		return t.unit == mixedUnit
	}
	return false
}

func (t typ) same(o typ) bool {
	if t.kind != o.kind || t.bits != o.bits || t.unsigned != o.unsigned || t.prec != o.prec || t.scale != o.scale ||
		t.unit != o.unit || t.utc != o.utc || t.json != o.json || len(t.fields) != len(o.fields) ||
		(t.elem == nil) != (o.elem == nil) || (t.key == nil) != (o.key == nil) {
		return false
	}
	if t.elem != nil && !t.elem.same(*o.elem) || t.key != nil && !t.key.same(*o.key) {
		return false
	}
	for i := range t.fields {
		if t.fields[i].name != o.fields[i].name || !t.fields[i].typ.same(o.fields[i].typ) {
			return false
		}
	}
	return true
}

// findings collects what resolve sees on its way.
type findings struct {
	uncomparable []Uncomparable
	missing      []Finding // struct fields that one side lacks
	notes        []Finding // other types that compare by value

	excluded map[string]bool // struct fields that are left out, called as in missing
}

// hasField says whether a type has a struct field that findings call by that name; path is what they call the type.
func (t typ) hasField(path, name string) bool {
	switch t.kind {
	case kList:
		return t.elem.hasField(path+"[]", name)
	case kMap:
		return t.key.hasField(path+".key", name) || t.elem.hasField(path+".value", name)
	}
	for _, x := range t.fields {
		if at := path + "." + x.name; at == name || x.typ.hasField(at, name) {
			return true
		}
	}
	return false
}

// resolve finds the type in which values of l and r are compared by value; it is symmetric. Types that are not
// compared go to f.uncomparable and the result is of no use then. utcNote says that local times met adjusted
// ones.
func resolve(l, r typ, path string, f *findings) typ {
	refuse := func(reason string) typ {
		f.uncomparable = append(f.uncomparable, Uncomparable{Column: path, TypeLeft: l.String(), TypeRight: r.String(), Reason: reason})
		return typ{kind: kNull}
	}
	a, b := l, r
	if a.kind > b.kind {
		a, b = b, a
	}
	if b.kind == kUnread {
		return refuse(b.why)
	}
	if a.kind == kNull {
		if b.kind == kUntyped || b.kind == kNull {
			return typ{kind: kText}
		}
		return settle(b)
	}
	if b.kind == kUntyped {
		switch a.kind {
		case kUntyped:
			return typ{kind: kText}
		case kBool, kInt, kFloat, kDate, kTime, kTimestamp, kText:
			return settle(a)
		case kDecimal:
			return typ{kind: kNumber, scale: a.scale}
		}
		return refuse("a field of text is no " + a.String())
	}
	if b.kind == kJSONNumber || b.kind == kNumber {
		switch a.kind {
		case kFloat:
			if b.kind == kNumber { // exact numbers of several types in one side's files
				return refuse("an exact number with a binary fraction")
			}
			return a
		case kInt, kDecimal, kUntyped, kJSONNumber, kNumber:
			return typ{kind: kNumber, scale: a.scale}
		}
		return refuse("a number is no " + a.String())
	}
	if a.kind != b.kind {
		switch {
		case a.kind == kInt && b.kind == kDecimal:
			return commonDecimal(typ{kind: kDecimal, prec: intDigits(a), scale: 0}, b)
		case a.kind == kInt && b.kind == kFloat, a.kind == kFloat && b.kind == kDecimal:
			return refuse("an exact number with a binary fraction")
		case a.kind == kText && a.json && (b.kind == kDate || b.kind == kTime || b.kind == kTimestamp):
			return settle(b)
		case a.kind == kDate && b.kind == kTimestamp:
			return refuse("a day with an instant")
		}
		return refuse("different kinds of value")
	}
	switch a.kind {
	case kInt:
		if a.unsigned == b.unsigned {
			return typ{kind: kInt, bits: max(a.bits, b.bits), unsigned: a.unsigned}
		}
		if a.unsigned && a.bits == 64 || b.unsigned && b.bits == 64 {
			return typ{kind: kNumber}
		}
		return typ{kind: kInt, bits: 64}
	case kFloat:
		if a.bits != b.bits {
			return refuse("a short binary fraction with a long one")
		}
		return a
	case kDecimal:
		return commonDecimal(a, b)
	case kTime:
		if a.unit != b.unit {
			a.unit = nanos
		}
		return a
	case kDuration:
		if a.unit != b.unit {
			a.unit = mixedUnit
		}
		return a
	case kTimestamp:
		if a.utc != b.utc {
			f.notes = append(f.notes, Finding{Kind: "time_zone", Column: path, Left: l.String(), Right: r.String(),
				Text: "one side is adjusted to UTC, the other is local; local is read as UTC"})
		}
		a.utc = a.utc || b.utc
		if a.unit != b.unit {
			a.unit = mixedUnit
		}
		return a
	case kText:
		return typ{kind: kText, json: a.json && b.json}
	case kList:
		e := resolve(*l.elem, *r.elem, path+"[]", f)
		return typ{kind: kList, elem: &e}
	case kMap:
		k := resolve(*l.key, *r.key, path+".key", f)
		e := resolve(*l.elem, *r.elem, path+".value", f)
		return typ{kind: kMap, key: &k, elem: &e}
	case kStruct:
		out := typ{kind: kStruct}
		right := map[string]typ{}
		for _, x := range r.fields {
			right[x.name] = x.typ
		}
		for _, x := range l.fields {
			y, ok := right[x.name]
			if f.excluded[path+"."+x.name] {
				continue
			}
			if !ok {
				f.missing = append(f.missing, Finding{Kind: "missing_right", Column: path + "." + x.name, Left: x.typ.String(),
					Text: "a field that only the left side has", Different: true})
				continue
			}
			delete(right, x.name)
			out.fields = append(out.fields, field{x.name, resolve(x.typ, y, path+"."+x.name, f)})
		}
		for _, y := range r.fields {
			if _, ok := right[y.name]; ok && !f.excluded[path+"."+y.name] {
				f.missing = append(f.missing, Finding{Kind: "missing_left", Column: path + "." + y.name, Right: y.typ.String(),
					Text: "a field that only the right side has", Different: true})
			}
		}
		sort.Slice(out.fields, func(i, j int) bool { return out.fields[i].name < out.fields[j].name })
		return out
	}
	return a
}

// settle gives the common type of a type with itself: what is compared when only one side says anything.
func settle(t typ) typ {
	var f findings
	if t.kind == kUntyped {
		return typ{kind: kText}
	}
	return resolve(t, t, "", &f)
}

func intDigits(t typ) int {
	switch t.bits {
	case 8:
		return 3
	case 16:
		return 5
	case 32:
		return 10
	}
	return 20
}

// commonDecimal keeps both sides in an int64 where their digits fit, which is the fast way; otherwise values
// are compared as kNumber.
func commonDecimal(a, b typ) typ {
	scale := max(a.scale, b.scale)
	if digits := max(a.prec-a.scale, b.prec-b.scale) + scale; digits <= 18 && a.prec <= 18 && b.prec <= 18 && min(a.scale, b.scale) >= 0 && scale <= 18 {
		return typ{kind: kDecimal, prec: digits, scale: scale}
	}
	return typ{kind: kNumber, scale: scale}
}

// unify finds the type of a column over the files of one side: wide enough that every value keeps its meaning.
// ok is false when the files cannot be one column.
func unify(a, b typ, f *findings) (typ, bool) {
	if a.same(b) && a.kind != kUnread {
		return a, true
	}
	if a.kind == kNull {
		return b, true
	}
	if b.kind == kNull {
		return a, true
	}
	n := len(f.uncomparable)
	switch {
	case a.kind == kUnread || b.kind == kUnread:
		return typ{}, false
	case a.kind == kUntyped || b.kind == kUntyped:
		return typ{}, false
	case a.kind == kStruct && b.kind == kStruct:
		out := typ{kind: kStruct}
		other := map[string]typ{}
		for _, y := range b.fields {
			other[y.name] = y.typ
		}
		for _, x := range a.fields {
			if y, ok := other[x.name]; ok {
				t, ok := unify(x.typ, y, f)
				if !ok {
					return typ{}, false
				}
				x.typ = t
				delete(other, x.name)
			}
			out.fields = append(out.fields, x)
		}
		for _, y := range b.fields {
			if _, ok := other[y.name]; ok {
				out.fields = append(out.fields, y)
			}
		}
		return out, true
	case a.kind == kList && b.kind == kList:
		e, ok := unify(*a.elem, *b.elem, f)
		return typ{kind: kList, elem: &e}, ok
	case a.kind == kMap && b.kind == kMap:
		k, ok1 := unify(*a.key, *b.key, f)
		e, ok2 := unify(*a.elem, *b.elem, f)
		return typ{kind: kMap, key: &k, elem: &e}, ok1 && ok2
	}
	t := resolve(a, b, "", f)
	ok := len(f.uncomparable) == n
	f.uncomparable = f.uncomparable[:n]
	return t, ok
}
