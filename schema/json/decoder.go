package json

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/column"
)

// Decoder appends JSON objects as rows. It is for one goroutine.
type Decoder struct {
	schema *arrow.Schema
	cols   []*column.Buffer
	root   *object
	rows   int
	size   int // bytes read since the last Flush

	buf     []byte // the value that is being read
	scratch []byte // text without its escapes
	err     error
}

// NewDecoder makes a decoder for rows with these columns. Keys are matched by their exact name.
func NewDecoder(fields []schema.Field) *Decoder {
	d := &Decoder{schema: schema.ArrowSchema(fields), cols: column.New(fields)}
	d.root = newObject(d.cols, fields)
	return d
}

// Rows is the number of rows since the last Flush.
func (d *Decoder) Rows() int { return d.rows }

// Append reads one object as a row. After an error, which names the byte (from 0) and the field, nothing is
// appended and the decoder can be used on. value is not kept.
func (d *Decoder) Append(value []byte) error {
	if d.size+len(value) > column.MaxBytes {
		return errors.New("more than 2 GiB of rows at once; flush before")
	}
	d.buf, d.err = value, nil
	i := space(value, 0)
	switch {
	case i == len(value):
		return errors.New("byte 0: an empty value where a JSON object was wanted")
	case value[i] != '{':
		d.fail(i, nil, "wanted a JSON object, found %s", d.found(i))
	default:
		if i = d.object(d.root, i); i >= 0 {
			if i = space(value, i); i < len(value) {
				d.fail(i, nil, "the object has ended, but %s follows", d.found(i))
			}
		}
	}
	d.buf = nil
	if d.err != nil {
		for _, c := range d.cols {
			c.Truncate(d.rows)
		}
		return d.err
	}
	d.rows++
	d.size += len(value)
	return nil
}

// Flush returns the rows since the last Flush and starts anew.
func (d *Decoder) Flush() arrow.Record {
	rec := column.Record(d.schema, d.cols, d.rows)
	d.rows, d.size = 0, 0
	return rec
}

// node is a place that a value goes to.
type node struct {
	col  *column.Buffer
	kind schema.Kind
	elem *node   // of an Array or a Map
	row  *object // of a Row

	key    key
	seen   uint64 // the number of the object in which the field came last
	follow int    // the field that last came after this one
}

// key is a field's name with a quote behind, as it stands in JSON, and its ends as numbers: most names are
// compared in two steps of eight bytes.
type key struct {
	quoted     string
	head, mask uint64 // the first eight bytes, or all of them if there are fewer
	tail       uint64 // the last eight bytes
}

func newKey(name string) key {
	k := key{quoted: string(AppendString(nil, []byte(name)))[1:]}
	var head, mask, tail [8]byte
	for i := range min(8, len(k.quoted)) {
		head[i], mask[i] = k.quoted[i], 0xff
	}
	if n := len(k.quoted); n >= 8 {
		copy(tail[:], k.quoted[n-8:])
	}
	k.head, k.mask, k.tail = binary.LittleEndian.Uint64(head[:]), binary.LittleEndian.Uint64(mask[:]), binary.LittleEndian.Uint64(tail[:])
	return k
}

// at returns the end of the key if it stands at b[i], behind its first quote; else -1.
func (k *key) at(b []byte, i int) int {
	end := i + len(k.quoted)
	if len(b)-i < 8 || end > len(b) || (binary.LittleEndian.Uint64(b[i:])^k.head)&k.mask != 0 {
		return -1
	}
	if len(k.quoted) > 8 && binary.LittleEndian.Uint64(b[end-8:]) != k.tail {
		return -1
	}
	if len(k.quoted) > 16 && string(b[i:end]) != k.quoted {
		return -1
	}
	return end
}

// object reads the fields of a row.
type object struct {
	nodes []node
	index map[string]int
	// first is the field that last came first. It and node.follow say which key to expect: producers write
	// keys in the same order each time, so the next one is nearly always known.
	first  int
	number uint64
}

func newObject(cols []*column.Buffer, fields []schema.Field) *object {
	o := &object{index: map[string]int{}, nodes: make([]node, len(cols))}
	for i, c := range cols {
		o.nodes[i] = newNode(c)
		o.nodes[i].key = newKey(fields[i].Name)
		o.nodes[i].follow = (i + 1) % len(cols)
		o.index[fields[i].Name] = i
	}
	return o
}

