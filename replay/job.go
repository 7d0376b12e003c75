package replay

import (
	"time"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/replay/sql"
	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
)

// Mode says what lateness means to a run.
type Mode uint8

const (
	// Batch: the whole input is there, nothing is late.
	Batch Mode = iota
	// Stream: rows that are further behind their lane's newest than the stream's disorder are late.
	Stream
)

// String is the mode as flags and reports name it.
func (m Mode) String() string {
	if m == Stream {
		return "stream"
	}
	return "batch"
}

// Job is a plan with all that it needs to run.
type Job struct {
	Plan    *sql.Plan
	Streams map[string]*StreamInput
	Tables  map[string]*TableInput
	Outputs []Output
	// Sides takes the rows that were set aside, as outputs named _late/<stream>, _undecided/<stream>,
	// _rejected/<stream> and _conflicts/<stream>. Nil: they are only counted.
	Sides Sink
	Mode  Mode
	// Final says that a bounded input is complete: at its end every window is closed.
	Final bool
	// Parallelism is the number of shards; 0 means 1.
	Parallelism int
	// OnError says what becomes of a row for which an expression has no value.
	OnError ErrorPolicy
	// Align is how far, in microseconds of event time, one stream may be read ahead of the slowest.
	Align int64
	// Decisions are those of an earlier run over the same input, replayed here; nil: none.
	Decisions []Decision
	// Stop, when closed, ends the input where it is, as if it had been bounded there.
	Stop <-chan struct{}
	// Checkpoints, when not nil, is where the run saves itself every CheckpointEvery, or after CheckpointRows
	// input rows when that is above 0. It goes on from the last checkpoint there, if there is one: the sinks
	// must continue their places then.
	Checkpoints     *Checkpoints
	CheckpointEvery time.Duration
	CheckpointRows  int64
	// Settings are noted in checkpoints as they are, for whoever goes on from one to say what has changed.
	Settings map[string]string
	// Disk takes the state that memory has no room for; nil: all stays in memory.
	Disk *state.Disk
	// StopAndSave, when closed, ends a run with Checkpoints at a checkpoint, with ErrPaused.
	StopAndSave <-chan struct{}
	// Clock measures the run; it decides nothing.
	Clock func() time.Time
	// Observe, when not nil, is called now and then with the state of the run, from a goroutine of the run.
	Observe func(Progress)
}

// ErrorPolicy says what becomes of a row error.
type ErrorPolicy string

// The policies: end the run, take NULL as the value, or set the row aside.
const (
	FailOnError   ErrorPolicy = "fail"
	NullOnError   ErrorPolicy = "null"
	RejectOnError ErrorPolicy = "reject"
)

// StreamInput is one stream and where its rows come from.
type StreamInput struct {
	Source Source
	// From is where the rows come from, as a checkpoint notes it: a position elsewhere is one among other rows. "" fits all.
	From string
	// FromID tells it from another of the same name, as a topic that was deleted and made again; "": not known.
	FromID string
	// Columns maps the stream's columns, as the catalog numbers them, to the source's; -1: not read.
	Columns []int
	// Time is the source's event-time column.
	Time int
	// Disorder is how far, in microseconds, a row may be behind its lane's newest and still count.
	Disorder int64
	// Ahead is how far, in microseconds, an event time may be later than the broker's.
	Ahead int64
	// ID are the source's columns that identify an event; none: every row is an event of its own.
	ID []int
	// Within is how far apart, in microseconds, two rows of one id may be and still be one event.
	Within int64
}

// TableInput is a table in memory.
type TableInput struct {
	Record arrow.Record
	// Key and Versions are columns of Record; Versions is -1 for a table without.
	Key      []int
	Versions int
	// Columns maps the table's columns, as the catalog numbers them, to Record's; -1: not read.
	Columns []int
}

// Output is a route: the rows for which Where is TRUE (nil: all) go to every target.
type Output struct {
	Name    string
	Where   *expr.Node
	Targets []Target
}

// Target is a place for an output: its sink, and its name there.
type Target struct {
	Sink Sink
	Name string
}

// Progress is a run seen from outside.
type Progress struct {
	RowsIn     int64
	Earlier    int64 // of RowsIn, those that a checkpoint had already
	RowsOut    int64
	Watermark  int64 // the least of all streams, NoTime before the first
	Newest     int64 // the newest event time seen, NoTime before the first
	StateBytes int64
}

// Summary is what a run did.
type Summary struct {
	Mode    string          `json:"mode"`
	Streams []StreamSummary `json:"streams"`
	Outputs []OutputSummary `json:"outputs"`
	// First and Last are the least and greatest event time read, RFC 3339, "" when no row had one.
	First          string  `json:"first_event_time,omitempty"`
	Last           string  `json:"last_event_time,omitempty"`
	Seconds        float64 `json:"seconds"`
	RowsPerSecond  float64 `json:"rows_per_second"`
	PeakStateBytes int64   `json:"peak_state_bytes"`
	StateRows      int64   `json:"state_rows_at_end"`
	// Spilled is the state that memory had no room for; nil when there was none.
	Spilled *Spilled `json:"spilled,omitempty"`
	// Skew are the keys that many rows have, the heaviest first; none in a run of few rows.
	Skew []Skew `json:"skew,omitempty"`
	// Checkpoints is the number of checkpoints this process made, MaxPause the longest that a shard stood still
	// for one.
	Checkpoints int64   `json:"checkpoints,omitempty"`
	MaxPause    float64 `json:"max_pause_seconds,omitempty"`
	// RestoredRows were held in the checkpoint that the run went on from, after Recovery.
	RestoredRows int64      `json:"restored_rows,omitempty"`
	Recovery     float64    `json:"recovery_seconds,omitempty"`
	Decisions    []Decision `json:"decisions"`
}

// Spilled is state that lay on disk: how much was written in all, and how much was there at most.
type Spilled struct {
	Place     string `json:"place"`
	Bytes     int64  `json:"bytes"`
	PeakBytes int64  `json:"peak_bytes"`
}

// StreamSummary counts the rows of one stream. Every row read is late, rejected, a duplicate, a conflict, or was
// processed; undecided rows are among the processed.
type StreamSummary struct {
	Name       string `json:"name"`
	Rows       int64  `json:"rows"`
	Late       int64  `json:"late"`
	Duplicates int64  `json:"duplicates"`
	Conflicts  int64  `json:"conflicts"`
	Rejected   int64  `json:"rejected"`
	Undecided  int64  `json:"undecided"`
}

// OutputSummary counts the rows of one output.
type OutputSummary struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
}

// SideFields are the columns that stand behind a row's own in every side output.
func SideFields() []schema.Field {
	return []schema.Field{
		{Name: "_reason", Type: schema.Type{Kind: schema.String}},
		{Name: "_lateness", Type: schema.Type{Kind: schema.BigInt}},
		{Name: "_partition", Type: schema.Type{Kind: schema.Int}},
		{Name: "_offset", Type: schema.Type{Kind: schema.BigInt}},
		{Name: "_timestamp", Type: schema.Type{Kind: schema.Timestamp, Precision: 6}},
		{Name: "_value", Type: schema.Type{Kind: schema.Bytes}},
	}
}
