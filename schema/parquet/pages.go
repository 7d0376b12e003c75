package parquet

import (
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
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
		at += reader.BytesRead()
		if h.CompressedPageSize < 0 || int(h.CompressedPageSize) > len(data)-at {
			return fmt.Errorf("a page of %d bytes where the column has %d left", h.CompressedPageSize, len(data)-at)
		}
		if h.UncompressedPageSize < 0 || h.UncompressedPageSize > maxPage {
			return fmt.Errorf("a page of %d bytes, more than 1 GiB", h.UncompressedPageSize)
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
