package replay

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
)

// table is a look-up table indexed by its key; it is built once and read by every shard.
//
// The hash table has for each key the upper half of its hash and a number plus one, so that a miss seldom touches
// the rows: the row's number or, in a table with versions, that of the key's group. Rows of one key are a group;
// groups lie one behind the other in order, versions ascending.
type table struct {
	cols     []state.Column
	types    []arrow.DataType
	keys     []state.Column
	versions *state.Column // nil: one row a key
	slots    []uint64
	places   []int32 // instead of slots, where the keys are whole numbers close together: row plus one by key - least
	least    int64
	start    []int32 // with versions: of each group in order; one more at the end
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
	if dense, err := t.index(name, in); dense || err != nil {
		return t, err
	}
	hashes := make([]uint64, n)
	null := state.Hash(t.keys, n, hashes)
	t.slots = make([]uint64, 1<<bits.Len(uint(n*2)))
	for i := range n {
		if null != nil && null[i] {
			continue // a NULL key equals no key
		}
		if t.versions != nil {
			if t.versions.Null(i) {
				return nil, fmt.Errorf("table %s: row %d: the version of key %s is NULL", name, i+1, t.keyText(in, i))
			}
			t.order = append(t.order, int32(i))
			continue
		}
		if before := t.insert(hashes[i], i, func(row int) bool { return t.sameKey(t.keys, i, row) }); before >= 0 {
			return nil, duplicateKey(name, t.keyText(in, i), int32(before), int32(i), "")
		}
	}
	if t.versions == nil {
		return t, nil
	}
	return t, t.group(name, in, hashes)
}

// index makes places where that takes no more memory than slots would.
func (t *table) index(name string, in *TableInput) (dense bool, err error) {
	if len(t.keys) != 1 || t.versions != nil {
		return false, nil
	}
	least, most, n := int64(math.MaxInt64), int64(math.MinInt64), 0
	ok := t.keys[0].Ints(func(_ int, v int64) bool {
		least, most = min(least, v), max(most, v)
		n++
		return true
	})
	if !ok || n == 0 || uint64(most)-uint64(least) >= uint64(4*n) {
		return false, nil
	}
	t.least, t.places = least, make([]int32, most-least+1)
	t.keys[0].Ints(func(i int, v int64) bool {
		at := &t.places[v-least]
		if *at > 0 {
			err = duplicateKey(name, t.keyText(in, i), *at-1, int32(i), "")
		}
		*at = int32(i) + 1
		return err == nil
	})
	return true, err
}

// insert puts a number under a hash, unless same says that the key is there: then it returns its number, else -1.
func (t *table) insert(h uint64, number int, same func(number int) bool) int {
	mask := uint64(len(t.slots) - 1)
	i := h & mask
	for ; t.slots[i] != 0; i = (i + 1) & mask {
		if have := int(t.slots[i]&math32) - 1; t.slots[i]&^math32 == h&^math32 && same(have) {
			return have
		}
	}
	t.slots[i] = h&^math32 | uint64(number+1)
	return -1
}

// group sorts the rows by key and version.
func (t *table) group(name string, in *TableInput, hashes []uint64) error {
	byKey := func(a, b int32) int {
		for k := range t.keys {
			if c := t.keys[k].Compare(int(a), &t.keys[k], int(b)); c != 0 {
				return c
			}
		}
		return 0
	}
	slices.SortFunc(t.order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(hashes[a], hashes[b]), byKey(a, b), cmp.Compare(t.versions.Int64(int(a)), t.versions.Int64(int(b))), cmp.Compare(a, b))
	})
	for i, r := range t.order {
		if i > 0 && hashes[r] == hashes[t.order[i-1]] && byKey(t.order[i-1], r) == 0 {
			if before := t.order[i-1]; t.versions.Int64(int(before)) == t.versions.Int64(int(r)) {
				return duplicateKey(name, t.keyText(in, int(r)), before, r, in.Record.ColumnName(in.Versions))
			}
			continue
		}
		t.insert(hashes[r], len(t.start), func(int) bool { return false })
		t.start = append(t.start, int32(i))
	}
	t.start = append(t.start, int32(len(t.order)))
	return nil
}

const math32 = 1<<32 - 1

func (t *table) keyText(in *TableInput, row int) string {
	var parts []string
	for _, k := range in.Key {
		parts = append(parts, in.Record.ColumnName(k)+"="+in.Record.Column(k).ValueStr(row))
	}
	return strings.Join(parts, " ")
}

// find sets rows[i] to the table's row for key row i, -1 where there is none. null and asOf may be nil; hashes too, where
// the table has places.
func (t *table) find(keys []state.Column, hashes []uint64, null []bool, asOf *state.Column, rows []int32) {
	if t.places != nil {
		keys[0].Places(t.places, t.least, rows)
		return
	}
	if t.versions != nil {
		for i, h := range hashes {
			rows[i] = -1
			if null == nil || !null[i] {
				if g := t.number(keys, i, h); g >= 0 {
					rows[i] = t.version(g, asOf, i)
				}
			}
		}
		return
	}
	// What the hash alone finds is compared a column at a time, in short loops whose cache misses overlap. Other
	// keys of the same slot and upper half are rare; there the search goes on row by row.
	mask := uint64(len(t.slots) - 1)
	for i, h := range hashes {
		rows[i] = -1
		if null != nil && null[i] {
			continue
		}
		for at := h & mask; t.slots[at] != 0; at = (at + 1) & mask {
			if t.slots[at]&^math32 == h&^math32 {
				rows[i] = int32(t.slots[at]&math32) - 1
				break
			}
		}
	}
	var wrong []int32
	for k := range keys {
		wrong = keys[k].Differing(&t.keys[k], rows, wrong)
	}
	for _, i := range wrong {
		rows[i] = t.number(keys, int(i), hashes[i])
	}
}

// number is what stands under a key: a row, or with versions a group; -1 for none.
func (t *table) number(keys []state.Column, i int, h uint64) int32 {
	mask := uint64(len(t.slots) - 1)
	for at := h & mask; t.slots[at] != 0; at = (at + 1) & mask {
		if t.slots[at]&^math32 != h&^math32 {
			continue
		}
		number := int32(t.slots[at]&math32) - 1
		row := number
		if t.versions != nil {
			row = t.order[t.start[number]]
		}
		if t.sameKey(keys, i, int(row)) {
			return number
		}
	}
	return -1
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
