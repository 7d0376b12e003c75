package validate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// flatPages reads the pages of a column chunk, of a nested column with their levels, straight from the file's bytes: values stay where
// decompression put them. Plain and dictionary pages and runs of booleans, which are nearly all there are, it takes
// apart itself; parquet-go decodes the other encodings.
type flatPages struct {
	at       io.ReaderAt
	off, end int64
	ahead    []byte // bytes of the file from off on
	readSize int
	in       lease // of ahead
	mem      lease // of what next returns; the caller releases it
	codec    format.CompressionCodec
	node     *pnode
	dict     *vec
	bools    *vec // false and true, as a dictionary
	gzip     *gzip.Reader
	brotli   *brotli.Reader
	nested   bool
	rep, def []byte // levels of the page that next returned, if nested
}

// oldDictionary is what writers before 2.0 call a dictionary's encoding, and DuckDB still does.
const oldDictionary = format.Encoding(2)

type parquetValues = encoding.Values

// What one page may claim to hold, in bytes and in rows: no writer makes such pages, only damage and malice do.
const (
	maxPage     = 256 << 20
	maxPageRows = 64 << 20
)

func (f *parquetFile) flatPages(unit int, p *pnode) (*flatPages, error) {
	off, end, ok := f.chunkRange(unit, p.leaf)
	chunk := &f.file.Metadata().RowGroups[unit].Columns[p.leaf]
	codec := chunk.MetaData.Codec
	switch {
	case ok:
	case chunk.MetaData.NumValues == 0: // then there may be no pages, nowhere
		off, end = 0, 0
	case chunk.CryptoMetadata.Value != nil:
		return nil, withHint(errors.New("it is encrypted"), "write it without Parquet encryption, or leave the column out with --exclude")
	default:
		return nil, errors.New("its pages lie outside of the file")
	}
	switch codec {
	case format.Uncompressed, format.Zstd, format.Snappy, format.Lz4Raw, format.Gzip, format.Brotli:
	default:
		return nil, withHint(fmt.Errorf("it is compressed with %s, which is not read", codec), "write the file with zstd or snappy, or leave the column out with --exclude")
	}
	return &flatPages{at: f.bytes, off: off, end: end, readSize: 4 << 20, in: lease{pool: f.pool}, mem: lease{pool: f.pool}, codec: codec, node: p}, nil
}

func (f *flatPages) close() {
	f.in.release()
	f.mem.release()
}

// need makes n bytes of the chunk available in ahead, or all that are left.
func (f *flatPages) need(n int) error {
	rest := f.end - f.off
	if int64(n) > rest {
		n = int(rest)
	}
	if len(f.ahead) >= n {
		return nil
	}
	size := int(min(int64(max(n, f.readSize)), rest))
	old := f.in.got
	f.in.got = nil
	buf := f.in.bytes(size)
	have := copy(buf, f.ahead)
	back := lease{pool: f.in.pool, got: old}
	back.release()
	if _, err := f.at.ReadAt(buf[have:], f.off+int64(have)); err != nil && err != io.EOF {
		return err
	} else if err == io.EOF && f.off+int64(size) != f.end {
		return io.ErrUnexpectedEOF
	}
	f.ahead = buf
	return nil
}

// take returns the next n bytes; they live until the next call of need or take.
func (f *flatPages) take(n int) ([]byte, error) {
	if err := f.need(n); err != nil {
		return nil, err
	}
	if len(f.ahead) < n {
		return nil, fmt.Errorf("a page of %d bytes lies beyond the column's end", n)
	}
	b := f.ahead[:n:n]
	f.ahead, f.off = f.ahead[n:], f.off+int64(n)
	return b, nil
}

