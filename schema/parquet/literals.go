package parquet

import (
	"encoding/binary"

	"github.com/klauspost/compress/huff0"
	"github.com/klauspost/compress/zstd"
)

// packer compresses pages as zstd frames, in one of two ways. Searching for repetitions is what takes zstd's time, and
// in numbers without order it finds little but their leading zeros, which an entropy code alone makes as small, in a
// fifth of the time. So now and then a page of a column is packed both ways, and the next ones in the way that paid.
type packer struct {
	zstd *zstd.Encoder
	huff huff0.Scratch
	// entropy is the way of the next pages; pages counts them.
	entropy bool
	pages   int
	other   []byte
}

const (
	// judgeEvery is how many pages are packed in the way that one of them was judged by.
	judgeEvery = 64
	// dearer is how much larger the entropy code may be, as a fraction, to be taken.
	dearer = 24
	// zstdBlock is the most that a block of a frame holds.
	zstdBlock = 128 << 10
)

func (p *packer) pack(dst, body []byte) []byte {
	p.pages++
	if p.pages%judgeEvery != 1 {
		if p.entropy {
			return p.literals(dst, body)
		}
		return p.zstd.EncodeAll(body, dst)
	}
	p.other = p.literals(p.other[:0], body)
	out := p.zstd.EncodeAll(body, dst)
	n := len(out) - len(dst)
	if p.entropy = len(p.other) <= n+n/dearer; p.entropy {
		return append(out[:len(dst)], p.other...)
	}
	return out
}

// literals is a zstd frame (RFC 8878) whose blocks hold literals and no sequences.
func (p *packer) literals(dst, body []byte) []byte {
	const magic, singleSegmentOf4Bytes = 0xFD2FB528, 2<<6 | 1<<5
	dst = binary.LittleEndian.AppendUint32(dst, magic)
	dst = append(dst, singleSegmentOf4Bytes)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(body)))
	for {
		block := body[:min(len(body), zstdBlock)]
		body = body[len(block):]
		dst = p.block(dst, block, len(body) == 0)
		if len(body) == 0 {
			return dst
		}
	}
}

func (p *packer) block(dst, block []byte, last bool) []byte {
	const raw, rle, compressed = 0, 1, 2
	header := func(kind, size int) {
		h := uint32(size)<<3 | uint32(kind)<<1
		if last {
			h |= 1
		}
		dst = append(dst, byte(h), byte(h>>8), byte(h>>16))
	}
	const sizes, sequences = 5, 1 // bytes of the literals' header, and of the number of sequences
	if len(block) >= 1024 {
		p.huff.Reuse = huff0.ReusePolicyNone
		out, _, err := huff0.Compress4X(block, &p.huff)
		switch {
		case err == huff0.ErrUseRLE:
			header(rle, len(block))
			return append(dst, block[0])
		case err == nil && len(out)+sizes+sequences < len(block):
			header(compressed, sizes+len(out)+sequences)
			const tree, fourStreamsOf18Bits = 2, 3
			h := uint64(tree) | fourStreamsOf18Bits<<2 | uint64(len(block))<<4 | uint64(len(out))<<22
			dst = append(dst, byte(h), byte(h>>8), byte(h>>16), byte(h>>24), byte(h>>32))
			return append(append(dst, out...), 0)
		}
	}
	header(raw, len(block))
	return append(dst, block...)
}