func newNode(c *column.Buffer) node {
	n := node{col: c, kind: c.Type.Kind}
	switch n.kind {
	case schema.Row:
		n.row = newObject(c.Kids, c.Type.Fields)
	case schema.Array:
		elem := newNode(c.Kids[0])
		n.elem = &elem
	case schema.Map:
		elem := newNode(c.Kids[1])
		n.elem = &elem
	}
	return n
}

// object reads the object at i and returns where it ends, or -1 with d.err set, as all methods below do.
func (d *Decoder) object(o *object, i int) int {
	b := d.buf
	o.number++
	found, expect := 0, &o.first
	i = space(b, i+1)
	if i < len(b) && b[i] == '}' {
		i++
	} else {
		for {
			if i >= len(b) || b[i] != '"' {
				return d.fail(i, nil, "wanted a key in quotes, found %s", d.found(i))
			}
			at := i
			var n *node
			if f := *expect; f < len(o.nodes) {
				if end := o.nodes[f].key.at(b, i+1); end > 0 {
					n, i = &o.nodes[f], end
				}
			}
			if n == nil {
				var key []byte
				if key, i = d.text(i, nil); i < 0 {
					return -1
				}
				if f, ok := o.index[string(key)]; ok {
					n = &o.nodes[f]
					*expect = f
				}
			}
			if i+1 < len(b) && b[i] == ':' && b[i+1] > ' ' {
				i++
			} else if i = d.colon(i); i < 0 {
				return -1
			}
			if n == nil {
				i = d.skip(i, 0)
			} else {
				if n.seen == o.number {
					return d.fail(at, n, "the key comes twice in one object")
				}
				n.seen = o.number
				expect = &n.follow
				found++
				i = d.value(n, i)
			}
			if i < 0 {
				return -1
			}
			if i < len(b) && b[i] <= ' ' {
				i = space(b, i)
			}
			if i < len(b) && b[i] == ',' {
				i++
				if i < len(b) && b[i] <= ' ' {
					i = space(b, i)
				}
				continue
			}
			if i < len(b) && b[i] == '}' {
				i++
				break
			}
			return d.fail(i, nil, "wanted , or } in an object, found %s", d.found(i))
		}
	}
	if found < len(o.nodes) {
		for f := range o.nodes {
			if o.nodes[f].seen != o.number {
				o.nodes[f].col.AppendNull()
			}
		}
	}
	return i
}

func (d *Decoder) colon(i int) int {
	b := d.buf
	if i < len(b) && b[i] <= ' ' {
		i = space(b, i)
	}
	if i >= len(b) || b[i] != ':' {
		return d.fail(i, nil, "wanted : behind a key, found %s", d.found(i))
	}
	i++
	if i < len(b) && b[i] <= ' ' {
		i = space(b, i)
	}
	return i
}

// value reads the value at i into n.
func (d *Decoder) value(n *node, i int) int {
	b := d.buf
	if i >= len(b) {
		return d.fail(i, n, "wanted a value, found the end")
	}
	switch c := b[i]; {
	case c == '"':
		var s []byte
		end := plain(b, i+1)
		if end < len(b) && b[end] == '"' {
			s = b[i+1 : end]
			end++
		} else if s, end = d.text(i, n); end < 0 {
			return -1
		}
		if n.kind == schema.String {
			n.col.AppendBytes(s)
			return end
		}
		if err := n.col.AppendText(s); err != nil {
			return d.refuse(i, end, n, err)
		}
		return end
	case c == '-' || c-'0' <= 9:
		num, end := column.ScanNumber(b, i)
		if n.kind == schema.BigInt && num.Plain() && num.Digits <= 18 && end >= 0 {
			v := int64(num.Mant)
			if num.Neg() {
				v = -v
			}
			n.col.I64 = append(n.col.I64, v)
			return end
		}
		if end < 0 {
			return d.fail(i, n, "%s is not a number", d.found(i))
		}
		if n.kind == schema.String {
			n.col.AppendBytes(b[i:end])
			return end
		}
		if err := n.col.AppendNumber(num, b[i:end]); err != nil {
			return d.refuse(i, end, n, err)
		}
		return end
	case c == 'n':
		if i = d.literal(i, "null"); i >= 0 {
			n.col.AppendNull()
		}
		return i
	case n.kind == schema.String:
		end := d.skip(i, 0)
		if end >= 0 {
			n.col.AppendBytes(b[i:end])
		}
		return end
	case c == 't' || c == 'f':
		word := "true"
		if c == 'f' {
			word = "false"
		}
		end := d.literal(i, word)
		if end < 0 {
			return -1
		}
		if n.kind != schema.Boolean {
			return d.refuse(i, end, n, column.ErrType)
		}
		n.col.Bool = append(n.col.Bool, byte(5-len(word)))
		return end
	case c == '{' && n.kind == schema.Row:
		if i = d.object(n.row, i); i >= 0 {
			n.col.End()
		}
		return i
	case c == '{' && n.kind == schema.Map:
		return d.mapping(n, i)
	case c == '[' && n.kind == schema.Array:
		return d.array(n, i)
	case c == '{' || c == '[':
		end := d.skip(i, 0)
		if end < 0 {
			return -1
		}
		return d.refuse(i, end, n, column.ErrType)
	}
	return d.fail(i, n, "wanted a value, found %s", d.found(i))
}

