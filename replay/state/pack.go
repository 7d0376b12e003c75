package state

import (
	"encoding/binary"
	"sort"
)

// pack is rows of a chunk on disk. It never changes.
type pack struct {
	file       *spillFile
	shape      []Column // the columns of its rows, and the keys that are computed, without rows
	positioned bool
	from, to   int // in the chunk
	start      int64
	at         []uint32 // where each row begins, from start, and where the last ends
}

// mostPack is the bytes from where on rows go to another pack: all of one are a record batch of a checkpoint, whose columns
// take less than 2 GiB.
const mostPack = 1 << 30

func (k *pack) bytes() int64 { return int64(k.at[len(k.at)-1]) }

// memory is what a pack takes besides its file.
func (k *pack) memory() int64 { return int64(4 * cap(k.at)) }

// packOf is the pack that row i of a chunk lies in.
func (c *chunk) packOf(i int) *pack {
	return c.packs[sort.Search(len(c.packs)-1, func(n int) bool { return c.packs[n].to > i })]
}

// bufferBytes is how much is written, and read ahead, at once.
const bufferBytes = 256 << 10

// packer writes rows to a file.
type packer struct {
	s    *Store
	file *spillFile
	at   int64 // where buf will lie
	buf  []byte
}

func (w *packer) place() int64 { return w.at + int64(len(w.buf)) }

func (w *packer) flush() error {
	err := w.file.write(w.buf, w.at)
	w.at, w.buf = w.place(), w.buf[:0]
	return err
}

// piece writes rows of a chunk. They become several packs where the text of some is in another dictionary.
func (w *packer) piece(p *cold) (packs []*pack, err error) {
	step := 512
	if w.s.heldRow() > 64<<10 {
		step = 16 // text that is gathered at once may take 2 GiB
	}
	var k *pack
	end := func() {
		if k == nil {
			return
		}
		k.at = append(k.at, uint32(w.place()-k.start))
		if alike(w.s.shape, k.shape) {
			k.shape = w.s.shape
		}
		w.s.shape = k.shape
	}
	for from := p.from; from < p.to; from += step {
		to := min(from+step, p.to)
		cols, err := w.s.gatherAll(p.c.ref[from:to])
		if err != nil {
			return nil, err
		}
		for i := from; i < to; i++ {
			if k == nil || i == from && !adoptAll(k.shape, cols) || w.place()-k.start > mostPack {
				end()
				k = &pack{file: w.file, positioned: w.s.positioned, from: i, start: w.place(), at: make([]uint32, 0, p.to-i+1)}
				for n := range cols {
					k.shape = append(k.shape, cols[n].empty())
				}
				packs = append(packs, k)
			}
			k.at = append(k.at, uint32(w.place()-k.start))
			w.put(k, cols, p.c, i, i-from)
			k.to = i + 1
			if len(w.buf) >= bufferBytes {
				if err := w.flush(); err != nil {
					return nil, err
				}
			}
		}
	}
	end()
	return packs, nil
}

// gatherAll copies what is held of rows in memory: the columns, and the keys that are computed.
func (s *Store) gatherAll(refs []Ref) ([]Column, error) {
	columns := withKeys(s.columns, s.keys, s.keyed)
	out := make([]Column, len(columns))
	for i, t := range withKeys(s.types, s.keyTypes, s.keyed) {
		a, err := GatherCoded(t, columns[i], refs)
		if err != nil {
			return nil, err
		}
		out[i] = View(a)
	}
	return out, nil
}

// put writes row i of a chunk, which is row at of the columns: its hash, where it is from, which of its columns are NULL,
// and the others.
func (w *packer) put(k *pack, cols []Column, c *chunk, i, at int) {
	b := binary.LittleEndian.AppendUint64(w.buf, c.hash[i])
	if k.positioned {
		part, offset := w.s.Position(c.ref[i])
		b = binary.LittleEndian.AppendUint32(b, uint32(part))
		b = binary.LittleEndian.AppendUint64(b, uint64(offset))
	}
	nulls := len(b)
	for range (len(cols) + 7) / 8 {
		b = append(b, 0)
	}
	for n := range cols {
		if cols[n].Null(at) {
			b[nulls+n>>3] |= 1 << (n & 7)
		} else {
			b = cols[n].put(b, at)
		}
	}
	w.buf = b
}
