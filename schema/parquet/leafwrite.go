package parquet

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/lockstep-data/lockstep/schema"
)

const (
	// pageValues and pageBytes end a page.
	pageValues = 64 << 10
	pageBytes  = 1 << 20
	// sampleValues are what a dictionary is judged by; sampleShare is the share of distinct values among
	// them from which it does not pay. A dictionary of maxEntries or maxDictBytes is closed.
	sampleValues = 16 << 10
	sampleShare  = 0.5
	maxEntries   = 64 << 10
	maxDictBytes = 1 << 20
	// maxStat is the longest text that goes into statistics.
	maxStat = 64
)

// leafWriter makes the pages of one column chunk.
type leafWriter struct {
	typ            schema.Type
	path           []string
	maxDef, maxRep byte
	phys           format.Type
	length         int
	packer         packer
	// noDict says that a sample was not worth a dictionary, once and for all.
	noDict bool

	// The page: levels, then values as indexes or plain.
	defs, reps []byte
	entries    int
	nulls      int
	index      []int32
	plain      []byte
	bools      int
	useDict    bool
	words      wordDict
	texts      textDict
	// picked are the positions of values in a nested column's array.
	picked []int32
	remap  remap

	// The chunk.
	pages, dictPage []byte
	values          int64
	chunkNulls      int64
	uncompressed    int64
	dictPages       int32
	plainPages      int32
	stats           stats

	scratch  []byte
	scratch2 []byte
	ints     []int64
	ints32   []int32
}

// describe fills the schema's element for the column's type.
func (l *leafWriter) describe(e *format.SchemaElement) error {
	switch t := l.typ; t.Kind {
	case schema.Null:
		l.phys = format.Int32
		e.LogicalType.Value = &format.NullType{}
	case schema.Boolean:
		l.phys = format.Boolean
	case schema.SmallInt:
		l.phys = format.Int32
		e.LogicalType.Value, e.ConvertedType = &format.IntType{BitWidth: 16, IsSigned: true}, thrift.New(deprecated.Int16)
	case schema.Int:
		l.phys = format.Int32
	case schema.BigInt:
		l.phys = format.Int64
	case schema.Float:
		l.phys = format.Float
	case schema.Double:
		l.phys = format.Double
	case schema.Date:
		l.phys = format.Int32
		e.LogicalType.Value, e.ConvertedType = &format.DateType{}, thrift.New(deprecated.Date)
	case schema.Timestamp:
		l.phys = format.Int64
		ts := &format.TimestampType{}
		ts.Unit.Value = &format.MicroSeconds{}
		e.LogicalType.Value = ts
	case schema.String:
		l.phys = format.ByteArray
		e.LogicalType.Value, e.ConvertedType = &format.StringType{}, thrift.New(deprecated.UTF8)
	case schema.Bytes:
		l.phys = format.ByteArray
	case schema.Decimal:
		if t.Precision < 1 || t.Precision > 38 || t.Scale < 0 || t.Scale > t.Precision {
			return fmt.Errorf("%s is out of bounds", t)
		}
		switch {
		case t.Precision <= 9:
			l.phys = format.Int32
		case t.Precision <= 18:
			l.phys = format.Int64
		default:
			l.phys = format.FixedLenByteArray
			l.length = decimalBytes(t.Precision)
			e.TypeLength = thrift.New(int32(l.length))
		}
		e.LogicalType.Value, e.ConvertedType = &format.DecimalType{Precision: int32(t.Precision), Scale: int32(t.Scale)}, thrift.New(deprecated.Decimal)
		e.Precision, e.Scale = thrift.New(int32(t.Precision)), thrift.New(int32(t.Scale))
	default:
		return fmt.Errorf("%s cannot be written", t)
	}
	e.Type = thrift.New(l.phys)
	l.noDict = l.phys == format.Boolean || l.phys == format.FixedLenByteArray || l.typ.Kind == schema.Null
	l.reset()
	return nil
}

// decimalBytes is the least width of two's complement that holds the digits.
func decimalBytes(precision int) int {
	// log2(10) = 3.3219..; a sign bit besides.
	return (precision*33220/10000 + 2 + 7) / 8
}

