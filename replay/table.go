package replay

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
)

// table is a look-up table indexed by its key; it is built once and read by every shard.
//
// Rows of one key are a group; groups lie one behind the other in order, versions ascending. The hash table has
// for each group the upper half of the key's hash and the group's number plus one, so that a miss seldom
// touches the rows.
type table struct {
	cols     []state.Column
	types    []arrow.DataType
	keys     []state.Column
	versions *state.Column // nil: one row a key
	slots    []uint64
	start    []int32 // of each group in order; one more at the end
	order    []int32
}

func newTable(name string, in *TableInput) (*table, error) {
	rec := in.Record
	n := int(rec.NumRows())
	t := &table{cols: state.Views(rec.Columns())}
	for _, f := range rec.Schema().Fields() {
		t.types = append(t.types, f.Type)
	}
	for _, k := range in.Key {
		t.keys = append(t.keys, t.cols[k])
	}
	if in.Versions >= 0 {
		t.versions = &t.cols[in.Versions]
	}
	hashes := make([]uint64, n)
	null := state.Hash(t.keys, n, hashes)
	t.order = make([]int32, 0, n)
	for i := range n {
		if null != nil && null[i] {
			continue // a NULL key equals no key
		}
		if t.versions != nil && t.versions.Null(i) {
			return nil, fmt.Errorf("table %s: row %d: the version of key %s is NULL", name, i+1, t.keyText(in, i))
		}
		t.order = append(t.order, int32(i))
	}
	byKey := func(a, b int32) int {
		for k := range t.keys {
			if c := t.keys[k].Compare(int(a), &t.keys[k], int(b)); c != 0 {
				return c
			}
		}
		return 0
	}
	slices.SortFunc(t.order, func(a, b int32) int {
		if c := cmp.Compare(hashes[a], hashes[b]); c != 0 {
			return c
		}
		if c := byKey(a, b); c != 0 {
			return c
		}
		if t.versions != nil {
			if c := cmp.Compare(t.versions.Int64(int(a)), t.versions.Int64(int(b))); c != 0 {
				return c
			}
		}
		return cmp.Compare(a, b)
	})
	for i, r := range t.order {
		if i == 0 || hashes[r] != hashes[t.order[i-1]] || byKey(t.order[i-1], r) != 0 {
			t.start = append(t.start, int32(i))
			continue
		}
		before := t.order[i-1]
		if t.versions == nil {
			return nil, duplicateKey(name, t.keyText(in, int(r)), before, r, "")
		}
		if t.versions.Int64(int(before)) == t.versions.Int64(int(r)) {
			return nil, duplicateKey(name, t.keyText(in, int(r)), before, r, rec.ColumnName(in.Versions))
		}
	}
	groups := len(t.start)
	t.start = append(t.start, int32(len(t.order)))
	t.slots = make([]uint64, 1<<bits.Len(uint(groups*2)))
	mask := uint64(len(t.slots) - 1)
	for g := range groups {
		h := hashes[t.order[t.start[g]]]
		i := h & mask
		for t.slots[i] != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = h&^math32 | uint64(g+1)
	}
	return t, nil
}

const math32 = 1<<32 - 1

func (t *table) keyText(in *TableInput, row int) string {
	var parts []string
	for _, k := range in.Key {
		parts = append(parts, in.Record.ColumnName(k)+"="+in.Record.Column(k).ValueStr(row))
	}
	return strings.Join(parts, " ")
}

// find sets rows[i] to the table's row for key row i, -1 where there is none. null and asOf may be nil.
func (t *table) find(keys []state.Column, hashes []uint64, null []bool, asOf *state.Column, rows []int32) {
	mask := uint64(len(t.slots) - 1)
	// The first slots are read in a loop of their own, so that their cache misses overlap.
	for i, h := range hashes {
		rows[i] = int32(t.slots[h&mask] & math32)
	}
	for i, h := range hashes {
		first := rows[i]
		rows[i] = -1
		if first == 0 || null != nil && null[i] {
			continue
		}
		for s := h & mask; t.slots[s] != 0; s = (s + 1) & mask {
			if t.slots[s]&^math32 != h&^math32 {
				continue
			}
			g := int32(t.slots[s]&math32) - 1
			if t.sameKey(keys, i, int(t.order[t.start[g]])) {
				rows[i] = t.version(g, asOf, i)
				break
			}
		}
	}
}

func (t *table) sameKey(keys []state.Column, i, row int) bool {
	for k := range keys {
		if !keys[k].Equal(i, &t.keys[k], row) {
			return false
		}
	}
	return true
}

// version is the row of a group with the greatest version that is not later than asOf.
func (t *table) version(g int32, asOf *state.Column, i int) int32 {
	from, to := t.start[g], t.start[g+1]
	if t.versions == nil {
		return t.order[from]
	}
	if asOf.Null(i) {
		return -1
	}
	at := asOf.Int64(i)
	lo, hi := from, to
	for lo < hi {
		mid := (lo + hi) / 2
		if t.versions.Int64(int(t.order[mid])) <= at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == from {
		return -1
	}
	return t.order[lo-1]
}

func duplicateKey(name, key string, a, b int32, versions string) error {
	err := fmt.Errorf("table %s: rows %d and %d have the same key %s", name, a+1, b+1, key)
	if versions == "" {
		return schema.WithHint(err, "a key must be unique; where the table holds versions, name the column at which they start with `versions:`")
	}
	return schema.WithHint(fmt.Errorf("%w and the same %s", err, versions), "give each version a start of its own")
}
