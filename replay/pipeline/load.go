package pipeline

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/lockstep-data/lockstep/schema"
)

// Load reads a pipeline file's text: its syntax, fields and values. path is what problems call the file, and
// what relative paths start from; env is what ${VAR} expands to. All problems are returned, in the file's
// order; where one of them is no warning the pipeline is only good for finding more, and it is nil where
// nothing could be read. What needs the data is left to Check.
func Load(path string, text []byte, env map[string]string) (*Pipeline, []Problem) {
	d := &decoder{file: path, env: env}
	v := d.decode(string(text))
	if v == nil || v.broken {
		return nil, Sort(d.problems)
	}
	b := &builder{decoder: d, folder: filepath.Dir(path), p: &Pipeline{Path: path, at: map[string]position{}, texts: map[string]located{}, unsure: map[string]bool{}}}
	b.place(v, "")
	b.pipeline(v)
	return b.p, Sort(d.problems)
}

// builder turns checked values into a Pipeline and finds what single values cannot show.
type builder struct {
	*decoder
	p      *Pipeline
	folder string
}

// key is how positions are looked up: names joined by a byte that no name has.
func key(parts ...string) string { return strings.Join(parts, "\x00") }

// place remembers where everything stands.
func (b *builder) place(v *value, path string) {
	counts := map[string]int{}
	for _, it := range v.items {
		name := it.name
		if v.field != nil && v.field.kind == kindList {
			name = it.text.text
		}
		if counts[name]++; counts[name] > 1 {
			continue
		}
		p := name
		if path != "" {
			p = key(path, name)
		}
		b.p.at[p] = it.at
		if it.text.text != "" {
			b.p.texts[p] = it.text
		}
		b.place(it, p)
	}
}

// find is where the value of that path stands, or the nearest part of the file that it belongs to.
func (p *Pipeline) find(parts ...string) position {
	for n := len(parts); n > 0; n-- {
		if at, ok := p.at[key(parts[:n]...)]; ok {
			return at
		}
	}
	return position{1, 1}
}

// textAt is where the text of that path begins, or find.
func (p *Pipeline) textAt(parts ...string) position {
	if l, ok := p.texts[key(parts...)]; ok {
		return l.start
	}
	return p.find(parts...)
}

func (b *builder) text(v *value, name string) string {
	f := v.get(name)
	if f != nil {
		return f.text.text
	}
	if v == nil || v.field == nil {
		return ""
	}
	if decl := lookup(v.field.fields, name); decl != nil && !strings.HasPrefix(decl.fallback, "(") {
		return decl.fallback
	}
	return ""
}

func (b *builder) duration(v *value, name string) time.Duration {
	if f := v.get(name); f != nil {
		return f.duration
	}
	d, _ := ParseDuration(b.text(v, name)) // a fallback that is a word leaves 0, which the caller expects
	return d
}

func (b *builder) list(v *value, name string) []string {
	f := v.get(name)
	if f == nil {
		return nil
	}
	var out []string
	for _, it := range f.items {
		if !it.broken {
			out = append(out, it.text.text)
		}
	}
	return out
}

// path makes a path of the file relative to the pipeline file.
func (b *builder) path(v *value, name string) string {
	s := b.text(v, name)
	s, file := strings.CutPrefix(s, "file://")
	if s == "" || (!file && strings.HasPrefix(s, "s3://")) || filepath.IsAbs(s) {
		return s
	}
	joined := filepath.Join(b.folder, s)
	if strings.HasSuffix(s, "/") {
		joined += "/"
	}
	return joined
}

func (b *builder) columns(v *value) []schema.Field {
	f := v.get("columns")
	if f == nil {
		return nil
	}
	var out []schema.Field
	for _, it := range f.items {
		if !it.broken {
			out = append(out, schema.Field{Name: it.name, Type: it.typ})
		}
	}
	return out
}

