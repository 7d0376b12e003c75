package pipeline

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// whole is a file that says most of what there is to say; the manual and the help begin with it.
const whole = `pipeline: take_rate
streams:
  impressions:
    time: shown_at                   # event time
    disorder: 10m                    # how far a row may be behind its partition's newest and still count
    id: [impression_id]
    kafka: {topic: impressions, format: avro}
    lake: s3://lake/impressions/dt=*/*.parquet
  playbacks:
    time: played_at
    disorder: 10m
    id: [playback_id]
    kafka: {topic: playbacks, format: json}
    lake: s3://lake/playbacks/**/*.parquet
tables:                              # looked up; versioned when versions names the column a version starts at
  customers: {key: [customer_id], lake: s3://lake/customers/*.parquet, versions: valid_from}
  devices:   {key: [device_id], lake: devices.csv}
kafka:
  brokers: ["${KAFKA_BROKERS:-localhost:9092}"]
  registry: {url: "http://localhost:8081"}
query: |
  SELECT i.impression_id, i.profile_id, i.shown_at, c.plan, d.family, p.playback_id, p.duration_ms,
         CASE WHEN p.duration_ms >= 120000 THEN 'play' WHEN p.playback_id IS NOT NULL THEN 'peek' END AS outcome
  FROM impressions i
  LEFT JOIN playbacks p
    ON p.profile_id = i.profile_id AND p.title_id = i.title_id
   AND p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '4' HOUR
  LEFT JOIN customers FOR SYSTEM_TIME AS OF i.shown_at AS c ON c.customer_id = i.profile_id
  LEFT JOIN devices d ON d.device_id = i.device_id
outputs:                             # read once, routed to many
  plays: {where: outcome = 'play', lake: s3://out/plays/, kafka: {topic: plays, key: [profile_id]}}
  all:   {lake: s3://out/all/}
validate:
  key: [impression_id, playback_id]
  columns: {duration_ms: {absolute: 1}}
`

// rules are what holds for all fields.
var rules = []string{
	"Unknown fields, values of another kind and names that lead nowhere are refused; `lockstep lint FILE` lists all of them with their lines.",
	"`${VAR}` in a value is the environment's variable VAR; `${VAR:-default}` has a value for when it is not set or empty; `$${` is `${` itself. Names of fields are never expanded.",
	"Durations are a number and a unit: `us`, `ms`, `s`, `m`, `h`, `d`, also together: `1h30m`.",
	"Paths are relative to the pipeline file; `s3://bucket/path` takes credentials and the endpoint from the usual AWS variables.",
	"Passwords come from the environment or from files; one that is written out is refused.",
	"A stream's columns are those of `columns`, else of its Avro schema (file or registry), else of its lake's files. Two that disagree are a problem that names both places.",
}

// Markdown is the manual of the pipeline file, docs/pipeline.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("# The pipeline file\n\n<!-- Generated from replay/pipeline/fields.go: go test ./replay/pipeline -update -->\n\n")
	b.WriteString("A pipeline file says what is read, what is computed and where the answer goes. It is YAML.\n\n```yaml\n" + whole + "```\n\n")
	b.WriteString("An editor with the YAML language server completes and checks the file after this first line:\n\n" +
		"```yaml\n# yaml-language-server: $schema=pipeline.schema.json\n```\n\n(`docs/pipeline.schema.json` of this repository, by path or URL.)\n\n## Rules\n\n")
	for _, r := range rules {
		b.WriteString("- " + r + "\n")
	}
	writeSection(&b, &root, "", "The top of the file")
	return b.String()
}