// reset begins a row group.
func (l *leafWriter) reset() {
	l.pages, l.dictPage = l.pages[:0], nil
	l.values, l.chunkNulls, l.uncompressed = 0, 0, 0
	l.dictPages, l.plainPages = 0, 0
	l.useDict = !l.noDict
	l.words.reset()
	l.texts.reset()
	l.remap = remap{}
	l.stats = stats{}
}

func (l *leafWriter) levels(def, rep byte) {
	l.defs = append(l.defs, def)
	if l.maxRep > 0 {
		l.reps = append(l.reps, rep)
	}
	l.entries++
	if def < l.maxDef {
		l.nulls++
	}
}

// flat takes a top-level column.
func (l *leafWriter) flat(a arrow.Array) error {
	n := a.Len()
	for from := 0; from < n; {
		to := min(n, from+max(1024, pageValues-l.entries))
		part := a
		if to-from < n {
			part = sliceArray(a, int64(from), int64(to))
		}
		if err := l.flatPart(part); err != nil {
			return err
		}
		from = to
		if err := l.endPage(false); err != nil {
			return err
		}
	}
	return nil
}

func (l *leafWriter) flatPart(a arrow.Array) error {
	n := a.Len()
	at := len(l.defs)
	l.defs = append(l.defs, make([]byte, n)...)
	l.entries += n
	defs := l.defs[at:]
	if l.typ.Kind == schema.Null {
		l.nulls += n
		return nil
	}
	if a.NullN() == 0 {
		for i := range defs {
			defs[i] = 1
		}
		return l.append(a, nil)
	}
	l.picked = l.picked[:0]
	for i := range defs {
		if a.IsValid(i) {
			defs[i] = 1
			l.picked = append(l.picked, int32(i))
		}
	}
	l.nulls += n - len(l.picked)
	if len(l.picked) == 0 {
		return nil
	}
	return l.append(a, l.picked)
}

// nested takes the values that were picked out of a while their levels were added.
func (l *leafWriter) nested(a arrow.Array) error {
	var err error
	if len(l.picked) > 0 && l.typ.Kind != schema.Null {
		err = l.append(a, l.picked)
	}
	l.picked = l.picked[:0]
	if err != nil {
		return err
	}
	return l.endPage(false)
}

// endPage closes the page when it is full, or always.
func (l *leafWriter) endPage(always bool) error {
	if l.useDict && len(l.index) >= sampleValues && l.dictPages == 0 {
		if n := l.words.len() + l.texts.len(); float64(n) > sampleShare*float64(len(l.index)) {
			l.noDict = true
			l.abandon()
		}
	}
	if l.entries == 0 || !always && l.entries < pageValues && len(l.plain) < pageBytes {
		return nil
	}
	body := l.scratch[:0]
	level := func(levels []byte, top byte) error {
		if top == 0 {
			return nil
		}
		enc := rle.Encoding{BitWidth: bits.Len8(top)}
		b, err := enc.EncodeLevels(l.scratch2, levels)
		l.scratch2 = b
		body = binary.LittleEndian.AppendUint32(body, uint32(len(b)))
		body = append(body, b...)
		return err
	}
	if l.maxRep > 0 {
		if err := level(l.reps, l.maxRep); err != nil {
			return err
		}
	}
	if err := level(l.defs, l.maxDef); err != nil {
		return err
	}
	encoding := format.Plain
	if l.useDict {
		encoding = format.RLEDictionary
		width := bits.Len(uint(max(1, l.words.len()+l.texts.len()-1)))
		enc := rle.Encoding{BitWidth: width}
		b, err := enc.EncodeInt32(l.scratch2, l.index)
		if err != nil {
			return err
		}
		l.scratch2 = b
		body = append(body, byte(width))
		body = append(body, b...)
		l.index = l.index[:0]
		l.dictPages++
	} else {
		body = append(body, l.plain...)
		l.plain, l.bools = l.plain[:0], 0
		l.plainPages++
	}
	l.scratch = body
	h := format.PageHeader{Type: format.DataPage, DataPageHeader: thrift.New(format.DataPageHeader{
		NumValues: int32(l.entries), Encoding: encoding, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE})}
	var err error
	if l.pages, err = l.page(l.pages, h, body); err != nil {
		return err
	}
	l.values += int64(l.entries)
	l.chunkNulls += int64(l.nulls)
	l.entries, l.nulls = 0, 0
	l.defs, l.reps = l.defs[:0], l.reps[:0]
	if l.useDict && (l.words.len()+l.texts.len() >= maxEntries || l.words.len()*8+len(l.texts.data) >= maxDictBytes) {
		l.closeDict()
	}
	return nil
}

