package validate

import (
	"fmt"
	"runtime"
	"time"
)

// Options is everything a comparison may be told. The zero value of each field is its default.
type Options struct {
	Left, Right Input

	// Key names the columns that identify a row. A name is first taken whole, then split at commas, then
	// followed as a path into structs. Either Key or NoKey must be given.
	Key []string
	// NoKey compares whole rows as multisets.
	NoKey bool
	// MatchDuplicates compares the rows of each key as a multiset instead of refusing duplicates.
	MatchDuplicates bool

	Columns []string // compare these alone, beside the keys
	Exclude []string // leave these out
	// Rename says what a column of the left side is called on the right: {"total": "amount"}.
	Rename map[string]string
	// Where keeps the rows of both sides for which it is true.
	Where string

	// Time names a column of dates or timestamps. It gives the horizon beyond which rows are pending: the
	// lesser of both sides' greatest time, less Settle.
	Time         string
	Since, Until string // since <= time < until
	Settle       time.Duration
	// Offsets, by partition, are the first that a side may not have yet: rows from there on, and rows of other
	// partitions, are pending. Both sides then have the columns _partition and _offset.
	Offsets map[int32]int64

	Tolerances []Tolerance
	// AllowUncomparable turns columns that cannot be compared from an error into a difference.
	AllowUncomparable bool
	// Paranoid compares every cell; no hash decides anything.
	Paranoid bool

	// Memory bounds what is held of the rows, 1 GiB by default, 16 MiB at least. Parallelism is the number of
	// readers. Neither changes a byte of the answer.
	Memory      int64
	Parallelism int
	TempDir     string // for spilling and for standard input; default: the system's
	// Env gives S3's endpoint, region and credentials under the usual names.
	Env map[string]string

	// Known, when set, is asked about every difference before the values are looked at; see Difference. It is
	// called from one goroutine, in the order of keys.
	Known func(Difference) Known

	// Examples is how many rows of each class the result shows, 5 by default.
	Examples int
	// Patterns asks for the values that differing rows have more often than others, and for a timeline; it reads
	// some columns of the left side once more.
	Patterns bool
	// Page asks for as many examples as WriteHTML can show; always so with Out.
	Page bool
	// Out, when set, is the folder for the report's files.
	Out string
	// Progress is called now and then, from one goroutine at a time.
	Progress func(Progress)
}

// Progress says how far a run is.
type Progress struct {
	Pass  int   // 1 or 2
	Rows  int64 // read in this pass
	Total int64 // to be read in this pass; -1 where unknown
}

const (
	defaultMemory = 1 << 30
	leastMemory   = 16 << 20
)

func (o *Options) defaults() error {
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	if o.Memory < leastMemory {
		return withHint(fmt.Errorf("memory of %d bytes is too little", o.Memory), "give at least 16MiB")
	}
	if o.Parallelism <= 0 {
		o.Parallelism = runtime.GOMAXPROCS(0)
	}
	if o.Examples == 0 {
		o.Examples = 5
	}
	switch {
	case o.NoKey && len(o.Key) > 0:
		return withHint(fmt.Errorf("both a key and no key were asked for"), "give --key or --no-key; --guess-key proposes keys that are unique on both sides")
	case !o.NoKey && len(o.Key) == 0:
		return withHint(fmt.Errorf("no key was given"), "name the columns that identify a row with --key, or compare whole rows with --no-key; --guess-key proposes keys that are unique on both sides")
	case (o.NoKey || o.MatchDuplicates) && len(o.Tolerances) > 0:
		return withHint(fmt.Errorf("rows cannot be matched as multisets with a tolerance"), "drop --tolerance, or give a key that is unique")
	case (o.Since != "" || o.Until != "" || o.Settle != 0 || o.Left.Watermark+o.Right.Watermark != "") && o.Time == "":
		return withHint(fmt.Errorf("a window needs a time column"), "name it with --time")
	case o.Settle < 0:
		return fmt.Errorf("settle is negative: %s", o.Settle)
	}
	return nil
}
