package replay

import (
	"cmp"
	"slices"

	"github.com/lockstep-data/lockstep/replay/state"
)

// Skew is a key that many rows of one side of an operator have: one shard does the work for all of them.
type Skew struct {
	Operator string `json:"operator"`
	// Side is left or right of a join, "" elsewhere.
	Side string   `json:"side,omitempty"`
	Key  []string `json:"key"`
	// Value is the key's, column by column; one NULL for all the keys that have one.
	Value []string `json:"value"`
	// Share is of the rows since this process began; at least so many, by a sample.
	Share float64 `json:"share"`
}

const (
	sampleEvery = 61  // a prime, so that no rhythm of the rows is sampled as a whole
	leastSample = 500 // how many rows must have been looked at before a share means something
	leastShare  = 0.05
	// heavyKeys is how many keys are counted: a key with more than one in heavyKeys of the rows is among them.
	heavyKeys = 32
	// namedAt is the count at which a key's value is kept: it costs more than counting.
	namedAt = 8
)

// skew finds the keys that most rows have, for one port of one shard: the Space-Saving sketch of Metwally, Agrawal and
// El Abbadi (2005) over a sample.
type skew struct {
	rows, nulls int64
	sampled     int64
	skip        int
	keys        []heavyKey
}

type heavyKey struct {
	hash  uint64
	count int64
	over  int64 // how much of count may be other keys'
	value []string
}

func (k *skew) see(m *message) {
	k.rows += int64(len(m.rows) + len(m.nulls))
	k.nulls += int64(len(m.nulls))
	for ; k.skip < len(m.rows); k.skip += sampleEvery {
		k.sampled++
		row := m.rows[k.skip]
		if key := k.add(m.hashes[row]); key.count-key.over >= namedAt && key.value == nil {
			key.value = keyText(m.keys, row)
		}
	}
	k.skip -= len(m.rows)
}

// add counts a key. One that is new takes the place of the rarest, and its count.
func (k *skew) add(hash uint64) *heavyKey {
	least := 0
	for i := range k.keys {
		if k.keys[i].hash == hash {
			k.keys[i].count++
			return &k.keys[i]
		}
		if k.keys[i].count < k.keys[least].count {
			least = i
		}
	}
	if len(k.keys) < heavyKeys {
		k.keys = append(k.keys, heavyKey{hash: hash, count: 1})
		return &k.keys[len(k.keys)-1]
	}
	over := k.keys[least].count
	k.keys[least] = heavyKey{hash: hash, count: over + 1, over: over}
	return &k.keys[least]
}

func keyText(keys []state.Column, row int32) []string {
	out := make([]string, len(keys))
	for i := range keys {
		out[i] = keys[i].Text(int(row))
	}
	return out
}

// skews are the heavy keys of a run, the heaviest first.
func (g *graph) skews() (out []Skew) {
	for i := range g.stages {
		st := &g.stages[i]
		for port, key := range st.keys {
			rows, nulls, sampled := int64(0), int64(0), int64(0)
			var heavy []heavyKey
			for _, t := range st.tasks {
				k := &t.skews[port]
				rows, nulls, sampled = rows+k.rows, nulls+k.nulls, sampled+k.sampled
				heavy = append(heavy, k.keys...)
			}
			if sampled+nulls/sampleEvery < leastSample {
				continue
			}
			s := Skew{Operator: st.name, Key: key}
			if len(st.keys) == 2 {
				s.Side = [2]string{"left", "right"}[port]
			}
			name := func(value []string, share float64) {
				if share >= leastShare && value != nil {
					s.Value, s.Share = value, share
					out = append(out, s)
				}
			}
			name([]string{"NULL"}, float64(nulls)/float64(rows))
			keyed := float64(rows-nulls) / float64(rows) / float64(max(sampled, 1)) // of all rows, a row of the sample
			for _, h := range heavy {
				name(h.value, float64(h.count-h.over)*keyed)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Skew) int { return cmp.Compare(b.Share, a.Share) })
	return out
}
