package validate

import (
	"math/bits"
	"sync"
	"unsafe"

	"github.com/klauspost/compress/zstd"
)

// pool keeps memory for pages and decoders between uses, for all readers of a run.
type pool struct {
	mu   sync.Mutex
	free [48][][]byte // by the logarithm of the size
	zstd []*zstd.Decoder
}

// lease is memory from a pool that is given back as a whole; for one goroutine.
type lease struct {
	pool *pool
	got  [][]byte
}

// bytes returns n bytes of any content; 64 more lie behind them, which decoders may write to.
func (l *lease) bytes(n int) []byte {
	class := bits.Len(uint(n+63) | 4095)
	l.pool.mu.Lock()
	var b []byte
	if f := l.pool.free[class]; len(f) > 0 {
		b, l.pool.free[class] = f[len(f)-1], f[:len(f)-1]
	}
	l.pool.mu.Unlock()
	if b == nil {
		b = make([]byte, 1<<class)
	}
	l.got = append(l.got, b)
	return b[:n]
}

func (l *lease) release() {
	l.pool.mu.Lock()
	for _, b := range l.got {
		class := bits.Len(uint(len(b))) - 1
		l.pool.free[class] = append(l.pool.free[class], b)
	}
	l.pool.mu.Unlock()
	clear(l.got)
	l.got = l.got[:0]
}

// leased returns n values of any content; without a lease, in memory of their own.
func leased[T int64 | int32 | uint32 | bool](l *lease, n int) []T {
	if n == 0 {
		return []T{}
	}
	if l == nil {
		return make([]T, n)
	}
	var t T
	b := l.bytes(n * int(unsafe.Sizeof(t)))
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), n)
}

// unzstd decompresses into dst, and fails rather than grow it.
func (p *pool) unzstd(dst, src []byte) ([]byte, error) {
	p.mu.Lock()
	var d *zstd.Decoder
	if n := len(p.zstd); n > 0 {
		d, p.zstd = p.zstd[n-1], p.zstd[:n-1]
	}
	p.mu.Unlock()
	if d == nil {
		var err error
		if d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true)); err != nil {
			return nil, err
		}
	}
	out, err := d.DecodeAll(src, dst[:0])
	p.mu.Lock()
	p.zstd = append(p.zstd, d)
	p.mu.Unlock()
	return out, err
}
