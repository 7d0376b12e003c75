package avro

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/lockstep-data/lockstep/schema"
)

// ErrFrame says that a value does not start as a registry's clients write it.
var ErrFrame = errors.New("not in the registry's wire format: wanted a zero byte and four bytes of a schema id")

// SplitFrame takes a value in the registry's wire format apart: a zero byte, the id of the writer's schema in
// four bytes, the Avro record.
func SplitFrame(value []byte) (id int, record []byte, err error) {
	if len(value) < 5 || value[0] != 0 {
		return 0, nil, schema.WithHint(ErrFrame, "if the topic has no registry, give the stream a `schema:` file instead")
	}
	return int(binary.BigEndian.Uint32(value[1:])), value[5:], nil
}

// AppendFrame appends what goes before a record in the registry's wire format.
func AppendFrame(dst []byte, id int) []byte {
	return binary.BigEndian.AppendUint32(append(dst, 0), uint32(id))
}

// Registry fetches writers' schemas by id and keeps them, for ids never change their meaning. It may be used
// by several goroutines.
type Registry struct {
	client *sr.Client
	mu     sync.Mutex
	ids    map[int]string
}

// NewRegistry makes a registry of a client that is set up already: addresses, TLS, credentials
// (sr.BasicAuth, sr.BearerToken).
func NewRegistry(client *sr.Client) *Registry {
	return &Registry{client: client, ids: map[int]string{}}
}

// Dial makes a registry at these addresses; user may be empty. Nothing is sent yet.
func Dial(urls []string, user, password string, opts ...sr.ClientOpt) (*Registry, error) {
	opts = append(opts, sr.URLs(urls...))
	if user != "" {
		opts = append(opts, sr.BasicAuth(user, password))
	}
	client, err := sr.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("schema registry %s: %w", strings.Join(urls, ", "), err)
	}
	return NewRegistry(client), nil
}

// Schema is the schema with this id, complete: schemas that it refers to are written out in it. subject is
// for the error alone; "" if unknown. A failure is not kept, so a later call asks again.
func (r *Registry) Schema(ctx context.Context, id int, subject string) (string, error) {
	r.mu.Lock()
	text, ok := r.ids[id]
	r.mu.Unlock()
	if ok {
		return text, nil
	}
	s, err := r.client.SchemaByID(ctx, id)
	if err == nil {
		text, err = r.whole(ctx, s)
	}
	if err != nil {
		where := fmt.Sprintf("schema id %d", id)
		if subject != "" {
			where += " of subject " + subject
		}
		return "", r.explain(where, err, "the value names a schema that this registry does not have: check that it is the registry the producer used")
	}
	r.mu.Lock()
	r.ids[id] = text
	r.mu.Unlock()
	return text, nil
}

// Latest is the newest schema of a subject, complete, and its id.
func (r *Registry) Latest(ctx context.Context, subject string) (text string, id int, err error) {
	s, err := r.client.SchemaByVersion(ctx, subject, -1)
	if err == nil {
		text, err = r.whole(ctx, s.Schema)
	}
	if err != nil {
		return "", 0, r.explain("subject "+subject, err, "subjects are usually named <topic>-value")
	}
	return text, s.ID, nil
}

// Register gives a schema to a subject and returns its id; one that is there already keeps its id.
func (r *Registry) Register(ctx context.Context, subject, text string) (id int, err error) {
	id, err = r.client.RegisterSchema(ctx, subject, sr.Schema{Schema: text}, -1, -1)
	if err != nil {
		return 0, r.explain("register at subject "+subject, err, "the registry knows no such subject, or does not allow new ones")
	}
	return id, nil
}

// IsUnknown says whether err is a registry's word that it has no such subject, version or schema. A 404 without one
// of its codes, 40401 to 40403, is that of an address where no registry is.
func IsUnknown(err error) bool {
	var re *sr.ResponseError
	return errors.As(err, &re) && re.StatusCode == http.StatusNotFound && re.ErrorCode/100 == http.StatusNotFound
}

