package pipeline

import (
	"fmt"
	"log/slog"
	"sort"
	"time"

	"github.com/lockstep-data/lockstep/schema"
)

// Pipeline is a pipeline file that was read. Defaults are filled in; paths are relative to the working
// directory, absolute, or s3://.
type Pipeline struct {
	// Path is the file as it was named, Name the pipeline's name.
	Path, Name string
	// Streams, Tables and Outputs are in the file's order. Without outputs, a run has one named "rows".
	Streams []Stream
	Tables  []Table
	Kafka   Kafka
	Query   string
	// QueryLine and QueryColumn are where the query's text starts in the file.
	QueryLine, QueryColumn int
	Outputs                []Output
	Validate               Validate
	// OnError is fail, null or reject.
	OnError string

	at    map[string]position
	texts map[string]located
	// unsure are the streams and tables of which a part could not be read; what would follow from that is not
	// reported.
	unsure map[string]bool
	// partial says that streams or tables are missing, so that unknown names in the query prove nothing.
	partial bool
}

// Stream is an input that has an event time.
type Stream struct {
	Name, Time string
	Disorder   time.Duration
	Ahead      time.Duration
	// Within is Disorder where the file does not say it.
	Within time.Duration
	// Idle is 0 where a silent partition is waited for.
	Idle time.Duration
	// Align is how far the stream may be read ahead of the slowest, AlignAuto or AlignOff.
	Align time.Duration
	ID    []string
	// Columns are the declared ones, in the file's order; nil when none are.
	Columns []schema.Field
	// Schema is the path of an Avro schema, or "".
	Schema string
	// Kafka is nil for a stream that has no topic.
	Kafka *KafkaStream
	// Lake is the place of the Parquet files, or "".
	Lake string
	// LaneByFile takes each file's row order as a lane when the lake is read as a stream.
	LaneByFile bool
	Positions  PositionColumns
	// OnBadRecord is fail or reject.
	OnBadRecord string
}

// ByAvro reports whether the stream's columns are those of an Avro schema, which may be younger than files of
// its lake.
func (s *Stream) ByAvro() bool { return s.Columns == nil && s.hasAvro() }

func (s *Stream) hasAvro() bool {
	return s.Schema != "" || s.Kafka != nil && s.Kafka.Registry && s.Kafka.Format == "avro"
}

// AlignAuto aligns bounded replays and leaves live ones alone; AlignOff never aligns.
const (
	AlignAuto time.Duration = 0
	AlignOff  time.Duration = -1
)

// PositionColumns names the lake's columns that say where in Kafka a row came from.
type PositionColumns struct{ Partition, Offset, Timestamp string }

// KafkaStream is the topic that a stream comes from.
type KafkaStream struct {
	Topic string
	// Format is json, avro or protobuf.
	Format string
	// Schema is the stream's Avro schema file, or "".
	Schema string
	// Registry says that values begin with the registry's zero and schema id.
	Registry bool
	// Subject is where the registry keeps the schema.
	Subject string
}

// Table is an input that rows are looked up in.
type Table struct {
	Name string
	Key  []string
	Lake string
	// Versions is the column at which a version starts, or "".
	Versions string
	Columns  []schema.Field
	// Format is auto, parquet, csv or ndjson.
	Format string
}

// Kafka is the cluster. Without brokers the file has none.
type Kafka struct {
	Brokers  []string
	ClientID string
	Group    string
	// Delivery is exactly-once or at-least-once.
	Delivery string
	TLS      *TLS
	SASL     *SASL
	Registry *Registry
}

// TLS encrypts connections; an empty file name means the system's default or none.
type TLS struct{ CA, Cert, Key, ServerName string }

// SASL authenticates connections. The password is given by Password or PasswordFile.
type SASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER.
	Mechanism    string
	User         string
	Password     Secret
	PasswordFile string
	TokenFile    string
}

// Registry is the schema registry.
type Registry struct {
	URL          string
	User         string
	Password     Secret
	PasswordFile string
	TLS          *TLS
}

// Secret is text that prints as ***, also in logs and with %#v.
type Secret string

// String hides the secret.
func (Secret) String() string { return "***" }

// GoString hides the secret.
func (Secret) GoString() string { return "***" }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("***") }

// MarshalText hides the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Output is one place that rows go to.
type Output struct {
	Name string
	// Where is a condition over the query's columns, or "" for every row.
	Where                  string
	WhereLine, WhereColumn int
	Lake                   string
	Kafka                  *KafkaOutput
}

// KafkaOutput is the topic of an output.
type KafkaOutput struct {
	Topic string
	Key   []string
	// Format is json or avro.
	Format   string
	Registry bool
	Subject  string
}

// Validate is how two results are compared. Key is empty when the file has no such section.
type Validate struct {
	Key    []string
	Time   string
	Settle time.Duration
	// FailOn is what makes the exit code 1; empty: any difference.
	FailOn  []string
	Columns []Tolerance
}

// Tolerance is what one column may differ by; a nil pointer asks for nothing.
type Tolerance struct {
	Column                        string
	Absolute, Relative            *float64
	ULP                           *int64
	Decimals                      *int
	Within                        *time.Duration
	NullAs                        *string
	Trim, Case, Unordered, Ignore bool
	As                            *schema.Type
}

// Problem is something to change in a pipeline file.
type Problem struct {
	File string
	// Line and Column count from 1, columns in characters; 0 where the file as a whole is meant.
	Line, Column int
	Message      string
	// Hint is what to write instead.
	Hint string
	// Warning says that the pipeline runs all the same.
	Warning bool
}

// String is the problem without its hint: file:line:column: error: message.
func (p Problem) String() string {
	word := "error"
	if p.Warning {
		word = "warning"
	}
	return fmt.Sprintf("%s: %s: %s", p.Place(), word, p.Message)
}

// Place is file:line:column, or the file alone.
func (p Problem) Place() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Failed reports whether a problem among these keeps the pipeline from running.
func Failed(problems []Problem) bool {
	for _, p := range problems {
		if !p.Warning {
			return true
		}
	}
	return false
}

// Stream is the stream of that name, nil when there is none.
func (p *Pipeline) Stream(name string) *Stream {
	for i := range p.Streams {
		if p.Streams[i].Name == name {
			return &p.Streams[i]
		}
	}
	return nil
}

// Table is the table of that name, nil when there is none.
func (p *Pipeline) Table(name string) *Table {
	for i := range p.Tables {
		if p.Tables[i].Name == name {
			return &p.Tables[i]
		}
	}
	return nil
}

// Sort puts problems into the file's order and drops those that are there twice.
func Sort(problems []Problem) []Problem {
	sort.SliceStable(problems, func(i, j int) bool {
		a, b := problems[i], problems[j]
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Column < b.Column
	})
	var out []Problem
	for i, p := range problems {
		if i == 0 || p != problems[i-1] {
			out = append(out, p)
		}
	}
	return out
}
