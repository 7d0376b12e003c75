package validate

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Input is one side: a place, or records.
type Input struct {
	// Path is a file, a folder, a glob (`**` crosses folders), an s3:// address, or "-" for standard input.
	// Formats go by extension, else by content.
	Path string
	// Name is what reports call the side; default: the path.
	Name string
	// Reader is what "-" reads. It is read once, into a file in the temporary folder.
	Reader io.Reader
	// Records, when set, is the side itself. It is borrowed for Run and read once.
	Records RecordReader
	// Watermark is the time from which on rows may still come to this side, in place of its greatest time; "end"
	// when nothing is to come.
	Watermark string
	// Positions is what the report has as the ETag of a single file, for a caller who wrote it from something else.
	Positions string
}

// RecordReader is a stream of Arrow records of one schema; array.RecordReader is one.
type RecordReader interface {
	Schema() *arrow.Schema
	Next() bool
	Record() arrow.Record
	Err() error
}

// Positioned is what a Reader or Records may say when it was read: where it ended, in words of its own.
type Positioned interface{ Positions() string }

func positions(of any) string {
	if p, ok := of.(Positioned); ok {
		return p.Positions()
	}
	return ""
}

func (in Input) name(side string) string {
	switch {
	case in.Name != "":
		return in.Name
	case in.Path == "-":
		return "standard input"
	case in.Path != "":
		return in.Path
	}
	return side
}

// InputFile is a file that was read.
type InputFile struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
	Rows  int64  `json:"rows"`
	ETag  string `json:"etag,omitempty"`
}

// openFile is a file of a side with what its path says.
type openFile struct {
	source
	info  InputFile
	hive  []field           // partition columns of its path
	value map[string]string // their values; a name that is not in it is NULL
	first int               // number of its first unit in the side
}

// place is something to read: a local file or an object.
type place struct {
	name  string
	size  int64
	etag  string
	plain bool   // the name says nothing of the format
	local string // path of a local file; else
	open  func(ctx context.Context) (io.ReaderAt, io.Closer, error)
	hive  []string // folders below the root, in which k=v may be
}

// opener opens the inputs of one run.
type opener struct {
	ctx  context.Context
	opts *Options
	tmp  string // folder of this run, removed at its end
	pool pool
}