func writeSection(b *strings.Builder, f *field, path, heading string) {
	fmt.Fprintf(b, "\n## %s\n\n", heading)
	if f.kind != kindNamed || path == "" {
		b.WriteString(f.doc + "\n\n")
	} else {
		b.WriteString(f.doc + " Each has:\n\n")
	}
	b.WriteString("| field | value | default | |\n|---|---|---|---|\n")
	for i := range f.fields {
		c := &f.fields[i]
		fmt.Fprintf(b, "| `%s` | %s | %s | %s Since %s. |\n", c.name, escape(shape(c)), escape(defaultWords(c)), escape(c.doc), c.since)
	}
	b.WriteString("\n```yaml\n")
	for i := range f.fields {
		b.WriteString(f.fields[i].example + "\n")
	}
	b.WriteString("```\n")
	for i := range f.fields {
		c := &f.fields[i]
		if c.fields == nil {
			continue
		}
		sub := c.name
		if path != "" {
			sub = path + "." + c.name
		}
		title := "`" + sub + "`"
		if c.kind == kindNamed {
			sub += ".NAME"
			title = "`" + sub + "`"
		}
		writeSection(b, c, sub, title)
	}
}

func escape(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// shape is how a field's value is written, in words.
func shape(f *field) string {
	words := func(k kind) string {
		switch k {
		case kindSecret:
			return "${VAR}"
		case kindLabel:
			return "name"
		case kindURL:
			return "http(s) address"
		}
		return string(k)
	}
	switch f.kind {
	case kindChoice:
		return "`" + strings.Join(f.choices, "`, `") + "`"
	case kindList:
		return "list of " + words(f.item) + "s"
	case kindNamed:
		return f.noun + "s by name"
	case kindSection:
		if f.orTrue {
			return "section, or `true`"
		}
		return "section"
	case kindDuration:
		if len(f.choices) > 0 {
			return "duration, `" + strings.Join(f.choices, "`, `") + "`"
		}
	}
	return words(f.kind)
}

func defaultWords(f *field) string {
	switch {
	case f.required:
		return "**required**"
	case f.fallback == "":
		return "none"
	case strings.HasPrefix(f.fallback, "("):
		return strings.Trim(f.fallback, "()")
	}
	return "`" + f.fallback + "`"
}

// Help is the text of `lockstep help pipeline`.
func Help() string {
	var b strings.Builder
	b.WriteString("A pipeline file says what is read, what is computed and where the answer goes. It is YAML:\n\n")
	for line := range strings.Lines(whole) {
		b.WriteString("    " + line)
	}
	b.WriteString("\nRules:\n\n")
	for _, r := range rules {
		b.WriteString(wrapped("- "+strings.ReplaceAll(r, "`", ""), "", "  "))
	}
	writeHelp(&b, &root, "")
	b.WriteString("\ndocs/pipeline.md has examples; docs/pipeline.schema.json is for editors.\n")
	return b.String()
}

func writeHelp(b *strings.Builder, f *field, path string) {
	if path == "" {
		b.WriteString("\nThe top of the file:\n")
	} else {
		b.WriteString("\n" + path + ":\n")
	}
	for i := range f.fields {
		c := &f.fields[i]
		tail := ""
		if c.required {
			tail = ", required"
		} else if c.fallback != "" {
			tail = ", default " + strings.Trim(c.fallback, "()")
		}
		fmt.Fprintf(b, "\n  %s  (%s%s)\n", c.name, strings.ReplaceAll(shape(c), "`", ""), tail)
		b.WriteString(wrapped(strings.ReplaceAll(c.doc, "`", ""), "      ", "      "))
	}
	for i := range f.fields {
		c := &f.fields[i]
		if c.fields == nil {
			continue
		}
		sub := strings.TrimPrefix(path+"."+c.name, ".")
		if c.kind == kindNamed {
			sub += ".NAME"
		}
		writeHelp(b, c, sub)
	}
}

// wrapped breaks text into lines of at most 100 characters.
func wrapped(text, first, rest string) string {
	var b strings.Builder
	line := first
	empty := true
	for _, w := range strings.Fields(text) {
		if !empty && len(line)+1+len(w) > 100 {
			b.WriteString(line + "\n")
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		line += w
		empty = false
	}
	return b.String() + line + "\n"
}

// JSONSchema is the schema for editors, docs/pipeline.schema.json: JSON Schema draft 7, which the YAML
// language server reads.
func JSONSchema() []byte {
	s := object(&root)
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	s["title"] = "Lockstep pipeline"
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic(err) // maps, slices, text and numbers only
	}
	return append(out, '\n')
}

// variable matches a value that the environment completes.
const variable = `\$\{`

func object(f *field) map[string]any {
	properties := map[string]any{}
	required := []string{}
	for i := range f.fields {
		c := &f.fields[i]
		s := jsonSchema(c)
		s["description"] = strings.ReplaceAll(c.doc, "`", "")
		properties[c.name] = s
		if c.required {
			required = append(required, c.name)
		}
	}
	out := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func jsonSchema(f *field) map[string]any {
	orVariable := func(s map[string]any) map[string]any {
		return map[string]any{"anyOf": []any{s, map[string]any{"type": "string", "pattern": variable}}}
	}
	var out map[string]any
	switch f.kind {
	case kindSection:
		out = object(f)
		if f.orTrue {
			out = map[string]any{"anyOf": []any{out, map[string]any{"type": "boolean"}}}
		}
	case kindNamed:
		item := &field{kind: f.item, fields: f.fields}
		out = map[string]any{"type": "object", "additionalProperties": jsonSchema(item), "minProperties": 1}
		switch f.key {
		case kindName:
			out["propertyNames"] = map[string]any{"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
		case kindLabel:
			out["propertyNames"] = map[string]any{"pattern": labelPattern}
		}
	case kindList:
		item := map[string]any{"type": "string"}
		out = map[string]any{"anyOf": []any{map[string]any{"type": "array", "items": item, "minItems": 1, "uniqueItems": true}, item}}
	case kindChoice:
		out = orVariable(map[string]any{"enum": choiceWords(f)})
	case kindBoolean:
		out = orVariable(map[string]any{"type": "boolean"})
	case kindNumber, kindInteger:
		n := map[string]any{"type": "number"}
		if f.kind == kindInteger {
			n["type"] = "integer"
		}
		if f.bounded {
			n["minimum"], n["maximum"] = f.least, f.most
		}
		// Some parsers read 1e-9 as text.
		out = map[string]any{"anyOf": []any{n, map[string]any{"type": "string", "pattern": `^[0-9.]+([eE][-+]?[0-9]+)?$|` + variable}}}
	case kindDuration:
		alternatives := []any{map[string]any{"type": "string", "pattern": `^(0|([0-9]+(\.[0-9]*)?|\.[0-9]+)(d|h|m|s|ms|us))+$`}}
		if f.least == 0 {
			alternatives = append(alternatives, map[string]any{"const": 0})
		}
		if len(f.choices) > 0 {
			alternatives = append(alternatives, map[string]any{"enum": f.choices})
		}
		out = map[string]any{"anyOf": append(alternatives, map[string]any{"type": "string", "pattern": variable})}
	case kindSecret:
		out = map[string]any{"type": "string", "pattern": `^\$\{[A-Za-z_][A-Za-z0-9_]*\}$`}
	case kindURL:
		out = map[string]any{"type": "string", "pattern": "^https?://|" + variable}
	case kindLabel:
		out = map[string]any{"type": "string", "pattern": labelPattern + "|" + variable}
	case kindText:
		out = map[string]any{"type": []string{"string", "number"}}
	default:
		out = map[string]any{"type": "string"}
	}
	if f.fallback != "" && !strings.HasPrefix(f.fallback, "(") && f.kind != kindBoolean {
		out["default"] = f.fallback
	}
	if f.kind == kindBoolean && f.fallback != "" {
		out["default"] = f.fallback == "true"
	}
	return out
}

const labelPattern = "^[A-Za-z0-9][A-Za-z0-9_.-]*$"

// choiceWords are what a choice may be; an editor takes the bare word null for YAML's.
func choiceWords(f *field) []any {
	var words []any
	for _, c := range f.choices {
		words = append(words, c)
	}
	if slices.Contains(f.choices, "null") {
		words = append(words, nil)
	}
	return words
}
