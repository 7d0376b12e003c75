package cmd

import (
	"bufio"
	"context"
	"io"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/json"
)

// stdoutSink writes every row as a line of JSON as soon as it is decided.
type stdoutSink struct {
	mu sync.Mutex
	w  *bufio.Writer
}

func newStdoutSink(w io.Writer) *stdoutSink { return &stdoutSink{w: bufio.NewWriterSize(w, 1<<16)} }

func (s *stdoutSink) Open(_ context.Context, _ string, fields []schema.Field) (replay.Writer, error) {
	return &stdoutWriter{sink: s, enc: json.NewEncoder(fields)}, nil
}

// Cut has nothing to do: rows are shown as they come, and no run with checkpoints writes here.
func (s *stdoutSink) Cut() {}

func (s *stdoutSink) Seal(context.Context, int64) ([]byte, error) { return nil, s.w.Flush() }

func (s *stdoutSink) Publish(context.Context, int64, []byte) error { return nil }

func (s *stdoutSink) Close() error { return nil }

type stdoutWriter struct {
	sink *stdoutSink
	enc  *json.Encoder
	line []byte
}

func (w *stdoutWriter) Write(_ context.Context, rec arrow.Record, _ []int64) error {
	w.sink.mu.Lock()
	defer w.sink.mu.Unlock()
	for i := range int(rec.NumRows()) {
		w.line = append(w.enc.Encode(w.line[:0], rec, i), '\n')
		if _, err := w.sink.w.Write(w.line); err != nil {
			return err
		}
	}
	return nil
}
