package kafka

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/json"
)

// Key writes the records' key. One column of type STRING or BYTES is the key as it stands, so that other
// producers' records of the same key go to the same partition. Anything else is a JSON object of the key's
// columns in the order in which they are declared, e.g. {"profile_id":7,"title_id":"a"}. A key of which every
// column is NULL is no key. Both forms are what Flink's `key.format` raw and json write.
type Key struct {
	cols   []int
	raw    bool
	text   *array.String
	data   *array.Binary
	rec    arrow.Record
	json   Encoder
	schema *arrow.Schema
}

// NewKey is the key of rows of fields.
func NewKey(fields []schema.Field, names []string) (*Key, error) {
	k := &Key{}
	var of []schema.Field
	for _, n := range names {
		i := slices.IndexFunc(fields, func(f schema.Field) bool { return f.Name == n })
		if i < 0 {
			have := make([]string, len(fields))
			for j, f := range fields {
				have[j] = f.Name
			}
			return nil, schema.WithHint(fmt.Errorf("the output has no column %q for its key", n), "its columns are "+strings.Join(have, ", "))
		}
		k.cols = append(k.cols, i)
		of = append(of, fields[i])
	}
	if len(of) == 1 && (of[0].Type.Kind == schema.String || of[0].Type.Kind == schema.Bytes) {
		k.raw = true
		return k, nil
	}
	k.schema, k.json = schema.ArrowSchema(of), json.NewEncoder(of)
	return k, nil
}

// Reset makes rec the record whose rows' keys Append writes.
func (k *Key) Reset(rec arrow.Record) error {
	if !k.raw {
		cols := make([]arrow.Array, len(k.cols))
		for i, c := range k.cols {
			cols[i] = rec.Column(c)
		}
		k.rec = array.NewRecord(k.schema, cols, rec.NumRows())
		return nil
	}
	k.rec = rec
	k.text, k.data = nil, nil
	switch col := rec.Column(k.cols[0]).(type) {
	case *array.String:
		k.text = col
	case *array.Binary:
		k.data = col
	default:
		return fmt.Errorf("the column is of type %s", col.DataType())
	}
	return nil
}

// Append writes a row's key behind dst, and reports a row without one.
func (k *Key) Append(dst []byte, row int) (out []byte, null bool) {
	null = true
	if k.raw {
		null = k.rec.Column(k.cols[0]).IsNull(row)
	} else {
		for _, c := range k.rec.Columns() {
			null = null && c.IsNull(row)
		}
	}
	switch {
	case null:
		return dst, true
	case k.text != nil:
		return append(dst, k.text.Value(row)...), false
	case k.data != nil:
		return append(dst, k.data.Value(row)...), false
	}
	return k.json.Encode(dst, k.rec, row), false
}