// page appends a header and the compressed body.
func (l *leafWriter) page(dst []byte, h format.PageHeader, body []byte) ([]byte, error) {
	l.scratch2 = l.packer.pack(l.scratch2[:0], body)
	packed := l.scratch2
	h.UncompressedPageSize, h.CompressedPageSize = int32(len(body)), int32(len(packed))
	h.CRC = int32(crc32.ChecksumIEEE(packed))
	head, err := thrift.Marshal(&thrift.CompactProtocol{}, &h)
	if err != nil {
		return nil, err
	}
	l.uncompressed += int64(len(head) + len(body))
	return append(append(dst, head...), packed...), nil
}

// abandon makes plain values of the page's indexes: nothing has been written with the dictionary.
func (l *leafWriter) abandon() {
	for _, x := range l.index {
		l.plain = l.entry(l.plain, int(x))
	}
	l.index = l.index[:0]
	l.useDict = false
	l.stats.fold(l)
	l.words.reset()
	l.texts.reset()
}

// closeDict goes on with plain pages; the dictionary stays for the pages before.
func (l *leafWriter) closeDict() {
	l.useDict = false
	l.stats.fold(l)
}

// entry appends the dictionary's value x in plain encoding.
func (l *leafWriter) entry(dst []byte, x int) []byte {
	switch l.phys {
	case format.ByteArray:
		v := l.texts.value(x)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(v)))
		return append(dst, v...)
	case format.Int32, format.Float:
		return binary.LittleEndian.AppendUint32(dst, uint32(l.words.keys[x]))
	}
	return binary.LittleEndian.AppendUint64(dst, l.words.keys[x])
}

// finish ends the chunk: its pages lie in l.dictPage and l.pages.
func (l *leafWriter) finish() (format.ColumnChunk, error) {
	if err := l.endPage(true); err != nil {
		return format.ColumnChunk{}, err
	}
	encodings := []format.Encoding{format.RLE}
	var encodingStats []format.PageEncodingStats
	if l.dictPages > 0 {
		n := l.words.len() + l.texts.len()
		body := l.scratch[:0]
		for x := range n {
			body = l.entry(body, x)
		}
		l.scratch = body
		h := format.PageHeader{Type: format.DictionaryPage, DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: int32(n), Encoding: format.Plain})}
		var err error
		if l.dictPage, err = l.page(nil, h, body); err != nil {
			return format.ColumnChunk{}, err
		}
		encodings = append(encodings, format.RLEDictionary)
		encodingStats = append(encodingStats, format.PageEncodingStats{PageType: format.DictionaryPage, Encoding: format.Plain, Count: 1},
			format.PageEncodingStats{PageType: format.DataPage, Encoding: format.RLEDictionary, Count: l.dictPages})
		if l.useDict {
			l.stats.fold(l)
		}
	}
	if l.plainPages > 0 || l.dictPages > 0 {
		encodings = append(encodings, format.Plain)
	}
	if l.plainPages > 0 {
		encodingStats = append(encodingStats, format.PageEncodingStats{PageType: format.DataPage, Encoding: format.Plain, Count: l.plainPages})
	}
	meta := format.ColumnMetaData{
		Type: l.phys, Encoding: encodings, PathInSchema: l.path, Codec: format.Zstd, NumValues: l.values,
		TotalUncompressedSize: l.uncompressed, TotalCompressedSize: int64(len(l.pages) + len(l.dictPage)),
		EncodingStats: encodingStats,
		Statistics:    l.stats.encode(l),
	}
	return format.ColumnChunk{MetaData: meta}, nil
}