func (b *builder) pipeline(v *value) {
	p := b.p
	p.Name = b.text(v, "pipeline")
	p.OnError = b.text(v, "on_error")
	p.partial = v.get("streams") == nil || (v.has("tables") && v.get("tables") == nil)
	if q := v.get("query"); q != nil {
		p.Query, p.QueryLine, p.QueryColumn = q.text.text, q.text.start.line, q.text.start.col
	}
	b.kafka(v.get("kafka"))
	names := map[string]position{}
	if streams := v.get("streams"); streams != nil {
		for _, s := range streams.items {
			names[strings.ToLower(s.name)] = s.at
			if s.broken || s.get("time") == nil || s.get("columns").anyBroken() || (s.has("columns") && s.get("columns") == nil) || s.get("id").anyBroken() {
				p.unsure[s.name] = true
			}
			if !s.broken {
				p.Streams = append(p.Streams, b.stream(s, v))
			}
		}
	}
	if tables := v.get("tables"); tables != nil {
		for _, t := range tables.items {
			if at, twice := names[strings.ToLower(t.name)]; twice {
				b.problem(t.at, fmt.Sprintf("%s is a table and a stream, at line %d", t.name, at.line), "give the table a name of its own")
			}
			if t.broken || t.get("key") == nil || t.get("key").anyBroken() || t.get("columns").anyBroken() || t.has("columns") != (t.get("columns") != nil) || t.has("versions") != (t.get("versions") != nil) {
				p.unsure[t.name] = true
			}
			if !t.broken {
				p.Tables = append(p.Tables, b.table(t))
			}
		}
	}
	if outputs := v.get("outputs"); outputs != nil {
		for _, o := range outputs.items {
			if !o.broken {
				p.Outputs = append(p.Outputs, b.output(o, v))
			}
		}
	}
	b.outputsApart()
	if val := v.get("validate"); val != nil {
		b.validate(val)
	}
}

func (b *builder) stream(v, top *value) Stream {
	s := Stream{
		Name: v.name, Time: b.text(v, "time"), Disorder: b.duration(v, "disorder"), Ahead: b.duration(v, "ahead"),
		Idle: b.duration(v, "idle"), ID: b.list(v, "id"), Columns: b.columns(v), Schema: b.path(v, "schema"),
		Lake: b.path(v, "lake"), LaneByFile: b.text(v, "lanes") == "file", OnBadRecord: b.text(v, "on_bad_record"),
	}
	s.Within = s.Disorder
	if v.get("within") != nil {
		s.Within = b.duration(v, "within")
	}
	s.Align = b.duration(v, "align")
	if b.text(v, "align") == wordOff {
		s.Align = AlignOff
	}
	pos := v.get("positions")
	if pos == nil {
		pos = &value{field: lookup(streamFields, "positions")}
	}
	s.Positions = PositionColumns{Partition: b.text(pos, "partition"), Offset: b.text(pos, "offset"), Timestamp: b.text(pos, "timestamp")}
	if k := v.get("kafka"); k != nil {
		s.Kafka = &KafkaStream{Topic: b.text(k, "topic"), Format: b.text(k, "format"), Schema: s.Schema, Subject: b.text(k, "subject"), Registry: b.registry(k)}
		if s.Kafka.Subject == "" {
			s.Kafka.Subject = s.Kafka.Topic + "-value"
		}
		b.streamKafka(v, k, s.Kafka, top)
	}
	b.streamTogether(v, &s)
	return s
}

// registry reports whether a topic's values are framed.
func (b *builder) registry(k *value) bool {
	framing := b.text(k, "framing")
	return framing == "registry" || (framing == wordAuto && b.p.Kafka.Registry != nil && b.text(k, "format") != "json")
}

