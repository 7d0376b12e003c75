package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// maxPage is the largest page that is believed; its memory is taken before its content is seen.
const maxPage = 1 << 30

// checkPages walks the page headers of a column chunk, so that no memory is given to what a damaged header
// claims: the pages must fill the chunk, and hold as many values as the chunk does (and rows, when flat). Of
// pages with values that keep booleans in runs it returns these, a bit each, by the number of the page.
func checkPages(data []byte, meta *format.ColumnMetaData, column *pq.Column, rows int64) (map[int][]byte, error) {
	var bools map[int][]byte
	pages := 0
	reader := (&thrift.CompactProtocol{}).NewReaderFromBytes(data)
	values := int64(0)
	for at := 0; at < len(data); {
		reader.ResetBytes(data[at:])
		var h format.PageHeader
		if err := thrift.NewDecoder(reader).Decode(&h); err != nil {
			return nil, fmt.Errorf("the page header at byte %d of the column: %w", at, err)
		}
		header := data[at : at+reader.BytesRead()]
		at += len(header)
		if h.CompressedPageSize < 0 || int(h.CompressedPageSize) > len(data)-at {
			return nil, fmt.Errorf("a page of %d bytes where the column has %d left", h.CompressedPageSize, len(data)-at)
		}
		if h.UncompressedPageSize < 0 || h.UncompressedPageSize > maxPage {
			return nil, fmt.Errorf("a page of %d bytes, more than 1 GiB", h.UncompressedPageSize)
		}
		if meta.Codec == format.Lz4Raw && h.CompressedPageSize > 0 {
			if err := mendLZ4(header, &h, data[at:at+int(h.CompressedPageSize)]); err != nil {
				return nil, err
			}
		}
		page := data[at : at+int(h.CompressedPageSize)]
		at += len(page)
		n, encoding := int32(0), format.Plain
		switch h.Type {
		case format.DataPage:
			n, encoding = h.DataPageHeader.V.NumValues, h.DataPageHeader.V.Encoding
		case format.DataPageV2:
			n, encoding = h.DataPageHeaderV2.V.NumValues, h.DataPageHeaderV2.V.Encoding
		}
		if n < 0 {
			return nil, errors.New("a page of less than no values")
		}
		if n > 0 && encoding == format.RLE && meta.Type == format.Boolean {
			if bools == nil {
				bools = map[int][]byte{}
			}
			var err error
			if bools[pages], err = booleanRuns(&h, page, int(n), meta.Codec, column); err != nil {
				return nil, err
			}
		}
		if n > 0 {
			pages++
		}
		values += int64(n)
	}
	if values != meta.NumValues {
		return nil, fmt.Errorf("its pages have %d values, the footer says %d", values, meta.NumValues)
	}
	if column.MaxRepetitionLevel() == 0 && values != rows {
		return nil, fmt.Errorf("it has %d values, its row group %d rows", values, rows)
	}
	return bools, nil
}

