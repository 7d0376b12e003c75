package validate

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"github.com/zeebo/xxh3"
)

// vec is a piece of one column in the raw form of its type. Values lie packed: only those that are not NULL.
// A vec and its memory are borrowed until the function that was given it returns.
type vec struct {
	n     int
	valid []bool // nil: nothing is NULL
	i64   []int64
	data  []byte
	offs  []uint32 // value j is data[offs[j]:offs[j+1]-gap]
	gap   uint32   // bytes between values, where they lie as in a plain page: each behind its length
	idx   []int32  // values by their place in dict
	dict  *vec     // never with NULLs nor with a dict of its own; the same pointer as long as it is the same
}

func (v *vec) bytesAt(j int) []byte { return v.data[v.offs[j] : v.offs[j+1]-v.gap] }

// at returns packed value j.
func (v *vec) at(j int) (int64, []byte) {
	if v.dict != nil {
		v, j = v.dict, int(v.idx[j])
	}
	if v.i64 != nil {
		return v.i64[j], nil
	}
	return 0, v.bytesAt(j)
}

// slice views rows from..to of v in out; packed is the number of values before from. It returns the number of
// values before to.
func (v *vec) slice(out *vec, from, to, packed int) int {
	end := packed + to - from
	*out = vec{n: to - from, data: v.data, gap: v.gap, dict: v.dict}
	if v.valid != nil {
		out.valid = v.valid[from:to]
		end = packed
		for _, ok := range out.valid {
			if ok {
				end++
			}
		}
	}
	switch {
	case packed == end: // nothing but NULLs, for which a page may hold nothing at all
		out.dict, out.i64 = nil, []int64{}
	case v.dict != nil:
		out.idx = v.idx[packed:end]
	case v.i64 != nil:
		out.i64 = v.i64[packed:end]
	default:
		out.offs = v.offs[packed : end+1]
	}
	return end
}

// isNull says whether row r is NULL.
func (v *vec) isNull(r int) bool { return v.valid != nil && !v.valid[r] }

// nullVec is n NULLs.
func nullVec(n int) *vec { return &vec{n: n, valid: make([]bool, n), i64: []int64{}} }

// repeatVec is one value, n times.
func repeatVec(n int, i int64, b []byte, inBytes bool) *vec {
	d := &vec{n: 1}
	if inBytes {
		d.data, d.offs = b, []uint32{0, uint32(len(b))}
	} else {
		d.i64 = []int64{i}
	}
	return &vec{n: n, idx: make([]int32, n), dict: d}
}

// convertVec applies c to every value, to each value of a dictionary once.
func convertVec(v *vec, c conv, dst *typ, dicts map[*vec]*vec) (*vec, error) {
	if c == nil {
		return v, nil
	}
	if v.dict != nil {
		d := dicts[v.dict]
		if d == nil {
			var err error
			if d, err = convertVec(v.dict, c, dst, nil); err != nil {
				return nil, err
			}
			clear(dicts)
			dicts[v.dict] = d
		}
		out := *v
		out.dict = d
		return &out, nil
	}
	out := &vec{n: v.n, valid: v.valid}
	var scratch []byte
	count := len(v.i64)
	if v.i64 == nil {
		count = max(len(v.offs)-1, 0)
	}
	if dst.inBytes() {
		out.offs = make([]uint32, 1, count+1)
	} else {
		out.i64 = make([]int64, 0, count)
	}
	for j := range count {
		i, b := v.at(j)
		i, b, err := c(i, b, &scratch)
		if err != nil {
			return nil, &valueError{packed: j, err: err}
		}
		if out.offs != nil {
			out.data = append(out.data, b...)
			out.offs = append(out.offs, uint32(len(out.data)))
		} else {
			out.i64 = append(out.i64, i)
		}
	}
	return out, nil
}

// valueError is a value that does not become the type it is compared as.
type valueError struct {
	packed int
	err    error
}

func (e *valueError) Error() string { return e.err.Error() }
func (e *valueError) Unwrap() error { return e.err }

// rowOf is the row of packed value j.
func (v *vec) rowOf(j int) int {
	if v.valid == nil {
		return j
	}
	for r, ok := range v.valid {
		if ok {
			if j == 0 {
				return r
			}
			j--
		}
	}
	return v.n
}

// Hashing. A row's hash is the sum of its cells' hashes, word by word; each column has seeds of its own, so that no
// exchange of values between columns or rows cancels out. NULL adds nothing.

// hasher adds one column to the rows' sums.
type hasher struct {
	seeds
	mask  uint64 // the column's bits of the sketch
	bytes bool
	dict  *vec    // dictionary of the tables below
	dh    []hash2 // of its entries
}

// seeds are of a type of their own, so that loops over rows keep a copy in registers.
type seeds struct{ lo, hi uint64 } // hi is odd

type hash2 struct{ lo, hi uint64 }

