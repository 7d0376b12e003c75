package state

import (
	"bytes"
	"math"
	"math/bits"
)

// HashAll sets hashes[i] to the hash of row i over all the columns, where a NULL is a value like any other.
func HashAll(cols []Column, n int, hashes []uint64) {
	for i := range hashes[:n] {
		hashes[i] = hashSeed
	}
	var before []uint64
	for k := range cols {
		c := &cols[k]
		nullable := c.valid != nil || c.layout == layoutNull
		if nullable {
			before = append(before[:0], hashes[:n]...)
		}
		c.hashInto(n, hashes)
		for i := 0; nullable && i < n; i++ {
			if c.Null(i) {
				hashes[i] = mix(before[i], hashSeed)
			}
		}
	}
}

// Order compares row i of c with row j of o as ORDER BY does, but for NULL, which comes first: text by its bytes, -0.0
// before 0.0, NaN last.
func (c *Column) Order(i int, o *Column, j int) int {
	if c.layout == layoutBytes {
		if c.valid == nil && o.valid == nil {
			return bytes.Compare(c.Bytes(i), o.Bytes(j))
		}
		return c.Compare(i, o, j)
	}
	if c.float == 0 || c.Null(i) || o.Null(j) {
		return c.Compare(i, o, j)
	}
	a, b := c.sortable(i), o.sortable(j)
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// sortable is a floating-point value as a whole number of the same order.
func (c *Column) sortable(i int) int64 {
	var f float64
	if c.float == 4 {
		f = float64(math.Float32frombits(uint32(c.v4()[i])))
	} else {
		f = math.Float64frombits(uint64(c.v8()[i]))
	}
	if f != f {
		return math.MaxInt64
	}
	bits := int64(math.Float64bits(f))
	return bits ^ int64(uint64(bits>>63)>>1)
}

// IdenticalKeys reports whether two held rows have the same key; NULL is the same as NULL.
func (s *Store) IdenticalKeys(a, b Ref) bool {
	for _, key := range s.keys {
		if !key[a.Segment].Identical(int(a.Row), key[b.Segment], int(b.Row)) {
			return false
		}
	}
	return true
}

// Range visits the held rows whose time lies in [from, to).
func (s *Store) Range(from, to int64, do func(Row)) error {
	for _, b := range s.buckets {
		if b.max < from || b.min >= to {
			continue
		}
		for k, c := range b.chunks {
			if c.max < from || c.min >= to {
				continue
			}
			for i := range c.rows {
				if t := c.timeAt(i); t >= from && t < to {
					s.swept = append(s.swept, Row{Entry: Entry{b, int32(k<<chunkBits | i)}})
				}
				if len(s.swept) >= sweepRows {
					if err := s.visit(do); err != nil {
						return err
					}
				}
			}
		}
	}
	return s.visit(do)
}

// Step is a time between from and to up to which it is worth to sweep at once, if much is held in between.
func (s *Store) Step(from, to int64) int64 {
	for _, b := range s.buckets {
		if b.max < from {
			continue
		}
		size := (b.max-b.min)/int64(len(b.chunks)) + 1
		return min(to, max(from, b.min)+size)
	}
	return to
}

// First is the earliest time of a held row that is not before from; false when there is none.
func (s *Store) First(from int64) (least int64, ok bool) {
	for _, b := range s.buckets {
		for _, c := range b.chunks {
			if c.max < from || ok && c.min >= least {
				continue
			}
			if c.min >= from {
				least, ok = c.min, true
				continue
			}
			for i := range c.rows {
				if t := c.timeAt(i); t >= from && (!ok || t < least) {
					least, ok = t, true
				}
			}
		}
	}
	return least, ok
}

// ExpireKept forgets the buckets whose rows are all before a time and kept, as Entry.Keep has it.
func (s *Store) ExpireKept(before int64) {
	s.expire(func(b *bucket) bool {
		if b.max >= before {
			return false
		}
		for _, c := range b.chunks {
			kept := 0
			for _, w := range c.kept {
				kept += bits.OnesCount64(w)
			}
			if kept < c.rows {
				return false
			}
		}
		return true
	})
}
