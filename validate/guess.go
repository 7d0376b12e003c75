package validate

import (
	"context"
	"errors"
	"os"
)

// KeyGuess is a key that is unique, and never NULL as a whole, on both sides.
type KeyGuess struct {
	Columns []string `json:"columns"`
}

const (
	guessSample  = 100_000 // rows of each side that candidates are first tried on
	guessColumns = 24
	guessKeys    = 3
)

var errEnough = errors.New("enough rows")

// GuessKey proposes the shortest keys, of up to three columns, that are unique on both sides: candidates are
// found on a sample and then checked on all rows. Key and NoKey of the options do not count.
func GuessKey(ctx context.Context, opts Options) ([]KeyGuess, error) {
	opts.Key, opts.NoKey, opts.MatchDuplicates, opts.AllowUncomparable, opts.Out = nil, true, false, true, ""
	opts.Tolerances = nil
	if err := opts.defaults(); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(opts.TempDir, "lockstep-validate-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	o := &opener{ctx: ctx, opts: &opts, tmp: tmp}
	left, _, err := openSide(o, opts.Left, "left", nil)
	if err != nil {
		return nil, err
	}
	defer left.close()
	right, _, err := openSide(o, opts.Right, "right", opts.Rename)
	if err != nil {
		return nil, err
	}
	defer right.close()
	p, err := newPlan(&opts, left, right)
	if err != nil {
		return nil, err
	}
	var cols []column
	for _, c := range p.cols {
		if !c.common.nested() && c.common.kind != kFloat && len(cols) < guessColumns {
			cols = append(cols, c)
		}
	}
	var samples [2][][]uint64 // by side, column and row
	for s := range samples {
		if samples[s], err = p.sample(ctx, s, cols); err != nil {
			return nil, err
		}
	}
	var out []KeyGuess
	try := func(set ...int) error {
		for _, g := range out { // a key with more columns than it needs is none
			if covers(set, g.Columns, cols) {
				return nil
			}
		}
		for s := range samples {
			if !unique(samples[s], set) {
				return nil
			}
		}
		k := opts
		k.NoKey, k.Key = false, nil
		for _, i := range set {
			k.Key = append(k.Key, cols[i].name)
		}
		ok, err := checkKey(ctx, k, left, right, tmp)
		if ok {
			out = append(out, KeyGuess{k.Key})
		}
		return err
	}
	for size := 1; size <= 3 && len(out) < guessKeys; size++ {
		for i := range cols {
			for j := i; j < len(cols); j++ {
				for l := j; l < len(cols); l++ {
					var set []int
					switch {
					case size == 1 && i == j && j == l:
						set = []int{i}
					case size == 2 && i < j && j == l:
						set = []int{i, j}
					case size == 3 && i < j && j < l:
						set = []int{i, j, l}
					default:
						continue
					}
					if len(out) >= guessKeys {
						return out, nil
					}
					if err := try(set...); err != nil {
						return nil, err
					}
				}
			}
		}
		if size > 1 && len(out) > 0 {
			break
		}
	}
	return out, nil
}

func covers(set []int, names []string, cols []column) bool {
	for _, n := range names {
		in := false
		for _, i := range set {
			in = in || cols[i].name == n
		}
		if !in {
			return false
		}
	}
	return true
}

// sample hashes the first rows of a side.
func (p *plan) sample(ctx context.Context, s int, cols []column) ([][]uint64, error) {
	out := make([][]uint64, len(cols))
	wants := make([]want, len(cols))
	hashers := make([]*hasher, len(cols))
	for i := range cols {
		wants[i] = cols[i].want()
		hashers[i] = newHasher(i, len(cols), &cols[i].common, 2)
	}
	rows := 0
	for u := range p.sides[s].units {
		err := p.sides[s].scan(ctx, u, wants, func(b *block) error {
			for k := range cols {
				lo, hi := make([]uint64, b.n), make([]uint64, b.n)
				sk := make([]uint64, b.n)
				if err := b.col(k, func(start int, v *vec) error {
					hashers[k].add(v, lo[start:], hi[start:], sk[start:])
					return nil
				}); err != nil {
					return err
				}
				out[k] = append(out[k], lo...)
			}
			if rows += b.n; rows >= guessSample {
				return errEnough
			}
			return nil
		})
		if errors.Is(err, errEnough) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func unique(sample [][]uint64, set []int) bool {
	if len(sample) == 0 {
		return false
	}
	seen := make(map[uint64]struct{}, len(sample[set[0]]))
	for r := range sample[set[0]] {
		h := uint64(0)
		for _, c := range set {
			h = mix64(h ^ sample[c][r])
		}
		if _, twice := seen[h]; twice {
			return false
		}
		seen[h] = struct{}{}
	}
	return true
}

// checkKey runs the first pass over the key alone.
func checkKey(ctx context.Context, opts Options, left, right *side, tmp string) (bool, error) {
	opts.Columns = opts.Key
	p, err := newPlan(&opts, left, right)
	if err != nil {
		return false, err
	}
	p.cols = nil
	r := newRun(p, tmp)
	defer r.spill.close()
	if err := r.horizon(ctx); err != nil {
		return false, err
	}
	if err := r.firstPass(ctx); err != nil {
		return false, err
	}
	if r.match.dups {
		return false, nil
	}
	// Keys that are NULL as a whole were marked before the join, and nothing else is marked beside rows that
	// one side lacks: read them back to tell.
	s, err := r.readBack(ctx, nil)
	if err != nil {
		return false, err
	}
	ok := true
	err = groups(ctx, s, nil, func(g *group) error {
		ok = ok && r.classify(g) != nullKey
		return nil
	})
	return ok, err
}
