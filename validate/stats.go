package validate

import (
	"encoding/json"
	"math"
	"math/big"
	"sort"
	"strconv"
)

// columnStats counts what is not the same in one column. Nothing in it depends on the order of rows but the
// choice of which changes are counted once there are too many, and rows come in the order of their keys.
type columnStats struct {
	c         *typ
	within    int64
	different int64
	nullLeft  int64
	nullRight int64

	numeric bool
	maxAbs  *big.Rat // exact types
	absF    float64
	maxRel  float64
	some    bool
	smape   big.Int // in units of 2^-52, so that the sum does not depend on order
	sizes   []float64
	buckets map[int32]int64
	count   int64

	changes map[string]int64
}

const (
	exactSizes  = 10000 // differences kept as they are; beyond, in buckets of less than 1 %
	maxChanges  = 10000
	changeBytes = 128
	topChanges  = 5
)

func newColumnStats(c *typ) *columnStats {
	k := c.kind
	return &columnStats{c: c, numeric: k == kInt || k == kDecimal || k == kNumber || k == kFloat, changes: map[string]int64{}}
}

func (s *columnStats) add(p *pairCell) {
	if p.within {
		s.within++
	} else {
		s.different++
		switch {
		case p.l[0] == 0:
			s.nullLeft++
		case p.r[0] == 0:
			s.nullRight++
		}
		if len(p.l)+len(p.r) <= changeBytes {
			key := strconv.Itoa(len(p.l)) + ":" + string(p.l) + string(p.r)
			if n, ok := s.changes[key]; ok || len(s.changes) < maxChanges {
				s.changes[key] = n + 1
			}
		}
	}
	if !s.numeric || p.l[0] == 0 || p.r[0] == 0 {
		return
	}
	_, li, lb, _ := cutCell(s.c, p.l)
	_, ri, rb, _ := cutCell(s.c, p.r)
	var abs, rel, sym float64
	if s.c.kind == kFloat {
		a, b := math.Float64frombits(uint64(li)), math.Float64frombits(uint64(ri))
		abs = math.Abs(a - b)
		if math.IsNaN(abs) || math.IsInf(abs, 0) {
			return
		}
		if s.c.bits == 32 {
			abs = float64(float32(abs))
		}
		m := math.Max(math.Abs(a), math.Abs(b))
		if m > 0 {
			rel = abs / m
			sym = 2 * (abs / m) / (math.Abs(a)/m + math.Abs(b)/m)
		}
		s.absF = math.Max(s.absF, abs)
	} else {
		a, ok1 := exactRat(s.c, li, lb)
		b, ok2 := exactRat(s.c, ri, rb)
		if !ok1 || !ok2 {
			return
		}
		d := new(big.Rat).Sub(a, b)
		d.Abs(d)
		if s.maxAbs == nil || d.Cmp(s.maxAbs) > 0 {
			s.maxAbs = d
		}
		a.Abs(a)
		b.Abs(b)
		m := a
		if b.Cmp(a) > 0 {
			m = b
		}
		abs, _ = d.Float64()
		if m.Sign() > 0 {
			rel, _ = new(big.Rat).Quo(d, m).Float64()
			sum := new(big.Rat).Add(a, b)
			sym, _ = new(big.Rat).Quo(new(big.Rat).Add(d, d), sum).Float64()
		}
	}
	s.some = true
	s.maxRel = math.Max(s.maxRel, rel)
	s.smape.Add(&s.smape, big.NewInt(int64(sym*(1<<52))))
	s.count++
	if s.sizes != nil || s.buckets == nil {
		s.sizes = append(s.sizes, abs)
	}
	if s.buckets != nil {
		s.buckets[bucket(abs)]++
	} else if len(s.sizes) > exactSizes {
		s.buckets = map[int32]int64{}
		for _, x := range s.sizes {
			s.buckets[bucket(x)]++
		}
		s.sizes = nil
	}
}

// bucket keeps the exponent and seven bits behind it.
func bucket(f float64) int32 { return int32(math.Float64bits(f) >> 45) }

// percentile is the least size that at least the share q of all sizes does not exceed.
func (s *columnStats) percentile(q float64) float64 {
	rank := int64(math.Ceil(q * float64(s.count)))
	if s.buckets == nil {
		sorted := append([]float64(nil), s.sizes...)
		sort.Float64s(sorted)
		return sorted[max(rank, 1)-1]
	}
	var keys []int32
	for k := range s.buckets {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i] < keys[j] })
	for _, k := range keys {
		if rank -= s.buckets[k]; rank <= 0 {
			return math.Float64frombits(uint64(k) << 45)
		}
	}
	return 0
}

func jsonFloat(f float64) json.RawMessage {
	out, _ := json.Marshal(f)
	return out
}

// column is the column's part of the result; pairs is the number of matched pairs of rows.
func (s *columnStats) column(c *column, pairs int64) Column {
	null := json.RawMessage("null")
	out := Column{Name: c.name, TypeLeft: c.types[0].String(), TypeRight: c.types[1].String(), Compared: pairs,
		Equal: pairs - s.within - s.different, Within: s.within, Different: s.different, NullLeft: s.nullLeft, NullRight: s.nullRight,
		MaxAbs: null, MaxRel: null, SMAPE: null, P50: null, P99: null, Changes: []Change{}}
	if s.some {
		out.MaxAbs = jsonFloat(s.absF)
		if s.maxAbs != nil {
			out.MaxAbs = ratJSON(s.c, s.maxAbs)
		}
		out.MaxRel, out.P50, out.P99 = jsonFloat(s.maxRel), jsonFloat(s.percentile(0.5)), jsonFloat(s.percentile(0.99))
		sum := new(big.Rat).SetFrac(&s.smape, new(big.Int).Lsh(big.NewInt(1), 52))
		mean, _ := sum.Quo(sum, new(big.Rat).SetInt64(pairs)).Float64()
		out.SMAPE = jsonFloat(mean)
	}
	type change struct {
		key string
		n   int64
	}
	var all []change
	for k, n := range s.changes {
		all = append(all, change{k, n})
	}
	split := func(k string) (l, r []byte) {
		n := 0
		for k[n] != ':' {
			n++
		}
		size, _ := strconv.Atoi(k[:n])
		b := []byte(k[n+1:])
		return b[:size], b[size:]
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].n != all[j].n {
			return all[i].n > all[j].n
		}
		a, b := split(all[i].key)
		c, d := split(all[j].key)
		// The lesser value of each pair first, so that swapped sides give the same order.
		if string(a) > string(b) {
			a, b = b, a
		}
		if string(c) > string(d) {
			c, d = d, c
		}
		if string(a) != string(c) {
			return string(a) < string(c)
		}
		if string(b) != string(d) {
			return string(b) < string(d)
		}
		return all[i].key < all[j].key
	})
	for _, x := range all {
		if len(out.Changes) == topChanges {
			break
		}
		l, r := split(x.key)
		out.Changes = append(out.Changes, Change{cellJSON(s.c, l), cellJSON(s.c, r), x.n})
	}
	return out
}

// ratJSON writes an exact difference: a small integer as a number, anything else as text.
func ratJSON(c *typ, d *big.Rat) json.RawMessage {
	if d.IsInt() && c.kind == kInt {
		if n := d.Num(); n.IsInt64() && n.Int64() <= 1<<53 {
			return json.RawMessage(n.String())
		}
		return appendQuoted(nil, d.Num().String())
	}
	scale := c.scale
	if n, exact := d.FloatPrec(); exact {
		scale = max(scale, n)
	}
	return appendQuoted(nil, d.FloatString(scale))
}