func mix64(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

func newHasher(column, columns int, t *typ, salt uint64) *hasher {
	h := &hasher{bytes: t.inBytes()}
	h.lo = mix64(uint64(column)*2 + 1 + salt<<32)
	h.hi = mix64(h.lo^0x9e3779b97f4a7c15) | 1
	width := max(1, min(8, sketchBits/max(columns, 1)))
	h.mask = (1<<width - 1) << (sketchAt + column*width%(sketchBits-sketchBits%width))
	return h
}

// A row's sketch tells its columns apart: each owns some of its bits, from sketchAt on. The bits above are the row's
// salt, some of its key's hash: so two values that agree by chance agree in some rows alone, not in all that have one
// for the other.
const (
	sketchBits = 22
	sketchAt   = 32 - sketchBits
	saltMask   = 0xffffffff << 32
)

// sketch adds a value by its hash to a row's sketch; mask has the column's bits.
func sketch(sk, lo, mask uint64) uint64 { return sk ^ (bits.RotateLeft64(sk, 32)+lo)&mask }

// word hashes a word: the 128 bits of the product of a bijection of x with the column's odd seed. Another value alone in
// its row gives another sum, always, and so does NULL, which adds nothing: the 1 keeps every sum from being 0 (the upper
// word of a product is never the highest number); with two or more columns, as the bijection leaves no pattern in them, the sums of the
// products agree once in 2^120 pairs of rows at most.
func (h seeds) word(x uint64) (lo, hi uint64) {
	hi, lo = bits.Mul64(scramble(x^h.lo), h.hi)
	return lo, hi + 1
}

// scramble is a bijection.
func scramble(x uint64) uint64 {
	x *= 0x9e3779b97f4a7c15
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return x ^ x>>29
}

// raw hashes bytes: the first and the last word of few, with their number in both.
func (h seeds) raw(b []byte) (lo, hi uint64) {
	n := len(b)
	var x, y uint64
	switch {
	case n > 16:
		u := xxh3.Hash128Seed(b, h.lo)
		return u.Lo, u.Hi
	case n >= 8:
		x, y = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
	case n >= 4:
		x = uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<32
	case n > 0:
		x = uint64(b[0]) | uint64(b[n/2])<<8 | uint64(b[n-1])<<16
	}
	return h.short(x, y, uint64(n))
}

// short hashes n bytes of up to 16 by their first and their last word.
func (h seeds) short(x, y, n uint64) (lo, hi uint64) {
	hi, lo = bits.Mul64(scramble(x^n*0xa0761d6478bd642f^h.lo), h.hi)
	g, l := bits.Mul64(scramble(y^n*0xc2b2ae3d27d4eb4f^h.hi), h.lo|1)
	return lo + l, hi + g
}

func (h *hasher) value(i int64, b []byte) (lo, hi uint64) {
	if h.bytes {
		return h.raw(b)
	}
	return h.word(uint64(i))
}

func (h *hasher) table(d *vec) {
	if h.dict == d {
		return
	}
	n := d.n
	if cap(h.dh) < n {
		h.dh = make([]hash2, n)
	}
	h.dh = h.dh[:n]
	for j := range h.dh {
		if h.bytes {
			h.dh[j].lo, h.dh[j].hi = h.raw(d.bytesAt(j))
		} else {
			h.dh[j].lo, h.dh[j].hi = h.word(uint64(d.i64[j]))
		}
	}
	h.dict = d
}

func growU64(s []uint64, n int) []uint64 {
	if cap(s) < n {
		return make([]uint64, n)
	}
	return s[:n]
}

// add adds v to lo, hi and sk, which begin at v's first row.
func (h *hasher) add(v *vec, lo, hi, sk []uint64) {
	lo, hi, sk = lo[:v.n], hi[:v.n], sk[:v.n]
	mask, seeds := h.mask, h.seeds
	if v.dict != nil {
		h.table(v.dict)
		dh := h.dh
		if v.valid == nil {
			for r, x := range v.idx[:v.n] {
				d := &dh[x]
				lo[r] += d.lo
				hi[r] += d.hi
				sk[r] = sketch(sk[r], d.lo, mask)
			}
			return
		}
		j := 0
		for r, ok := range v.valid[:v.n] {
			if ok {
				d := &dh[v.idx[j]]
				j++
				lo[r] += d.lo
				hi[r] += d.hi
				sk[r] = sketch(sk[r], d.lo, mask)
			}
		}
		return
	}
	if !h.bytes {
		if v.valid == nil {
			for r, x := range v.i64[:v.n] {
				l, g := seeds.word(uint64(x))
				lo[r] += l
				hi[r] += g
				sk[r] = sketch(sk[r], l, mask)
			}
			return
		}
		j := 0
		for r, ok := range v.valid[:v.n] {
			if ok {
				l, g := seeds.word(uint64(v.i64[j]))
				j++
				lo[r] += l
				hi[r] += g
				sk[r] = sketch(sk[r], l, mask)
			}
		}
		return
	}
	j, from := 0, uint32(0)
	if v.n > 0 && len(v.offs) > 0 {
		from = v.offs[0]
	}
	for r := range lo {
		if v.valid != nil && !v.valid[r] {
			continue
		}
		j++
		to := v.offs[j]
		b := v.data[from : to-v.gap]
		from = to
		var l, g uint64
		if n := len(b); n >= 8 && n <= 16 { // as raw does, without the call
			l, g = seeds.short(binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:]), uint64(n))
		} else {
			l, g = seeds.raw(b)
		}
		lo[r] += l
		hi[r] += g
		sk[r] = sketch(sk[r], l, mask)
	}
}

// addTwo adds two columns of words in a dictionary, none of them NULL: what is read and written of the sums is half.
// a and b are the words' places in the tables.
func addTwo(h *hasher, a []int32, o *hasher, b []int32, lo, hi, sk []uint64) {
	n := len(lo)
	hi, sk, a, b = hi[:n], sk[:n], a[:n], b[:n]
	ta, tb, ma, mb := h.dh, o.dh, h.mask, o.mask
	for r := range lo {
		x, y := &ta[a[r]], &tb[b[r]]
		lo[r] += x.lo + y.lo
		hi[r] += x.hi + y.hi
		sk[r] = sketch(sketch(sk[r], x.lo, ma), y.lo, mb)
	}
}

// exact is a bijection: two keys of one integer column meet in it only when they are the same key.
func exact(x int64) uint64 { return mix64(uint64(x) + 0x9e3779b97f4a7c15) }

// bytesOf views integers as bytes for writing to a spill file.
func bytesOf(u []uint64) []byte {
	if len(u) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&u[0])), len(u)*8)
}
