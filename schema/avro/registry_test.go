package avro

import (
	"encoding/base64"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/lockstep-data/lockstep/schema"
)

func dial(t *testing.T, fake *srfake.Registry, user, password string) *Registry {
	t.Helper()
	r, err := Dial([]string{fake.URL()}, user, password)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFrame(t *testing.T) {
	framed := append(AppendFrame(nil, 70000), "abc"...)
	id, rest, err := SplitFrame(framed)
	if id != 70000 || string(rest) != "abc" || err != nil {
		t.Error(id, rest, err)
	}
	for _, bad := range []string{"", "\x00\x00\x00\x01", "\x01\x00\x00\x00\x01a", `{"a":1}`} {
		if _, _, err := SplitFrame([]byte(bad)); err == nil || schema.Hint(err) == "" {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

func TestRegistry(t *testing.T) {
	auth := "Basic " + base64.StdEncoding.EncodeToString([]byte("ann:secret"))
	fake := srfake.New(srfake.WithAuth(auth))
	defer fake.Close()
	var requests atomic.Int32
	fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		requests.Add(1)
		if strings.HasPrefix(r.URL.Path, "/nowhere/") {
			http.NotFound(w, r)
			return true
		}
		if strings.Contains(r.URL.Path, "/narrow-value/versions") {
			w.WriteHeader(http.StatusConflict)
			_, _ = w.Write([]byte(`{"error_code":409,"message":"Schema being registered is incompatible"}`))
			return true
		}
		return false
	})
	r := dial(t, fake, "ann", "secret")
	ctx := t.Context()
	id, err := r.Register(ctx, "plays-value", impressionSchema)
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.Register(ctx, "plays-value", impressionSchema)
	if err != nil || again != id {
		t.Fatal(id, again, err)
	}
	before := requests.Load()
	for range 3 {
		text, err := r.Schema(ctx, id, "plays-value")
		if err != nil {
			t.Fatal(err)
		}
		if fields, err := Fields(text); err != nil || len(fields) != 8 {
			t.Fatal(fields, err)
		}
	}
	if n := requests.Load() - before; n != 1 {
		t.Errorf("%d requests for one id", n)
	}
	text, latest, err := r.Latest(ctx, "plays-value")
	if err != nil || latest != id || text == "" {
		t.Error(text, latest, err)
	}

	for _, c := range []struct {
		err        func() error
		want, hint string
	}{
		{func() error { _, err := r.Schema(ctx, 4711, "plays-value"); return err },
			"schema registry: schema id 4711 of subject plays-value: ", "a schema that this registry does not have"},
		{func() error { _, _, err := r.Latest(ctx, "nobody-value"); return err },
			"schema registry: subject nobody-value: ", "<topic>-value"},
		{func() error { _, err := dial(t, fake, "ann", "wrong").Schema(ctx, id, ""); return err },
			"schema registry: schema id ", "credentials"},
		{func() error { _, err := r.Register(ctx, "narrow-value", one(`"int"`)); return err },
			"schema registry: register at subject narrow-value: ", "incompatible"},
		{func() error {
			away, err := Dial([]string{fake.URL() + "/nowhere"}, "", "")
			if err == nil {
				_, err = away.Schema(ctx, id, "")
			}
			return err
		}, "schema registry: schema id ", "no registry's answer"},
	} {
		err := c.err()
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || !strings.Contains(schema.Hint(err), c.hint) {
			t.Errorf("got %v, hint %q; want %s, %s", err, schema.Hint(err), c.want, c.hint)
		}
		if err != nil && strings.Contains(err.Error(), "wrong") {
			t.Errorf("the password is in %v", err)
		}
	}
	fake.Close()
	if _, err := r.Schema(ctx, id, ""); err != nil {
		t.Errorf("a known id was asked for again: %v", err)
	}
}

// Schemas that one refers to are written out where their names come first.
func TestReferences(t *testing.T) {
	fake := srfake.New()
	defer fake.Close()
	fake.SeedSchema("currency", 1, 2, sr.Schema{Schema: `{"type":"enum","name":"Currency","namespace":"shop","symbols":["EUR","USD"]}`})
	fake.SeedSchema("money", 1, 1, sr.Schema{Schema: `{"type":"record","name":"Money","namespace":"shop","fields":[
		{"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}},{"name":"currency","type":"Currency"}]}`,
		References: []sr.SchemaReference{{Name: "shop.Currency", Subject: "currency", Version: 1}}})
	fake.SeedSchema("bare", 1, 3, sr.Schema{Schema: `{"type":"fixed","name":"Bare","size":2}`})
	fake.SeedSchema("orders-value", 1, 4, sr.Schema{Schema: `{"type":"record","name":"Order","namespace":"orders","fields":[
		{"name":"id","type":"long"},{"name":"price","type":["null","shop.Money"]},{"name":"tax","type":"shop.Money"},
		{"name":"paid","type":{"type":"array","items":"shop.Currency"}},{"name":"bare","type":"Bare"}]}`,
		References: []sr.SchemaReference{{Name: "shop.Money", Subject: "money", Version: 1}, {Name: "Bare", Subject: "bare", Version: 1}}})
	text, err := dial(t, fake, "", "").Schema(t.Context(), 4, "")
	if err != nil {
		t.Fatal(err)
	}
	fields, err := Fields(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	got := schema.Type{Kind: schema.Row, Fields: fields}.String()
	money := "ROW<amount DECIMAL(12,2), currency STRING>"
	if want := "ROW<id BIGINT, price " + money + ", tax " + money + ", paid ARRAY<STRING>, bare BYTES>"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
