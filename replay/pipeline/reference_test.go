package pipeline

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

var update = flag.Bool("update", false, "write docs/pipeline.md and docs/pipeline.schema.json")

func TestDocs(t *testing.T) {
	for path, want := range map[string][]byte{"../../docs/pipeline.md": []byte(Markdown()), "../../docs/pipeline.schema.json": JSONSchema()} {
		if *update {
			if err := os.MkdirAll("../../docs", 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, want, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what fields.go declares (%v): run go test ./replay/pipeline -update, and read the diff", path, err)
		}
	}
}

// Every field has all that the manual promises, and its example and default are taken by Load.
func TestDeclaration(t *testing.T) {
	var walk func(f *field, path string)
	walk = func(f *field, path string) {
		for i := range f.fields {
			c := &f.fields[i]
			at := path + "." + c.name
			if c.doc == "" || c.since == "" || c.example == "" || !strings.HasSuffix(c.doc, ".") && !strings.HasSuffix(c.doc, "t>.") {
				t.Errorf("%s: doc, example or since is missing", at)
			}
			if !strings.HasPrefix(c.example, c.name+":") {
				t.Errorf("%s: the example does not begin with the field", at)
			}
			if c.kind == kindNamed && (c.noun == "" || c.item == "" || c.key == "") || c.kind == kindList && c.item == "" {
				t.Errorf("%s: what it holds is missing", at)
			}
			if c.required && c.fallback != "" {
				t.Errorf("%s: required, and has a default", at)
			}
			for name, text := range map[string]string{"example": c.example, "default": c.name + ": '" + c.fallback + "'"} {
				if name == "default" && (c.fallback == "" || strings.HasPrefix(c.fallback, "(")) {
					continue
				}
				d := &decoder{file: "x", env: map[string]string{"KAFKA_PASSWORD": "x"}}
				parent := &field{kind: kindSection, fields: []field{*c}}
				d.decodeWith(text, parent)
				if len(d.problems) > 0 {
					t.Errorf("%s: its %s has problems:\n%s", at, name, show(d.problems))
				}
			}
			walk(c, at)
		}
	}
	walk(&root, "")
}

// The schema that editors use and Load agree on the sound file, the manual's and on broken ones.
func TestJSONSchemaAgrees(t *testing.T) {
	var s map[string]any
	if err := json.Unmarshal(JSONSchema(), &s); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{sound, whole} {
		if found := valid(s, decoded(t, text), ""); len(found) > 0 {
			t.Errorf("the schema refuses a sound file: %v", found)
		}
		if _, problems := Load("p.yaml", []byte(text), nil); Failed(problems) {
			t.Errorf("Load refuses it:\n%s", show(problems))
		}
	}
	for _, c := range [][2]string{
		{"disorder: 10m\n    id", "disordr: 10m\n    id"}, {"disorder: 10m\n    id", "disorder: 10\n    id"}, {"disorder: 10m\n    id", "disorder: 10 minutes\n    id"},
		{"time: played_at", "tme: played_at"}, {"time: played_at", "time: [a]"}, {"format: json", "format: jsn"}, {"pipeline: take_rate", "name: x"}, {"relative: 1e-9", "relative: 2"}, {"relative: 1e-9", "relative: tiny"},
		{"id: [impression_id]", "id: []"}, {"id: [impression_id]", "id: [a, a]"}, {"brokers: [", "broker: ["}, {"  plays: {", "  _plays: {"}, {"  playbacks:\n", "  play-backs:\n"},
		{`["localhost:9092"]}`, `["localhost:9092"], sasl: {mechanism: PLAIN, user: u, password: hunter2}}`}, {`["localhost:9092"]}`, `["a"], registry: {url: localhost}}`},
	} {
		text := strings.Replace(sound, c[0], c[1], 1)
		if text == sound {
			t.Fatalf("%q is not in the sound file", c[0])
		}
		if len(valid(s, decoded(t, text), "")) == 0 {
			t.Errorf("the schema takes %q", c[1])
		}
		if _, problems := Load("p.yaml", []byte(text), nil); !Failed(problems) {
			t.Errorf("Load takes %q", c[1])
		}
	}
}

func decoded(t *testing.T, text string) any {
	t.Helper()
	j, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(j, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// valid is JSON Schema as far as JSONSchema uses it; an unknown keyword is a failure of its own.
func valid(s map[string]any, v any, at string) (found []string) {
	bad := func(format string, a ...any) { found = append(found, at+": "+fmt.Sprintf(format, a...)) }
	for keyword, want := range s {
		switch keyword {
		case "$schema", "title", "description", "default":
		case "type":
			types, many := want.([]any)
			if !many {
				types = []any{want}
			}
			ok := false
			for _, typ := range types {
				switch x := v.(type) {
				case map[string]any:
					ok = ok || typ == "object"
				case []any:
					ok = ok || typ == "array"
				case string:
					ok = ok || typ == "string"
				case bool:
					ok = ok || typ == "boolean"
				case float64:
					ok = ok || typ == "number" || typ == "integer" && x == float64(int64(x))
				}
			}
			if !ok {
				bad("%T is no %v", v, want)
			}
		case "properties", "additionalProperties":
			m, ok := v.(map[string]any)
			if !ok {
				continue
			}
			properties, _ := s["properties"].(map[string]any)
			for name, x := range m {
				p, declared := properties[name].(map[string]any)
				extra, _ := s["additionalProperties"].(map[string]any)
				switch {
				case declared && keyword == "properties":
					found = append(found, valid(p, x, at+"."+name)...)
				case !declared && keyword == "additionalProperties" && extra != nil:
					found = append(found, valid(extra, x, at+"."+name)...)
				case !declared && keyword == "additionalProperties":
					bad("unknown %s", name)
				}
			}
		case "required":
			if m, ok := v.(map[string]any); ok {
				for _, name := range want.([]any) {
					if _, ok := m[name.(string)]; !ok {
						bad("no %s", name)
					}
				}
			}
		case "minProperties":
			if m, ok := v.(map[string]any); ok && len(m) < int(want.(float64)) {
				bad("empty")
			}
		case "propertyNames":
			if m, ok := v.(map[string]any); ok {
				for name := range m {
					found = append(found, valid(want.(map[string]any), name, at+"."+name)...)
				}
			}
		case "items":
			if a, ok := v.([]any); ok {
				for i, x := range a {
					found = append(found, valid(want.(map[string]any), x, fmt.Sprintf("%s[%d]", at, i))...)
				}
			}
		case "minItems":
			if a, ok := v.([]any); ok && len(a) < int(want.(float64)) {
				bad("empty")
			}
		case "uniqueItems":
			seen := map[any]bool{}
			if a, ok := v.([]any); ok {
				for _, x := range a {
					if seen[x] {
						bad("%v twice", x)
					}
					seen[x] = true
				}
			}
		case "pattern":
			if x, ok := v.(string); ok && !regexp.MustCompile(want.(string)).MatchString(x) {
				bad("%q does not match %s", x, want)
			}
		case "enum":
			ok := false
			for _, x := range want.([]any) {
				ok = ok || reflect.DeepEqual(x, v)
			}
			if !ok {
				bad("%v is none of %v", v, want)
			}
		case "const":
			if !reflect.DeepEqual(want, v) {
				bad("%v is not %v", v, want)
			}
		case "minimum":
			if x, ok := v.(float64); ok && x < want.(float64) {
				bad("%v is less than %v", x, want)
			}
		case "maximum":
			if x, ok := v.(float64); ok && x > want.(float64) {
				bad("%v is more than %v", x, want)
			}
		case "anyOf":
			ok := false
			for _, x := range want.([]any) {
				ok = ok || len(valid(x.(map[string]any), v, at)) == 0
			}
			if !ok {
				bad("%v fits none", v)
			}
		default:
			bad("keyword %s is not checked here", keyword)
		}
	}
	return found
}
