package replay

import (
	"context"
	"encoding/json"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/schema"
)

// Sink takes the rows of a run's outputs. Its place is empty, or its owner said that it may be continued or
// replaced, before Open.
//
// A row passes three states: written (may vanish in a crash), sealed (durable, not visible), published
// (visible). Epochs count from 1.
type Sink interface {
	// Open starts a writer for one output. Several goroutines may open and use writers of their own at once,
	// also for the same output; each writer is used by one goroutine at a time.
	Open(ctx context.Context, output string, fields []schema.Field) (Writer, error)
	// Cut ends an epoch: what is written from now on belongs to the next. It is quick, and no writer is in use
	// meanwhile. The epoch before was published.
	Cut()
	// Seal makes what was written up to Cut durable under that number, while writers go on. What it returns
	// goes into the checkpoint and comes back in Publish.
	Seal(ctx context.Context, epoch int64) (sealed []byte, err error)
	// Publish makes a sealed epoch visible: all of it, once, however often it is called.
	Publish(ctx context.Context, epoch int64, sealed []byte) error
	// Close releases what is held; what was not sealed is discarded.
	Close() error
}

// Writer takes the rows of one output, from one goroutine.
type Writer interface {
	// Write borrows the record. times are its rows' event times in microseconds.
	Write(ctx context.Context, rec arrow.Record, times []int64) error
}

// CodedWriter is a writer that also takes text as Arrow dictionaries of int32, where the engine has it so.
type CodedWriter interface{ TakesCodes() }

// Decider is a sink whose Publish, when Decides says so, is what makes an epoch happen: it is published first, and
// a checkpoint that it did not publish never happened. Committed tells by what Seal gave.
type Decider interface {
	Decides() bool
	Committed(sealed []byte) bool
}

// Describer is a sink that keeps, with each epoch, where the run's inputs stood. SetInputs is called before Seal.
type Describer interface {
	SetInputs(inputs json.RawMessage)
}

// Inputs is what a Describer is given, as JSON.
type Inputs struct {
	Mode string `json:"mode"`
	// Positions is where each lane of each stream goes on.
	Positions map[string]map[string]int64 `json:"positions"`
	Decisions []Decision                  `json:"decisions"`
	// Watermark is the outputs': no row still to come is earlier (microseconds since 1970). It is nil before the
	// first is known, and when Complete says that nothing is to come.
	Watermark *int64 `json:"watermark,omitempty"`
	Complete  bool   `json:"complete,omitempty"`
}
