package avro

import (
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/column"
)

// Decoder appends Avro records as rows. It is for one goroutine.
type Decoder struct {
	fields []schema.Field
	schema *arrow.Schema
	cols   []*column.Buffer
	reader *node
	rows   int
	size   int // bytes that the rows may hold, at most
}

// NewDecoder makes a decoder for rows with these columns. A column that a writer does not have is NULL.
func NewDecoder(fields []schema.Field) *Decoder {
	return &Decoder{fields: fields, schema: schema.ArrowSchema(fields), cols: column.New(fields)}
}

// Reader gives the reader's schema, whose aliases and defaults hold for plans compiled afterwards. Its other
// fields and its types do not count: the columns say what is wanted.
func (d *Decoder) Reader(readerSchema string) error {
	n, err := parse(readerSchema)
	if err != nil {
		return err
	}
	d.reader = n
	return nil
}

// Rows is the number of rows since the last Flush.
func (d *Decoder) Rows() int { return d.rows }

// Append reads one record, all of value, as a row. After an error, which names the byte (from 0) and the
// field, nothing is appended and the decoder can be used on. value is not kept.
func (d *Decoder) Append(p *Plan, value []byte) error {
	// A value's elements without bytes are bounded, so this bounds all that it can become.
	most := (len(value) + maxTiny) * (1 + p.spare)
	if p.spare == 0 {
		most = len(value)
	}
	if d.size+most > column.MaxBytes {
		return errors.New("more than 2 GiB of rows at once; flush before")
	}
	r := reader{buf: value}
	if r.run(p.ops) && r.pos < len(value) {
		r.err = schema.WithHint(fmt.Errorf("byte %d: %d bytes are left behind the record", r.pos, len(value)-r.pos),
			"the value was probably written with another schema")
	}
	if r.err != nil {
		for _, c := range d.cols {
			c.Truncate(d.rows)
		}
		return r.err
	}
	d.rows++
	d.size += most
	return nil
}

// Flush returns the rows since the last Flush and starts anew.
func (d *Decoder) Flush() arrow.Record {
	rec := column.Record(d.schema, d.cols, d.rows)
	d.rows, d.size = 0, 0
	return rec
}
