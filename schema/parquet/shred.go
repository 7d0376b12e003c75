package parquet

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/lockstep-data/lockstep/schema"
)

func sliceArray(a arrow.Array, from, to int64) arrow.Array { return array.NewSlice(a, from, to) }

// shredder turns nested values into levels and values (Dremel). A top-level column without nesting has only
// its leaf, which takes arrays whole.
type shredder struct {
	kind     schema.Kind
	optional bool
	// elem is the repetition level of a list's elements but the first.
	elem byte
	kids []*shredder
	leaf *leafWriter
}

func (w *Writer) shredder(name string, t schema.Type, path []string, def, rep byte, repetition format.FieldRepetitionType) (*shredder, error) {
	path = append(slices.Clone(path), name)
	s := &shredder{kind: t.Kind, optional: repetition == format.Optional, elem: rep + 1}
	if s.optional {
		def++
	}
	el := format.SchemaElement{Name: name, RepetitionType: thrift.New(repetition)}
	if def > 100 {
		return nil, fmt.Errorf("%s is nested too deep", t)
	}
	group := func(n int, children ...format.SchemaElement) {
		el.NumChildren = thrift.New(int32(n))
		w.schema = append(w.schema, el)
		w.schema = append(w.schema, children...)
	}
	add := func(name string, t schema.Type, path []string, def, rep byte, r format.FieldRepetitionType) error {
		kid, err := w.shredder(name, t, path, def, rep, r)
		s.kids = append(s.kids, kid)
		return err
	}
	switch t.Kind {
	case schema.Array:
		el.LogicalType.Value, el.ConvertedType = &format.ListType{}, thrift.New(deprecated.List)
		group(1, format.SchemaElement{Name: "list", RepetitionType: thrift.New(format.Repeated), NumChildren: thrift.New(int32(1))})
		return s, add("element", *t.Elem, append(path, "list"), def+1, rep+1, format.Optional)
	case schema.Map:
		el.LogicalType.Value, el.ConvertedType = &format.MapType{}, thrift.New(deprecated.Map)
		group(1, format.SchemaElement{Name: "key_value", RepetitionType: thrift.New(format.Repeated), NumChildren: thrift.New(int32(2))})
		path = append(path, "key_value")
		if err := add("key", *t.Key, path, def+1, rep+1, format.Required); err != nil {
			return nil, err
		}
		return s, add("value", *t.Elem, path, def+1, rep+1, format.Optional)
	case schema.Row:
		if len(t.Fields) == 0 {
			return nil, fmt.Errorf("a struct without fields cannot be written")
		}
		group(len(t.Fields))
		for _, f := range t.Fields {
			if err := add(f.Name, f.Type, path, def, rep, format.Optional); err != nil {
				return nil, fmt.Errorf("%s: %w", f.Name, err)
			}
		}
		return s, nil
	}
	l := &leafWriter{typ: t, path: path, maxDef: def, maxRep: rep, packer: packer{zstd: w.zstd}}
	if err := l.describe(&el); err != nil {
		return nil, err
	}
	w.schema = append(w.schema, el)
	w.leaves = append(w.leaves, l)
	s.leaf = l
	return s, nil
}

// shred adds the levels of a's value i; def is the level of its parent, rep that of the entry.
func (s *shredder) shred(a arrow.Array, i int, def, rep byte) error {
	if a.IsNull(i) {
		if !s.optional {
			return fmt.Errorf("a map has a NULL key")
		}
		s.none(def, rep)
		return nil
	}
	if s.optional {
		def++
	}
	switch {
	case s.leaf != nil:
		l := s.leaf
		l.levels(def, rep)
		l.picked = append(l.picked, int32(i))
		return nil
	case s.kind == schema.Row:
		for k, kid := range s.kids {
			if err := kid.shred(a.(*array.Struct).Field(k), i, def, rep); err != nil {
				return err
			}
		}
		return nil
	}
	list, ok := a.(array.ListLike)
	if !ok {
		return fmt.Errorf("a %s where a list or map was expected", a.DataType())
	}
	from, to := list.ValueOffsets(i)
	if from == to {
		for _, kid := range s.kids {
			kid.none(def, rep)
		}
		return nil
	}
	for j := int(from); j < int(to); j++ {
		for k, kid := range s.kids {
			if err := kid.shred(elementsOf(list, s.kind, k), j, def+1, rep); err != nil {
				return err
			}
		}
		rep = s.elem
	}
	return nil
}

// none adds a NULL or an empty list at def to every leaf below.
func (s *shredder) none(def, rep byte) {
	if s.leaf != nil {
		s.leaf.levels(def, rep)
	}
	for _, k := range s.kids {
		k.none(def, rep)
	}
}

// values hands the arrays of the leaves below a to them, which take what shred picked.
func (s *shredder) values(a arrow.Array) error {
	if s.leaf != nil {
		return s.leaf.nested(a)
	}
	for k, kid := range s.kids {
		var sub arrow.Array
		if s.kind == schema.Row {
			sub = a.(*array.Struct).Field(k)
		} else {
			sub = elementsOf(a.(array.ListLike), s.kind, k)
		}
		if err := kid.values(sub); err != nil {
			return err
		}
	}
	return nil
}

func elementsOf(list array.ListLike, kind schema.Kind, k int) arrow.Array {
	if kind == schema.Map {
		if k == 0 {
			return list.(*array.Map).Keys()
		}
		return list.(*array.Map).Items()
	}
	return list.ListValues()
}