// header reads a page's header, of which only decoding tells the length.
func (f *flatPages) header() (*format.PageHeader, error) {
	for try := 4 << 10; ; try *= 8 {
		if err := f.need(try); err != nil {
			return nil, err
		}
		b := f.ahead[:min(try, len(f.ahead))]
		r := bytes.NewReader(b)
		h := new(format.PageHeader)
		err := thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(r)).Decode(h)
		if err == nil {
			_, err = f.take(len(b) - r.Len())
			return h, err
		}
		if int64(try) >= f.end-f.off || try > 64<<20 {
			return nil, fmt.Errorf("page header: %w", err)
		}
	}
}

// next returns the next page's values in the raw form of the column, io.EOF behind the last.
func (f *flatPages) next() (*vec, error) {
	for f.off < f.end {
		h, err := f.header()
		if err != nil {
			return nil, err
		}
		if h.CompressedPageSize < 0 || h.UncompressedPageSize < 0 || h.CompressedPageSize > maxPage || h.UncompressedPageSize > maxPage {
			return nil, fmt.Errorf("a page claims %d bytes, %d when unpacked", h.CompressedPageSize, h.UncompressedPageSize)
		}
		stored, err := f.take(int(h.CompressedPageSize))
		if err != nil {
			return nil, err
		}
		if h.CRC != 0 && crc32.ChecksumIEEE(stored) != uint32(h.CRC) {
			return nil, errors.New("a page's checksum does not fit its content: the file is damaged")
		}
		switch h.Type {
		case format.DictionaryPage:
			if err := f.dictionary(h, stored); err != nil {
				return nil, fmt.Errorf("dictionary: %w", err)
			}
		case format.DataPage:
			d := &h.DataPageHeader.V
			if !h.DataPageHeader.Valid || f.node.maxDef > 0 && d.DefinitionLevelEncoding != format.RLE || f.node.maxRep > 0 && d.RepetitionLevelEncoding != format.RLE {
				return nil, errors.New("a page has no header, or levels in an encoding of before Parquet 1.0")
			}
			page, err := f.unpack(stored, int(h.UncompressedPageSize), true)
			if err != nil {
				return nil, err
			}
			var rep, def []byte
			if f.node.maxRep > 0 {
				if rep, page, err = cutSized(page); err != nil {
					return nil, err
				}
			}
			if f.node.maxDef > 0 {
				if def, page, err = cutSized(page); err != nil {
					return nil, err
				}
			}
			return f.values(int(d.NumValues), rep, def, page, d.Encoding)
		case format.DataPageV2:
			d := &h.DataPageHeaderV2.V
			r, n := int(d.RepetitionLevelsByteLength), int(d.RepetitionLevelsByteLength)+int(d.DefinitionLevelsByteLength)
			if !h.DataPageHeaderV2.Valid {
				return nil, errors.New("a page has no header")
			}
			if r < 0 || n < r || n > len(stored) || n > int(h.UncompressedPageSize) {
				return nil, errors.New("a page ends within its levels")
			}
			packed := !d.IsCompressed.Valid || d.IsCompressed.V
			levels := append(f.mem.bytes(n)[:0], stored[:n]...)
			page, err := f.unpack(stored[n:], int(h.UncompressedPageSize)-n, packed)
			if err != nil {
				return nil, err
			}
			return f.values(int(d.NumValues), levels[:r], levels[r:], page, d.Encoding)
		}
	}
	return nil, io.EOF
}

// cutSized cuts off what has its length in four bytes before it.
func cutSized(page []byte) (head, rest []byte, err error) {
	if len(page) < 4 || uint64(binary.LittleEndian.Uint32(page)) > uint64(len(page)-4) {
		return nil, nil, errors.New("a page ends within its levels or runs")
	}
	n := 4 + int(binary.LittleEndian.Uint32(page))
	return page[4:n], page[n:], nil
}