func (r *Registry) explain(where string, err error, unknown string) error {
	err = fmt.Errorf("schema registry: %s: %w", where, err)
	var re *sr.ResponseError
	if !errors.As(err, &re) {
		return schema.WithHint(err, "is the registry running, and is its address right?")
	}
	switch re.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return schema.WithHint(err, "the registry refused the credentials")
	case http.StatusNotFound:
		if !IsUnknown(err) {
			unknown = "that is no registry's answer: its address may lack a path, as /apis/ccompat/v7"
		}
		return schema.WithHint(err, unknown)
	case http.StatusConflict, http.StatusUnprocessableEntity:
		return schema.WithHint(err, "the registry finds the schema incompatible with those before: take another subject, or change the subject's compatibility")
	}
	return err
}

// maxReferences bounds how many schemas one may refer to, directly or not.
const maxReferences = 200

// whole writes the schemas that s refers to into it, each where its name comes first.
func (r *Registry) whole(ctx context.Context, s sr.Schema) (string, error) {
	if s.Type != sr.TypeAvro {
		return "", fmt.Errorf("is of type %s, not Avro", s.Type)
	}
	if len(s.References) == 0 {
		return s.Schema, nil
	}
	in := inliner{defs: map[string]any{}, done: map[string]bool{}}
	seen := map[string]bool{}
	var fetch func(refs []sr.SchemaReference) error
	fetch = func(refs []sr.SchemaReference) error {
		for _, ref := range refs {
			key := fmt.Sprintf("%s/%d", ref.Subject, ref.Version)
			if seen[key] {
				continue
			}
			seen[key] = true
			if len(seen) > maxReferences {
				return fmt.Errorf("refers to more than %d schemas", maxReferences)
			}
			got, err := r.client.SchemaByVersion(ctx, ref.Subject, ref.Version)
			if err != nil {
				return fmt.Errorf("reference %s: %w", ref.Name, err)
			}
			def, err := decodeJSON([]byte(got.Schema.Schema))
			if err != nil {
				return fmt.Errorf("reference %s: %w", ref.Name, err)
			}
			in.defs[definedName(def, ref.Name)] = def
			if err := fetch(got.Schema.References); err != nil {
				return err
			}
		}
		return nil
	}
	if err := fetch(s.References); err != nil {
		return "", err
	}
	root, err := decodeJSON([]byte(s.Schema))
	if err != nil {
		return "", err
	}
	out, err := json.Marshal(in.typ(root, ""))
	return string(out), err
}

func decodeJSON(b []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber() // a default keeps its digits
	err = dec.Decode(&v)
	return v, err
}

func definedName(def any, otherwise string) string {
	if o, ok := def.(map[string]any); ok {
		if name, _ := o["name"].(string); name != "" {
			space, _ := o["namespace"].(string)
			return fullName(name, space)
		}
	}
	return otherwise
}

// inliner replaces the first mention of a referenced name by its definition.
type inliner struct {
	defs map[string]any
	done map[string]bool
}

func (in *inliner) typ(v any, space string) any {
	switch x := v.(type) {
	case string:
		name := fullName(x, space)
		def, ok := in.defs[name]
		if !ok {
			name = x
			def, ok = in.defs[x]
		}
		if !ok || in.done[name] {
			return x
		}
		in.done[name] = true
		def = in.typ(def, "")
		// Within another namespace a name without one would be taken into it.
		if o, isObject := def.(map[string]any); isObject && o["name"] != nil && o["namespace"] == nil {
			o["namespace"] = ""
		}
		return def
	case []any:
		for i := range x {
			x[i] = in.typ(x[i], space)
		}
	case map[string]any:
		if ns, ok := x["namespace"].(string); ok {
			space = ns
		}
		if name, _ := x["name"].(string); strings.Contains(name, ".") {
			space = name[:strings.LastIndexByte(name, '.')]
		}
		for _, part := range []string{"type", "items", "values"} {
			if x[part] != nil {
				x[part] = in.typ(x[part], space)
			}
		}
		fields, _ := x["fields"].([]any)
		for _, f := range fields {
			if o, ok := f.(map[string]any); ok && o["type"] != nil {
				o["type"] = in.typ(o["type"], space)
			}
		}
	}
	return v
}
