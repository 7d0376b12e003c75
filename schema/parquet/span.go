package parquet

import (
	"io"
	"slices"
)

// span is a column chunk's place in the file and, once read, its bytes.
type span struct {
	from, n int64
	data    []byte
}

// gap is what is read needlessly rather than asking twice: a request to S3 costs as much as some 100 KiB.
const gap = 64 << 10

// readSpans fetches all spans; those that lie close together in one read.
func readSpans(r io.ReaderAt, spans []span) error {
	order := make([]int, len(spans))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return int(min(1, max(-1, spans[a].from-spans[b].from))) })
	for i := 0; i < len(order); {
		first := spans[order[i]]
		end := first.from + first.n
		j := i + 1
		for ; j < len(order) && spans[order[j]].from <= end+gap && end-first.from < 64<<20; j++ {
			end = max(end, spans[order[j]].from+spans[order[j]].n)
		}
		buf := make([]byte, end-first.from)
		if err := readFull(r, buf, first.from); err != nil {
			return err
		}
		for _, k := range order[i:j] {
			s := &spans[k]
			s.data = buf[s.from-first.from:][:s.n]
		}
		i = j
	}
	return nil
}

// lazySpan reads from a span that was fetched after the reader was made.
type lazySpan struct {
	spans *[]span
	i     int
}

func (l *lazySpan) ReadAt(p []byte, off int64) (int, error) {
	s := &(*l.spans)[l.i]
	off -= s.from
	if off < 0 || off >= int64(len(s.data)) {
		return 0, io.EOF
	}
	n := copy(p, s.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