func (b *builder) streamKafka(v, k *value, out *KafkaStream, top *value) {
	b.needBrokers(k, top)
	if k.has("format") && k.get("format") == nil {
		return
	}
	switch {
	case out.Registry && b.p.Kafka.Registry == nil && !b.declared(top, "registry"):
		b.problem(b.child(k, "framing"), "framing: registry, but no registry is given", "write kafka: {registry: {url: \"http://localhost:8081\"}}")
	case out.Format == "avro" && !out.Registry && out.Schema == "" && !v.has("schema") && !b.declared(top, "registry"):
		b.warn(b.child(k, "format"), fmt.Sprintf("stream %s is Avro and nothing gives its schema, so that its topic cannot be read", v.name), "write schema: FILE.avsc in the stream, or kafka: {registry: {url: ...}}")
	case out.Format == "protobuf" && !out.Registry:
		b.warn(b.child(k, "format"), fmt.Sprintf("stream %s is Protobuf and no registry gives its schema, so that its topic cannot be read", v.name), "write kafka: {registry: {url: \"http://localhost:8081\"}}")
	}
	if k.has("subject") && !out.Registry {
		b.warn(b.child(k, "subject"), "subject has no effect: no registry is used", "write kafka: {registry: {url: ...}}, or delete it")
	}
}

// declared reports whether the file's kafka section has the field, right or wrong.
func (b *builder) declared(top *value, name string) bool {
	for _, it := range top.items {
		if it.name == "kafka" {
			return it.broken || it.has(name)
		}
	}
	return false
}

func (b *builder) needBrokers(k, top *value) {
	if !top.has("kafka") {
		b.problem(k.at, "a topic, but the file has no kafka section", "write kafka: {brokers: [\"localhost:9092\"]} at the top of the file")
	}
}

// child is where a field of v stands, or v itself.
func (b *builder) child(v *value, name string) position {
	for _, it := range v.items {
		if it.name == name {
			return it.at
		}
	}
	return v.at
}

func (b *builder) streamTogether(v *value, s *Stream) {
	if !v.has("kafka") && !v.has("lake") {
		b.problem(v.at, fmt.Sprintf("stream %s has neither a topic nor a lake", v.name), "write kafka: {topic: "+v.name+"}, lake: PLACE, or both")
	}
	if !v.has("disorder") {
		b.warn(v.at, fmt.Sprintf("stream %s says no disorder: every row behind the newest of its partition is late", v.name), "write disorder: 10m, or disorder: 0s where that is meant")
	}
	if v.has("within") && !v.has("id") {
		b.problem(b.child(v, "within"), "within has no effect without id", "write id: [COLUMN], or delete within")
	}
	if s.LaneByFile && !v.has("lake") {
		b.problem(b.child(v, "lanes"), "lanes: file has no effect without a lake", "write lake: PLACE, or delete lanes")
	}
	if v.has("positions") && !v.has("lake") {
		b.problem(b.child(v, "positions"), "positions has no effect without a lake", "write lake: PLACE, or delete positions")
	}
	names := []string{s.Positions.Partition, s.Positions.Offset, s.Positions.Timestamp}
	if names[0] == names[1] || names[0] == names[2] || names[1] == names[2] {
		b.problem(b.child(v, "positions"), "two of the positions have one column", "name a column for each of partition, offset and timestamp")
	}
	if v.has("on_bad_record") && !v.has("kafka") {
		b.problem(b.child(v, "on_bad_record"), "on_bad_record has no effect without kafka", "write kafka: {topic: NAME}, or delete on_bad_record")
	}
	if v.has("kafka") && !v.has("lake") && !v.has("columns") && !v.has("schema") && s.Kafka != nil && s.Kafka.Format == "json" && !s.Kafka.Registry {
		b.problem(v.at, fmt.Sprintf("stream %s is JSON, and nothing gives its columns", v.name), "write columns: {NAME: TYPE, ...}, schema: FILE.avsc, or lake: PLACE")
	}
	if s.Columns != nil && !v.get("columns").anyBroken() {
		for _, name := range names {
			if hasField(s.Columns, name) {
				b.problem(b.p.find("streams", s.Name, "columns", name), name+" is a position, not a column of the stream", "delete it, or map the position to another column: positions: {...}")
			}
		}
	}
}

// anyBroken reports whether a part of v was reported already, so that what follows from it is not.
func (v *value) anyBroken() bool {
	if v == nil {
		return false
	}
	for _, it := range v.items {
		if it.broken {
			return true
		}
	}
	return false
}