func (d *Decoder) array(n *node, i int) int {
	b := d.buf
	i = space(b, i+1)
	if i < len(b) && b[i] == ']' {
		n.col.End()
		return i + 1
	}
	for {
		if i = d.value(n.elem, i); i < 0 {
			return -1
		}
		if i = space(b, i); i < len(b) && b[i] == ',' {
			i = space(b, i+1)
			continue
		}
		if i < len(b) && b[i] == ']' {
			n.col.End()
			return i + 1
		}
		return d.fail(i, n, "wanted , or ] in an array, found %s", d.found(i))
	}
}

func (d *Decoder) mapping(n *node, i int) int {
	b, keys := d.buf, n.col.Kids[0]
	first := keys.Len()
	i = space(b, i+1)
	if i < len(b) && b[i] == '}' {
		n.col.End()
		return i + 1
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return d.fail(i, n, "wanted a key in quotes, found %s", d.found(i))
		}
		at := i
		var key []byte
		if key, i = d.text(i, n); i < 0 {
			return -1
		}
		if err := keys.AppendText(key); err != nil {
			return d.refuse(at, i, n, err)
		}
		if i = d.colon(i); i < 0 {
			return -1
		}
		if i = d.value(n.elem, i); i < 0 {
			return -1
		}
		if i = space(b, i); i < len(b) && b[i] == ',' {
			i = space(b, i+1)
			continue
		}
		if i < len(b) && b[i] == '}' {
			break
		}
		return d.fail(i, n, "wanted , or } in an object, found %s", d.found(i))
	}
	if twice := keys.Repeats(first); twice >= 0 {
		return d.fail(i, n, "key number %d of the map came before", twice-first+1)
	}
	n.col.End()
	return i + 1
}

// fail sets the error and returns -1. n, if not nil, is the field.
func (d *Decoder) fail(i int, n *node, format string, args ...any) int {
	where := fmt.Sprintf("byte %d", i)
	if n != nil {
		where += ", field " + n.col.Name
	}
	d.err = fmt.Errorf("%s: %w", where, fmt.Errorf(format, args...))
	return -1
}

// refuse says that the value in b[i:end] does not fit its column.
func (d *Decoder) refuse(i, end int, n *node, err error) int {
	return d.fail(i, n, "%s as %s: %w", clip(d.buf[i:end]), n.col.Type, err)
}

// found shows what stands at i.
func (d *Decoder) found(i int) string {
	if i >= len(d.buf) {
		return "the end"
	}
	end := i + 1
	for end < len(d.buf) && end < i+20 && d.buf[end] > ' ' && d.buf[end] != ',' && d.buf[end] != '}' {
		end++
	}
	return clip(d.buf[i:end])
}

func clip(b []byte) string {
	if len(b) > 60 {
		return fmt.Sprintf("%.57q...", b)
	}
	if len(b) > 0 && (b[0] == '"' || b[0] == '-' || b[0]-'0' <= 9) {
		return string(b)
	}
	return fmt.Sprintf("%q", b)
}
