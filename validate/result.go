package validate

import "encoding/json"

// Verdict is the answer in a word.
type Verdict string

// The verdicts. BrokenKeys means that keys occur twice or are NULL as a whole, so that rows could not be told
// apart; Inconclusive that nothing was left to judge.
const (
	Equal        Verdict = "equal"
	Different    Verdict = "different"
	Inconclusive Verdict = "inconclusive"
	BrokenKeys   Verdict = "broken_keys"
)

// Result is the answer. Its JSON is what `validate --format json` prints; fields are only ever added.
type Result struct {
	Version      int            `json:"version"`
	Verdict      Verdict        `json:"verdict"`
	Rows         Rows           `json:"rows"`
	Columns      []Column       `json:"columns"`
	Causes       []Cause        `json:"causes"`
	Unexplained  Count          `json:"unexplained"`
	Schema       []Finding      `json:"schema"`
	Uncomparable []Uncomparable `json:"uncomparable"`
	Examples     []Example      `json:"examples"`
	Key          []string       `json:"key"`
	Horizon      string         `json:"horizon,omitempty"`
	// Pending says which rows are pending; "" when none can be.
	Pending string `json:"pending,omitempty"`
	// Patterns and Timeline are filled when Options.Patterns asks for them.
	Patterns []Pattern `json:"patterns"`
	Timeline *Timeline `json:"timeline,omitempty"`
	// WhatIf is by column; EqualWith are the flags under which the sides would be equal, "" where there are none.
	WhatIf    []WhatIf    `json:"what_if"`
	EqualWith string      `json:"equal_with,omitempty"`
	Inputs    []InputSide `json:"inputs"`
	Seconds   float64     `json:"seconds"`

	page []Example // for the page: more than Examples
}

// Rows counts every row in scope once: on each side rows = equal + within + changed + only + duplicate +
// null_key + pending.
type Rows struct {
	Left           int64 `json:"left"`
	Right          int64 `json:"right"`
	Equal          int64 `json:"equal"`
	Within         int64 `json:"within"`
	Changed        int64 `json:"changed"`
	OnlyLeft       int64 `json:"only_left"`
	OnlyRight      int64 `json:"only_right"`
	DuplicateLeft  int64 `json:"duplicate_left"`
	DuplicateRight int64 `json:"duplicate_right"`
	NullKeyLeft    int64 `json:"null_key_left"`
	NullKeyRight   int64 `json:"null_key_right"`
	PendingLeft    int64 `json:"pending_left"`
	PendingRight   int64 `json:"pending_right"`
}

// Column counts the cells of one common column over the matched pairs of rows: compared = equal + within +
// different. NullLeft are pairs that are NULL on the left only, and part of different (or within).
type Column struct {
	Name      string `json:"name"`
	TypeLeft  string `json:"type_left"`
	TypeRight string `json:"type_right"`
	Compared  int64  `json:"compared"`
	Equal     int64  `json:"equal"`
	Within    int64  `json:"within"`
	Different int64  `json:"different"`
	NullLeft  int64  `json:"null_left"`
	NullRight int64  `json:"null_right"`
	// Differences of numbers, over the pairs that are not equal; null where there is none. SMAPE is the mean
	// over all compared pairs of |l-r| / ((|l|+|r|)/2), 0 to 2.
	MaxAbs json.RawMessage `json:"max_abs"`
	MaxRel json.RawMessage `json:"max_rel"`
	SMAPE  json.RawMessage `json:"smape"`
	P50    json.RawMessage `json:"p50"`
	P99    json.RawMessage `json:"p99"`
	// Changes are the most frequent pairs of values, most frequent first.
	Changes []Change `json:"changes"`
}

// Change is a pair of values and how often it occurs.
type Change struct {
	Left  json.RawMessage `json:"left"`
	Right json.RawMessage `json:"right"`
	Count int64           `json:"count"`
}

// Count is how many rows and cells there are of something.
type Count struct {
	Rows  int64 `json:"rows"`
	Cells int64 `json:"cells"`
}

// Cause is why rows differ, with what shows it.
type Cause struct {
	Cause       string            `json:"cause"`
	Rows        int64             `json:"rows"`
	Cells       int64             `json:"cells"`
	Columns     []string          `json:"columns"`
	Evidence    string            `json:"evidence"`
	ExampleKeys []json.RawMessage `json:"example_keys"`
}

// Finding is something about the schemas. Different says that it makes the sides different.
type Finding struct {
	Kind      string `json:"kind"`
	Column    string `json:"column"`
	Left      string `json:"left,omitempty"`
	Right     string `json:"right,omitempty"`
	Text      string `json:"text"`
	Different bool   `json:"different"`
}

// Example is one row that is not equal.
type Example struct {
	Class string          `json:"class"` // changed, only_left, only_right, duplicate, null_key
	Key   json.RawMessage `json:"key"`
	Left  int64           `json:"left"`  // rows of this key on the left
	Right int64           `json:"right"` // and on the right
	// Cause and Evidence are those of rows that are no pair.
	Cause    string `json:"cause,omitempty"`
	Evidence string `json:"evidence,omitempty"`
	Cells    []Cell `json:"cells"`
}

// Cell is one pair of values that differ.
type Cell struct {
	Column string          `json:"column"`
	Left   json.RawMessage `json:"left"`
	Right  json.RawMessage `json:"right"`
	Class  string          `json:"class"` // different or within
	Cause  string          `json:"cause,omitempty"`
	// Evidence is what shows the cause.
	Evidence string `json:"evidence,omitempty"`

	left, right string // as people read them
}

// InputSide says what was read of a side.
type InputSide struct {
	Side  string      `json:"side"`
	Name  string      `json:"name"`
	Files []InputFile `json:"files"`
}