// columnProblem says what keeps name from being a column, or a timestamp column, of these.
func columnProblem(fields []schema.Field, name, where string, timestamp bool) (message, hint string) {
	for _, f := range fields {
		if f.Name != name {
			continue
		}
		if timestamp && f.Type.Kind != schema.Timestamp {
			hint := "name a column that is a timestamp"
			if f.Type.Kind == schema.BigInt || f.Type.Kind == schema.Int {
				hint = "if it counts milliseconds since 1970, write columns: {" + name + ": timestamp(ms), ...}"
			}
			return fmt.Sprintf("column %s of %s is %s, not a timestamp", name, where, f.Type), hint
		}
		return "", ""
	}
	return fmt.Sprintf("%s has no column %s", where, clip(name)), columnHint(name, fields)
}

// columnHint names the column that was probably meant, or lists what there is.
func columnHint(name string, fields []schema.Field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	if near := nearest(name, names); near != "" {
		return "write " + near
	}
	if len(names) > 20 {
		names = append(names[:20], "...")
	}
	if len(names) == 0 {
		return "it has no columns at all"
	}
	return "its columns are " + strings.Join(names, ", ")
}

func hasField(fields []schema.Field, name string) bool {
	for _, f := range fields {
		if f.Name == name {
			return true
		}
	}
	return false
}

func (b *builder) table(v *value) Table {
	t := Table{Name: v.name, Key: b.list(v, "key"), Lake: b.path(v, "lake"), Versions: b.text(v, "versions"), Columns: b.columns(v), Format: b.text(v, "format")}
	for _, k := range t.Key {
		if k == t.Versions {
			b.problem(b.child(v, "versions"), fmt.Sprintf("%s is part of the key and cannot tell versions apart", k), "name the column at which a version starts")
		}
	}
	return t
}

func (b *builder) output(v, top *value) Output {
	o := Output{Name: v.name, Where: b.text(v, "where"), Lake: b.path(v, "lake")}
	if w := v.get("where"); w != nil {
		o.WhereLine, o.WhereColumn = w.text.start.line, w.text.start.col
	}
	if k := v.get("kafka"); k != nil {
		o.Kafka = &KafkaOutput{Topic: b.text(k, "topic"), Key: b.list(k, "key"), Format: b.text(k, "format"), Subject: b.text(k, "subject"), Registry: b.registry(k)}
		if o.Kafka.Subject == "" {
			o.Kafka.Subject = o.Kafka.Topic + "-value"
		}
		b.needBrokers(k, top)
		if o.Kafka.Registry && b.p.Kafka.Registry == nil && !b.declared(top, "registry") {
			b.problem(b.child(k, "framing"), "framing: registry, but no registry is given", "write kafka: {registry: {url: \"http://localhost:8081\"}}")
		}
		if k.has("subject") && !o.Kafka.Registry {
			b.warn(b.child(k, "subject"), "subject has no effect: no registry is used", "write kafka: {registry: {url: ...}}, or delete it")
		}
	}
	if strings.Contains(o.Lake, "*") || strings.HasSuffix(o.Lake, ".parquet") {
		b.problem(b.child(v, "lake"), fmt.Sprintf("output %s: %s is no folder", v.name, clip(b.text(v, "lake"))), "write the folder; the files in it get names of their own")
	}
	return o
}

// outputsApart finds outputs that would mix with each other or with the inputs.
func (b *builder) outputsApart() {
	names, lakes, topics := map[string]string{}, map[string]string{}, map[string]string{}
	for _, s := range b.p.Streams {
		if s.Lake != "" {
			lakes[strings.TrimSuffix(s.Lake, "/")] = "stream " + s.Name
		}
		if s.Kafka != nil && s.Kafka.Topic != "" {
			topics[s.Kafka.Topic] = "stream " + s.Name
		}
	}
	for _, o := range b.p.Outputs {
		lower := strings.ToLower(o.Name)
		if other, twice := names[lower]; twice {
			b.problem(b.p.find("outputs", o.Name), fmt.Sprintf("outputs %s and %s are one folder where case does not count", other, o.Name), "give each output a name of its own")
		}
		names[lower] = o.Name
		if place := strings.TrimSuffix(o.Lake, "/"); place != "" {
			if other := lakes[place]; other != "" {
				b.problem(b.p.find("outputs", o.Name, "lake"), fmt.Sprintf("output %s would write where %s is", o.Name, other), "give it a folder of its own")
			} else if input := b.p.ReadBy(place); input != "" {
				b.problem(b.p.find("outputs", o.Name, "lake"), fmt.Sprintf("output %s would write into what %s reads", o.Name, input), "give it a folder elsewhere, or one whose name begins with _")
			}
			lakes[place] = "output " + o.Name
		}
		if o.Kafka != nil && strings.HasPrefix(topics[o.Kafka.Topic], "stream ") {
			b.problem(b.p.find("outputs", o.Name, "kafka", "topic"), fmt.Sprintf("output %s would write to the topic of %s", o.Name, topics[o.Kafka.Topic]), "give it a topic of its own")
		}
	}
}

