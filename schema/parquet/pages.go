package parquet

import (
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// maxPage is the largest page that is believed; its memory is taken before its content is seen.
const maxPage = 1 << 30

// checkPages walks the page headers of a column chunk, so that no memory is given to what a damaged header
// claims: the pages must fill the chunk, and hold as many values as the chunk does (and rows, when flat).
func checkPages(data []byte, meta *format.ColumnMetaData, flat bool, rows int64) error {
	reader := (&thrift.CompactProtocol{}).NewReaderFromBytes(data)
	values := int64(0)
	for at := 0; at < len(data); {
		reader.ResetBytes(data[at:])
		var h format.PageHeader
		if err := thrift.NewDecoder(reader).Decode(&h); err != nil {
			return fmt.Errorf("the page header at byte %d of the column: %w", at, err)
		}
		header := data[at : at+reader.BytesRead()]
		at += len(header)
		if h.CompressedPageSize < 0 || int(h.CompressedPageSize) > len(data)-at {
			return fmt.Errorf("a page of %d bytes where the column has %d left", h.CompressedPageSize, len(data)-at)
		}
		if h.UncompressedPageSize < 0 || h.UncompressedPageSize > maxPage {
			return fmt.Errorf("a page of %d bytes, more than 1 GiB", h.UncompressedPageSize)
		}
		if meta.Codec == format.Lz4Raw && h.CompressedPageSize > 0 {
			if err := mendLZ4(header, &h, data[at:at+int(h.CompressedPageSize)]); err != nil {
				return err
			}
		}
		at += int(h.CompressedPageSize)
		n := int32(0)
		switch h.Type {
		case format.DataPage:
			n = h.DataPageHeader.V.NumValues
		case format.DataPageV2:
			n = h.DataPageHeaderV2.V.NumValues
		}
		if n < 0 {
			return errors.New("a page of less than no values")
		}
		values += int64(n)
	}
	if values != meta.NumValues {
		return fmt.Errorf("its pages have %d values, the footer says %d", values, meta.NumValues)
	}
	if flat && values != rows {
		return fmt.Errorf("it has %d values, its row group %d rows", values, rows)
	}
	return nil
}

// mendLZ4 works around two faults of parquet-go's LZ4_RAW. Where a page is more than a third of its size when
// compressed, it unpacks it into memory of its own and then reads another, empty one, unless the result is larger
// than the header says: so the header is made to say one byte less. And it doubles its memory for as long as a
// damaged page does not unpack: so the page is unpacked here first.
func mendLZ4(header []byte, h *format.PageHeader, page []byte) error {
	size := int(h.UncompressedPageSize)
	levels := 0
	if h.Type == format.DataPageV2 {
		v2 := h.DataPageHeaderV2.V
		if v2.IsCompressed.Valid && !v2.IsCompressed.V {
			return nil
		}
		levels = int(v2.RepetitionLevelsByteLength) + int(v2.DefinitionLevelsByteLength)
		if v2.RepetitionLevelsByteLength < 0 || v2.DefinitionLevelsByteLength < 0 || levels > len(page) || levels > size {
			return errors.New("a page whose levels are longer than itself")
		}
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