// unpack returns the page's content in leased memory.
func (f *flatPages) unpack(stored []byte, size int, packed bool) ([]byte, error) {
	dst := f.mem.bytes(size)
	var err error
	switch {
	case size == 0: // whatever stands for nothing
		return dst, nil
	case !packed || f.codec == format.Uncompressed:
		if len(stored) != size {
			return nil, fmt.Errorf("a page has %d bytes where its header says %d", len(stored), size)
		}
		copy(dst, stored)
		return dst, nil
	case f.codec == format.Zstd:
		dst, err = f.mem.pool.unzstd(dst, stored)
	case f.codec == format.Lz4Raw:
		var n int
		n, err = lz4.UncompressBlock(stored, dst)
		dst = dst[:n]
	case f.codec == format.Snappy:
		var n int
		if n, err = snappy.DecodedLen(stored); err == nil && n == size {
			dst, err = snappy.Decode(dst, stored)
		} else if err == nil {
			dst = dst[:0]
		}
	case f.codec == format.Gzip:
		if f.gzip == nil {
			f.gzip = new(gzip.Reader)
		}
		if err = f.gzip.Reset(bytes.NewReader(stored)); err == nil {
			err = readAll(f.gzip, dst)
		}
	case f.codec == format.Brotli:
		if f.brotli == nil {
			f.brotli = new(brotli.Reader)
		}
		if err = f.brotli.Reset(bytes.NewReader(stored)); err == nil {
			err = readAll(f.brotli, dst)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("a page does not unpack: %w", err)
	}
	if len(dst) != size {
		return nil, fmt.Errorf("a page unpacks to other than the %d bytes that its header says", size)
	}
	return dst, nil
}

// readAll fills dst with what r has, which must be no less and no more.
func readAll(r io.Reader, dst []byte) error {
	if _, err := io.ReadFull(r, dst); err != nil {
		return err
	}
	var more [1]byte
	if n, err := io.ReadFull(r, more[:]); n > 0 {
		return fmt.Errorf("there is more than the %d bytes that its header says", len(dst))
	} else if err != io.EOF {
		return err
	}
	return nil
}

// dictionary outlives pages, and is memory of its own.
func (f *flatPages) dictionary(h *format.PageHeader, stored []byte) error {
	d := &h.DictionaryPageHeader.V
	if d.NumValues < 0 || d.NumValues > maxPageRows {
		return fmt.Errorf("it claims %d values", d.NumValues)
	}
	if !h.DictionaryPageHeader.Valid || d.Encoding != format.Plain && d.Encoding != oldDictionary {
		return fmt.Errorf("its encoding is %s", d.Encoding)
	}
	page, err := f.unpack(stored, int(h.UncompressedPageSize), true)
	if err != nil {
		return err
	}
	page = append([]byte(nil), page...)
	v := &vec{n: int(d.NumValues)}
	if err := f.plain(v, nil, page, v.n); err != nil {
		return err
	}
	f.dict = v
	return nil
}

func (f *flatPages) values(rows int, rep, def, page []byte, enc format.Encoding) (*vec, error) {
	if rows < 0 || rows > maxPageRows {
		return nil, fmt.Errorf("a page claims %d rows", rows)
	}
	v := &vec{n: rows}
	present := rows
	var err error
	switch {
	case f.nested:
		if f.rep, err = f.levels(f.rep[:0], rep, rows, f.node.maxRep, 0); err == nil {
			f.def, err = f.levels(f.def[:0], def, rows, f.node.maxDef, f.node.maxDef)
		}
		present = bytes.Count(f.def, []byte{f.node.maxDef})
	case f.node.maxDef > 0:
		v.valid, present, err = f.validity(def, rows)
	}
	if err != nil {
		return nil, err
	}
	switch enc {
	case format.Plain:
		if f.node.elem.Type.V == format.Boolean {
			return v, f.booleans(v, page, present)
		}
		return v, f.plain(v, &f.mem, page, present)
	case format.RLE:
		if f.node.elem.Type.V != format.Boolean {
			break
		}
		runs, _, err := cutSized(page)
		if err != nil {
			return nil, err
		}
		v.dict = f.falseAndTrue()
		v.idx, err = f.hybrid(runs, present, 1)
		for j := range v.idx {
			v.idx[j] &= 1 // parquet-go writes 255 for a run of ones
		}
		return v, err
	case oldDictionary, format.RLEDictionary:
		if f.dict == nil {
			if present > 0 {
				return nil, errors.New("a page refers to a dictionary that is not there")
			}
			f.dict = &vec{offs: []uint32{0}}
			if !f.node.typ.inBytes() {
				f.dict = &vec{i64: []int64{}}
			}
		}
		v.dict = f.dict
		if v.idx, err = f.indexes(page, present); err != nil {
			return nil, err
		}
		if present > 0 && most(v.idx) >= uint32(f.dict.n) {
			return nil, fmt.Errorf("a page refers to an entry beyond the %d of its dictionary", f.dict.n)
		}
		return v, nil
	}
	return v, f.encoded(v, enc, page, present)
}

// encoded reads values in one of the encodings that parquet-go decodes.
func (f *flatPages) encoded(v *vec, enc format.Encoding, page []byte, present int) error {
	if present == 0 {
		v.i64 = []int64{}
		return nil
	}
	switch enc {
	case format.DeltaBinaryPacked, format.DeltaLengthByteArray, format.DeltaByteArray:
		// For as many values as it says, behind two other numbers, memory is made.
		var count uint64
		for rest, i := page, 0; i < 3; i++ {
			n := 0
			if count, n = binary.Uvarint(rest); n <= 0 {
				return errors.New("a page ends within its header")
			}
			rest = rest[n:]
		}
		if count > maxPageRows {
			return fmt.Errorf("a page claims %d values", count)
		}
	}
	if enc == format.DeltaByteArray { // of the value before, each repeats so many bytes
		repeated, err := parquet.DeltaBinaryPacked.DecodeInt32(nil, page)
		sum := int64(0)
		for _, n := range repeated {
			sum += int64(n)
		}
		if err != nil {
			return err
		}
		if sum > maxPage {
			return fmt.Errorf("a page of %d bytes repeats %d", len(page), sum)
		}
	}
	e, size := parquet.LookupEncoding(enc), int(f.node.elem.TypeLength.V)
	var data parquetValues
	var err error
	switch f.node.elem.Type.V {
	case format.Int32:
		data, err = decoded(e.DecodeInt32, encoding.Int32Values, page)
	case format.Int64:
		data, err = decoded(e.DecodeInt64, encoding.Int64Values, page)
	case format.Float:
		data, err = decoded(e.DecodeFloat, encoding.FloatValues, page)
	case format.Double:
		data, err = decoded(e.DecodeDouble, encoding.DoubleValues, page)
	case format.FixedLenByteArray:
		var x []byte
		x, err = e.DecodeFixedLenByteArray(nil, page, size)
		data = encoding.FixedLenByteArrayValues(x, size)
	case format.ByteArray:
		var x []byte
		var offs []uint32
		x, offs, err = e.DecodeByteArray(nil, page, nil)
		data = encoding.ByteArrayValues(x, offs)
	default:
		err = fmt.Errorf("values of type %s are not read in the encoding %s", f.node.elem.Type.V, enc)
	}
	if err != nil {
		return err
	}
	return fillVec(v, &f.mem, &data, f.node, present)
}

func decoded[T any](decode func([]T, []byte) ([]T, error), values func([]T) parquetValues, page []byte) (parquetValues, error) {
	x, err := decode(nil, page)
	return values(x), err
}

// most is the highest index, four at a time as none waits for another.
func most(idx []int32) uint32 {
	var a, b, c, d uint32
	for ; len(idx) >= 4; idx = idx[4:] {
		a, b, c, d = max(a, uint32(idx[0])), max(b, uint32(idx[1])), max(c, uint32(idx[2])), max(d, uint32(idx[3]))
	}
	for _, x := range idx {
		a = max(a, uint32(x))
	}
	return max(a, b, c, d)
}

// validity reads levels of 0 and 1. It returns nil when all are 1, and how many are.
func (f *flatPages) validity(src []byte, rows int) ([]bool, int, error) {
	if len(src) == 0 { // v2 pages leave out levels that are all the same
		return nil, rows, nil
	}
	if u, n := binary.Uvarint(src); n > 0 && u&1 == 0 && u>>1 >= uint64(rows) && n < len(src) && src[n] == 1 {
		return nil, rows, nil
	}
	out := leased[bool](&f.mem, rows)
	present, at := 0, 0
	for at < rows {
		u, n := binary.Uvarint(src)
		if n <= 0 || n >= len(src) {
			return nil, 0, fmt.Errorf("a page has %d levels for %d rows", at, rows)
		}
		src = src[n:]
		if u&1 == 0 {
			count := int(min(u>>1, uint64(rows-at)))
			one := src[0] == 1
			if src[0] > 1 {
				return nil, 0, fmt.Errorf("a level is %d where 1 is the highest", src[0])
			}
			src = src[1:]
			run := out[at : at+count]
			for i := range run {
				run[i] = one
			}
			if one {
				present += count
			}
			at += count
			continue
		}
		size := int(min(u>>1, uint64(len(src))))
		for _, b := range src[:size] {
			if rows-at >= 8 {
				o := (*[8]bool)(out[at:])
				for k := range o {
					o[k] = b>>k&1 == 1
					present += int(b >> k & 1)
				}
				at += 8
				continue
			}
			for k := 0; at < rows; k, at = k+1, at+1 {
				out[at] = b>>k&1 == 1
				present += int(b >> k & 1)
			}
		}
		src = src[size:]
	}
	if present == rows {
		return nil, rows, nil
	}
	return out, present, nil
}

// levels reads levels from 0 to most, which are `same` where the page leaves them out.
func (f *flatPages) levels(dst, src []byte, rows int, most, same byte) ([]byte, error) {
	if len(src) == 0 || most == 0 {
		return append(dst, bytes.Repeat([]byte{same}, rows)...), nil
	}
	idx, err := f.hybrid(src, rows, uint(bits.Len8(most)))
	for _, x := range idx {
		if uint32(x) > uint32(most) {
			return dst, fmt.Errorf("a level is %d where %d is the highest", x, most)
		}
		dst = append(dst, byte(x))
	}
	return dst, err
}

// indexes reads n places in the dictionary.
func (f *flatPages) indexes(src []byte, n int) ([]int32, error) {
	if len(src) == 0 && n > 0 {
		return nil, fmt.Errorf("a page has no values where %d are due", n)
	}
	if n == 0 || src[0] == 0 {
		out := leased[int32](&f.mem, n)
		clear(out)
		return out, nil
	}
	if src[0] > 32 {
		return nil, fmt.Errorf("a page has indexes of %d bits", src[0])
	}
	return f.hybrid(src[1:], n, uint(src[0]))
}

// hybrid reads n values of so many bits each, in runs of one value and runs of packed ones.
func (f *flatPages) hybrid(src []byte, n int, width uint) ([]int32, error) {
	out := leased[int32](&f.mem, n+512)[:n+512]
	e := &rle.Encoding{BitWidth: int(width)}
	bytesOf := int(width+7) / 8
	for at := 0; at < n; {
		u, k := binary.Uvarint(src)
		if k <= 0 || k >= len(src) {
			return nil, fmt.Errorf("a page has %d values where %d are due", at, n)
		}
		count := u >> 1
		switch {
		case u&1 == 0:
			src = src[k:]
			if len(src) < bytesOf {
				return nil, fmt.Errorf("a page has %d values where %d are due", at, n)
			}
			var word [4]byte
			copy(word[:], src[:bytesOf])
			x := int32(binary.LittleEndian.Uint32(word[:]))
			src = src[bytesOf:]
			run := out[at : at+int(min(count, uint64(n-at)))]
			for i := range run {
				run[i] = x
			}
			at += len(run)
		case count >= 8 && count <= uint64(len(src)-k)/uint64(width):
			end := k + int(count)*int(width)
			most := int(count) * 8
			if at+most > len(out) { // writers may fill the last run far beyond the page's values
				bigger := leased[int32](&f.mem, at+most)
				copy(bigger, out[:at])
				out = bigger
			}
			if _, err := e.DecodeInt32(out[at:at:at+most], src[:end]); err != nil {
				return nil, err
			}
			src = src[end:]
			at = min(at+most, n)
		default:
			src = src[k:]
			have := min(count*8, uint64(len(src))*8/uint64(width), uint64(n-at))
			if have == 0 {
				return nil, fmt.Errorf("a page has %d values where %d are due", at, n)
			}
			bit := uint(0)
			for i := range int(have) {
				var word [8]byte
				copy(word[:], src[bit>>3:])
				out[at+i] = int32(binary.LittleEndian.Uint64(word[:]) >> (bit & 7) & (1<<width - 1))
				bit += width
			}
			at += int(have)
			src = src[min(int(min(count, uint64(len(src))))*int(width), len(src)):]
		}
	}
	return out[:n], nil
}

// booleans are two words of a dictionary, which are hashed once.
func (f *flatPages) booleans(v *vec, page []byte, present int) error {
	if len(page)*8 < present {
		return fmt.Errorf("a page has %d values where %d are due", len(page)*8, present)
	}
	v.dict, v.idx = f.falseAndTrue(), leased[int32](&f.mem, present)
	for j := range v.idx {
		v.idx[j] = int32(page[j>>3] >> (j & 7) & 1)
	}
	return nil
}

// falseAndTrue is the dictionary of booleans.
func (f *flatPages) falseAndTrue() *vec {
	if f.bools == nil {
		f.bools = &vec{n: 2, i64: []int64{0, 1}}
	}
	return f.bools
}

// plain reads values that lie one after the other.
func (f *flatPages) plain(v *vec, mem *lease, page []byte, present int) error {
	var data parquetValues
	switch f.node.elem.Type.V {
	case format.Boolean:
		data = encoding.BooleanValues(page)
	case format.Int32:
		data = encoding.Int32ValuesFromBytes(page[:len(page)&^3])
	case format.Int64:
		data = encoding.Int64ValuesFromBytes(page[:len(page)&^7])
	case format.Int96:
		data = encoding.Int96ValuesFromBytes(page[:len(page)/12*12])
	case format.Float:
		data = encoding.FloatValuesFromBytes(page[:len(page)&^3])
	case format.Double:
		data = encoding.DoubleValuesFromBytes(page[:len(page)&^7])
	case format.FixedLenByteArray:
		size := int(f.node.elem.TypeLength.V)
		if size <= 0 {
			return fmt.Errorf("the values are %d bytes long", size)
		}
		data = encoding.FixedLenByteArrayValues(page[:len(page)/size*size], size)
	case format.ByteArray:
		offs := leased[uint32](mem, present+1)
		at, last := uint64(4), uint64(0)
		offs[0] = 4
		for j := range offs[1:] {
			if at > uint64(len(page)) {
				return fmt.Errorf("a page has %d values where %d are due", j, present)
			}
			// A length that is the same as the last lets the processor go on to the next before it has read this one.
			if n := uint64(binary.LittleEndian.Uint32(page[at-4:])); n == last {
				at += 4 + last
			} else {
				at += 4 + n
				last = n
			}
			offs[j+1] = uint32(at)
		}
		if present > 0 && at-4 > uint64(len(page)) {
			return fmt.Errorf("a value lies beyond the end of its page")
		}
		v.data, v.offs, v.gap = page, offs, 4
		return v.narrowDecimals(mem, f.node, present)
	default:
		return fmt.Errorf("its physical type %s is not known", f.node.elem.Type.V)
	}
	return fillVec(v, mem, &data, f.node, present)
}