// booleanRuns unpacks a page that keeps booleans in runs, a bit each; parquet-go takes one value in eight of a run of
// ones for the run, and reads one that is no multiple of eight as a longer one.
func booleanRuns(h *format.PageHeader, page []byte, n int, codec format.CompressionCodec, column *pq.Column) ([]byte, error) {
	errShort := errors.New("a page of booleans ends before its values")
	levels, packed, err := levelsBefore(h, page)
	if err != nil {
		return nil, err
	}
	sized := 1 // how many parts have their length before them, of which the runs are the last
	if h.Type == format.DataPage {
		sized += min(1, column.MaxRepetitionLevel()) + min(1, column.MaxDefinitionLevel())
	}
	page = page[levels:]
	if size := int(h.UncompressedPageSize) - levels; packed && codec == format.Lz4Raw {
		dst := make([]byte, size)
		n, err := lz4.UncompressBlock(page, dst)
		if err != nil {
			return nil, err
		}
		page = dst[:n]
	} else if packed && codec != format.Uncompressed && size > 0 {
		if page, err = pq.LookupCompressionCodec(codec).Decode(make([]byte, size), page); err != nil {
			return nil, err
		}
	}
	var runs []byte
	for range sized {
		if len(page) < 4 || uint64(binary.LittleEndian.Uint32(page)) > uint64(len(page)-4) {
			return nil, errShort
		}
		end := 4 + int(binary.LittleEndian.Uint32(page))
		runs, page = page[4:end], page[end:]
	}
	out := make([]byte, (n+7)/8)
	for at := 0; at < n && len(runs) > 0; { // NULLs have no place, so there may be less
		u, k := binary.Uvarint(runs)
		if k <= 0 || k == len(runs) || u>>1 == 0 {
			return nil, errShort
		}
		runs = runs[k:]
		count, bits, size := u>>1, runs[:1], 1
		if u&1 == 1 {
			count, size = min(u>>1, uint64(len(runs)))*8, int(min(u>>1, uint64(len(runs))))
			bits = runs[:size]
		}
		for i := range int(min(count, uint64(n-at))) {
			b := bits[0] // of a run of one value; 255 stands for 1, too
			if u&1 == 1 {
				b = bits[i/8] >> (i % 8)
			}
			out[at/8] |= b & 1 << (at % 8)
			at++
		}
		runs = runs[size:]
	}
	return out, nil
}

// levelsBefore is how many bytes of levels stand before what is packed, if the page is, in one of version 2.
func levelsBefore(h *format.PageHeader, page []byte) (levels int, packed bool, err error) {
	if h.Type != format.DataPageV2 {
		return 0, true, nil
	}
	v2 := h.DataPageHeaderV2.V
	levels, packed = int(v2.RepetitionLevelsByteLength)+int(v2.DefinitionLevelsByteLength), !v2.IsCompressed.Valid || v2.IsCompressed.V
	if v2.RepetitionLevelsByteLength < 0 || v2.DefinitionLevelsByteLength < 0 || levels > min(len(page), int(h.UncompressedPageSize)) {
		err = errors.New("a page whose levels are longer than itself")
	}
	return levels, packed, err
}

// mendLZ4 works around two faults of parquet-go's LZ4_RAW. Where a page is more than a third of its size when
// compressed, it unpacks it into memory of its own and then reads another, empty one, unless the result is larger
// than the header says: so the header is made to say one byte less. And it doubles its memory for as long as a
// damaged page does not unpack: so the page is unpacked here first.
func mendLZ4(header []byte, h *format.PageHeader, page []byte) error {
	size := int(h.UncompressedPageSize)
	levels, packed, err := levelsBefore(h, page)
	if !packed {
		return nil
	}
	if err != nil {
		return err
	}
	if size == levels {
		return nil // no value
	}
	if n, err := lz4.UncompressBlock(page[levels:], make([]byte, size-levels)); err != nil || n != size-levels {
		return fmt.Errorf("an LZ4 page of %d bytes does not unpack to %d", len(page), size)
	}
	// The header begins with its type and that size, each behind the byte that says: the next field, an int.
	const nextInt = 0x15
	at := 0
	for range 2 {
		if at >= len(header) || header[at] != nextInt {
			return errors.New("the header of an LZ4 page is written in an unusual way")
		}
		at += 1 + varintLen(header[at+1:])
		if at > len(header) {
			return errors.New("the header of an LZ4 page is cut off")
		}
	}
	n := 0
	for n = 1; header[at-n-1]&0x80 != 0; n++ {
	}
	less := uint64(size-levels-1) << 1 // zigzag; in a page of version 2 the levels stand before what is packed
	for i := at - n; i < at; i++ {
		header[i] = byte(less & 0x7f)
		if less >>= 7; i < at-1 {
			header[i] |= 0x80
		}
	}
	return nil
}

func varintLen(b []byte) int {
	for i, c := range b {
		if c&0x80 == 0 {
			return i + 1
		}
	}
	return len(b) + 1
}