// ReadBy is the stream or table that would read files below the folder place, such as "stream plays"; "" when
// none would. Paths are compared as they are written.
func (p *Pipeline) ReadBy(place string) string {
	place = path.Clean(place) + "/"
	reads := func(lake string) bool {
		if lake == "" {
			return false
		}
		if i := strings.IndexAny(lake, "*?["); i >= 0 {
			if !strings.HasPrefix(lake[i:], "**") {
				return false // the files of an output lie deeper
			}
			lake = lake[:i]
		}
		root := path.Clean(lake) + "/"
		if root == "./" {
			root = ""
		}
		rest, below := strings.CutPrefix(place, root)
		hidden := strings.Contains("/"+rest, "/_") || strings.Contains("/"+rest, "/.")
		return below && !hidden && !path.IsAbs(rest)
	}
	for _, s := range p.Streams {
		if reads(s.Lake) {
			return "stream " + s.Name
		}
	}
	for _, t := range p.Tables {
		if reads(t.Lake) {
			return "table " + t.Name
		}
	}
	return ""
}

func (b *builder) validate(v *value) {
	out := &b.p.Validate
	out.Key, out.Time, out.Settle = b.list(v, "key"), b.text(v, "time"), b.duration(v, "settle")
	if v.has("settle") && !v.has("time") {
		b.problem(b.child(v, "settle"), "settle has no effect without time", "write time: COLUMN, or delete settle")
	}
	out.FailOn = b.list(v, "fail_on")
	columns := v.get("columns")
	if columns == nil {
		return
	}
	for _, c := range columns.items {
		for _, k := range out.Key {
			if k == c.name {
				b.problem(c.at, fmt.Sprintf("%s is part of the key, which is compared exactly", k), "delete it here or from the key")
			}
		}
		if c.broken {
			continue
		}
		if len(c.items) == 0 && c.field != nil {
			b.problem(c.at, fmt.Sprintf("column %s has no tolerance", c.name), "write "+c.name+": {relative: 1e-9}, or delete it: it is compared exactly then")
		}
		if c.has("ignore") && len(c.items) > 1 {
			b.problem(b.child(c, "ignore"), fmt.Sprintf("column %s is ignored, so nothing else about it counts", c.name), "delete ignore or the rest")
		}
		t := Tolerance{Column: c.name}
		if x := c.get("absolute"); x != nil {
			t.Absolute = &x.number
		}
		if x := c.get("relative"); x != nil {
			t.Relative = &x.number
		}
		if x := c.get("ulp"); x != nil {
			n := int64(x.number)
			t.ULP = &n
		}
		if x := c.get("decimals"); x != nil {
			n := int(x.number)
			t.Decimals = &n
		}
		if x := c.get("within"); x != nil {
			t.Within = &x.duration
		}
		if x := c.get("null_as"); x != nil {
			t.NullAs = &x.text.text
		}
		if x := c.get("as"); x != nil {
			t.As = &x.typ
		}
		for name, flag := range map[string]*bool{"trim": &t.Trim, "case": &t.Case, "unordered": &t.Unordered, "ignore": &t.Ignore} {
			if x := c.get(name); x != nil {
				*flag = x.flag
			}
		}
		out.Columns = append(out.Columns, t)
	}
}