func (o *opener) open(in Input, side string) ([]*openFile, error) {
	if in.Records != nil {
		f, err := o.spoolRecords(in, side)
		if err != nil {
			return nil, err
		}
		return []*openFile{f}, nil
	}
	places, err := o.find(in, side)
	if err != nil {
		return nil, err
	}
	var files []*openFile
	for _, p := range places {
		f, err := o.openPlace(p)
		if err != nil {
			for _, f := range files {
				f.close()
			}
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func (o *opener) find(in Input, side string) ([]place, error) {
	none := func() error {
		return withHint(fmt.Errorf("%s: no file matched", in.Path),
			"names that begin with _ or . are not data; quote a glob so that the shell leaves it alone")
	}
	switch {
	case in.Path == "":
		return nil, fmt.Errorf("the %s side has no path", side)
	case in.Path == "-":
		if in.Reader == nil {
			return nil, errors.New("standard input is not available")
		}
		name := filepath.Join(o.tmp, side+"-stdin")
		out, err := os.Create(name)
		if err != nil {
			return nil, err
		}
		n, err := io.Copy(out, in.Reader)
		if err = errors.Join(err, out.Close()); err != nil {
			return nil, fmt.Errorf("read %s: %w", in.name(side), err)
		}
		return []place{{name: in.name(side), plain: true, size: n, local: name, etag: positions(in.Reader)}}, nil
	case strings.HasPrefix(in.Path, "s3://"):
		places, err := o.findS3(in.Path)
		if err == nil && len(places) == 0 {
			err = none()
		}
		return places, err
	}
	p := strings.TrimPrefix(in.Path, "file://")
	info, err := os.Stat(p)
	switch {
	case err == nil && !info.IsDir():
		return []place{{name: p, size: info.Size(), local: p, etag: in.Positions}}, nil
	case err == nil:
		places, err := walk(p, func(string) bool { return true })
		if err == nil && len(places) == 0 {
			err = none()
		}
		return places, err
	case !strings.ContainsAny(p, "*?["):
		return nil, withHint(fmt.Errorf("%s: %w", p, unwrapPath(err)), "give a file, a folder or a glob that exists")
	}
	root := staticPrefix(p)
	if _, err := path.Match(strings.ReplaceAll(p, "**", "*"), ""); err != nil {
		return nil, withHint(fmt.Errorf("%s: %w", p, err), "a glob has * ? [a-z] and **")
	}
	places, err := walk(root, func(name string) bool { return globMatch(p, name) })
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(places) == 0 {
		return nil, none()
	}
	return places, err
}

func unwrapPath(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// staticPrefix is the folder above a glob's first pattern.
func staticPrefix(glob string) string {
	parts := strings.Split(glob, "/")
	for i, s := range parts {
		if strings.ContainsAny(s, "*?[") {
			p := strings.Join(parts[:i], "/")
			if p == "" && strings.HasPrefix(glob, "/") {
				return "/"
			}
			if p == "" {
				return "."
			}
			return p
		}
	}
	return path.Dir(glob)
}

// globMatch matches a whole path; ** stands for any number of folders.
func globMatch(glob, name string) bool {
	glob, name = path.Clean(glob), path.Clean(filepath.ToSlash(name))
	var match func(g, n []string) bool
	match = func(g, n []string) bool {
		for len(g) > 0 {
			if g[0] == "**" {
				for i := 0; i <= len(n); i++ {
					if match(g[1:], n[i:]) {
						return true
					}
				}
				return false
			}
			if len(n) == 0 {
				return false
			}
			if ok, _ := path.Match(g[0], n[0]); !ok {
				return false
			}
			g, n = g[1:], n[1:]
		}
		return len(n) == 0
	}
	return match(strings.Split(glob, "/"), strings.Split(name, "/"))
}

// walk lists the data files below root in the order of their names. The root itself may be a link.
func walk(root string, keep func(string) bool) ([]place, error) {
	var out []place
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(real, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(real, p)
		if err != nil {
			return err
		}
		p = filepath.Join(root, rel)
		if base := d.Name(); rel != "." && (base[0] == '_' || base[0] == '.') {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if d.IsDir() || !keep(p) {
			return nil
		}
		info, err := os.Stat(p)
		if err != nil {
			return err
		}
		if info.IsDir() {
			return nil
		}
		dirs := strings.Split(filepath.ToSlash(rel), "/")
		out = append(out, place{name: p, size: info.Size(), local: p, hive: dirs[:len(dirs)-1]})
		return nil
	})
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	return out, err
}

func (o *opener) openPlace(p place) (*openFile, error) {
	if p.size == 0 {
		return nil, withHint(fmt.Errorf("%s: the file is empty", p.name), "a file of zero bytes has no schema and no key; an empty result is a file with a schema and no rows")
	}
	var at io.ReaderAt
	var closer io.Closer
	if p.local != "" {
		f, err := os.Open(p.local)
		if err != nil {
			return nil, err
		}
		at, closer = f, f
	} else {
		var err error
		if at, closer, err = p.open(o.ctx); err != nil {
			return nil, placed(p.name, err)
		}
	}
	format, compression, err := detect(p, at)
	if err != nil {
		closer.Close()
		return nil, placed(p.name, err)
	}
	text := &textFile{name: p.name, at: at, size: p.size, compression: compression, closer: closer}
	f := &openFile{info: InputFile{Path: p.name, Bytes: p.size, ETag: p.etag, Rows: -1}, value: map[string]string{}}
	switch format {
	case "parquet":
		f.source, err = openParquet(p.name, at, p.size, closer, &o.pool, o.opts.Memory/8/int64(o.opts.Parallelism))
	case "csv", "tsv":
		f.source, err = openCSV(o.ctx, text, format == "tsv")
	case "ndjson":
		f.source, err = openNDJSON(o.ctx, text)
	case "arrow":
		f.source, err = openArrowFile(p.name, at, p.size, closer)
	case "arrows":
		f.source, err = openArrowStream(text)
	}
	if err != nil {
		closer.Close()
		return nil, err
	}
	own := map[string]bool{}
	for _, c := range f.columns() {
		own[c.name] = true
	}
	for _, dir := range p.hive {
		k, v, ok := strings.Cut(dir, "=")
		if !ok {
			continue
		}
		k, err1 := url.PathUnescape(k)
		v, err2 := url.PathUnescape(v)
		if err := errors.Join(err1, err2); err != nil {
			return nil, withHint(placed(p.name, err), "a Hive folder is name=value with percent escapes")
		}
		if own[k] {
			continue
		}
		own[k] = true
		f.hive = append(f.hive, field{k, typ{kind: kUntyped}})
		if v != "__HIVE_DEFAULT_PARTITION__" {
			f.value[k] = v
		}
	}
	return f, nil
}

// detect finds the format by extension, or else by content, and refuses a file whose content contradicts it.
func detect(p place, at io.ReaderAt) (format, compression string, err error) {
	name := ""
	if !p.plain {
		name = strings.ToLower(path.Base(filepath.ToSlash(p.name)))
	}
	ext := path.Ext(name)
	switch ext {
	case ".gz", ".gzip":
		compression = "gz"
	case ".zst", ".zstd":
		compression = "zst"
	case ".snappy", ".sz", ".s2":
		compression = "snappy"
	}
	if compression != "" {
		ext = path.Ext(strings.TrimSuffix(name, ext))
	}
	byName := map[string]string{".parquet": "parquet", ".pq": "parquet", ".parq": "parquet", ".csv": "csv", ".tsv": "tsv",
		".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "ndjson", ".arrow": "arrow", ".ipc": "arrow", ".feather": "arrow",
		".arrows": "arrows"}[ext]
	head := make([]byte, 4096)
	n, rerr := at.ReadAt(head, 0)
	if rerr != nil && rerr != io.EOF {
		return "", "", rerr
	}
	head = head[:n]
	packed := magicCompression(head)
	if compression == "" && ext != "" && byName != "" && packed != "" {
		return "", "", contradicts(name, packed+" data")
	}
	if compression != "" && packed != compression {
		return "", "", contradicts(name, "no "+compression+" data")
	}
	compression = packed
	if packed != "" {
		// A block comes out as a whole, and may be as long as the file.
		r, err := decompress(io.NewSectionReader(at, 0, math.MaxInt64), packed)
		if err == nil {
			out := make([]byte, 4096)
			n, _ := io.ReadFull(r, out)
			head = out[:n]
			if c, ok := r.(io.Closer); ok {
				c.Close()
			}
		}
	}
	byContent := ""
	first := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case bytes.HasPrefix(head, []byte("PAR1")):
		byContent = "parquet"
	case bytes.HasPrefix(head, []byte("ARROW1")):
		byContent = "arrow"
	case bytes.HasPrefix(head, []byte{0xff, 0xff, 0xff, 0xff}):
		byContent = "arrows"
	case bytes.HasPrefix(first, []byte("{")), bytes.HasPrefix(first, []byte("[")) && bytes.HasPrefix(bytes.TrimLeft(first[1:], " \t\r\n"), []byte("{")):
		byContent = "ndjson" // an array of objects is none; the text's own reader says so
	case len(first) > 0 && !bytes.ContainsRune(first, 0):
		byContent = "csv"
	}
	text := func(f string) bool { return f == "csv" || f == "tsv" || f == "ndjson" }
	switch {
	case byName == "":
		if byContent == "" {
			return "", "", withHint(errors.New("the format is neither in the name nor in the content"), "name it .parquet, .csv, .ndjson or .arrow; names that begin with _ or . are left out of folders")
		}
		return byContent, compression, nil
	case byName == byContent, byName == "arrow" && byContent == "arrows", byName == "arrows" && byContent == "arrow":
		return byContent, compression, nil
	case (byName == "csv" || byName == "tsv") && (byContent == "csv" || byContent == "ndjson"):
		return byName, compression, nil // a header may begin with a brace
	case text(byName) && byContent == "":
		return byName, compression, nil // the text's own reader says what is wrong, and where
	case byContent == "":
		return "", "", contradicts(name, "something else")
	}
	return "", "", contradicts(name, byContent)
}

func contradicts(name, content string) error {
	return withHint(fmt.Errorf("the name says %s, the content is %s", path.Ext(name), content), "rename the file, or write it again")
}

func magicCompression(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return "gz"
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return "zst"
	case bytes.HasPrefix(head, []byte("\xff\x06\x00\x00sNaPpY")), bytes.HasPrefix(head, []byte("\xff\x06\x00\x00S2sTwO")):
		return "snappy"
	}
	return ""
}

func decompress(r io.Reader, compression string) (io.Reader, error) {
	switch compression {
	case "gz":
		return gzip.NewReader(r)
	case "zst":
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case "snappy":
		return s2.NewReader(r), nil
	}
	return r, nil
}

// textFile is a file that is read from its beginning, each time anew.
type textFile struct {
	name        string
	at          io.ReaderAt
	size        int64
	compression string
	closer      io.Closer
}

func (t *textFile) reader() (*bufio.Reader, func(), error) {
	r, err := decompress(io.NewSectionReader(t.at, 0, t.size), t.compression)
	if err != nil {
		return nil, nil, placed(t.name, err)
	}
	done := func() {}
	if c, ok := r.(io.Closer); ok {
		done = func() { c.Close() }
	}
	b := bufio.NewReaderSize(r, 256<<10)
	if bom, _ := b.Peek(3); string(bom) == "\xef\xbb\xbf" {
		b.Discard(3)
	}
	return b, done, nil
}

// spoolRecords writes records to a file, for they are read twice.
func (o *opener) spoolRecords(in Input, side string) (*openFile, error) {
	name := filepath.Join(o.tmp, side+".arrows")
	out, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	buf := bufio.NewWriterSize(out, 1<<20)
	w := ipc.NewWriter(buf, ipc.WithSchema(in.Records.Schema()))
	for err == nil && in.Records.Next() {
		if err = o.ctx.Err(); err == nil {
			err = w.Write(in.Records.Record())
		}
	}
	if err == nil {
		err = in.Records.Err()
	}
	err = errors.Join(err, w.Close(), buf.Flush(), out.Close())
	if err != nil {
		return nil, placed(in.name(side), err)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	src, err := openArrowStream(&textFile{name: in.name(side), at: f, size: info.Size(), closer: f})
	if err != nil {
		return nil, err
	}
	return &openFile{source: src, info: InputFile{Path: in.name(side), Bytes: info.Size(), Rows: -1, ETag: positions(in.Records)}, value: map[string]string{}}, nil
}
