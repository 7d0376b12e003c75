package expr

import (
	"strings"
	"testing"

	"github.com/lockstep-data/lockstep/schema"
)

// js is JSON_VALUE; kind may be left out, and so may the defaults.
func js(text any, path string, options ...any) x {
	return x{args: []any{text}, make: func(n []*Node) (*Node, error) {
		var returning *schema.Type
		var d [2]JSONDefault
		k := 0
		for _, o := range options {
			switch o := o.(type) {
			case schema.Type:
				returning = &o
			case JSONDefault:
				d[k] = o
				k++
			}
		}
		return JSONValue(n[0], path, returning, d[0], d[1])
	}}
}

func def(v any) JSONDefault { l := typedOf(v); return JSONDefault{Value: Literal(l.v, l.t)} }

func TestFact33JSON(t *testing.T) {
	fail := JSONDefault{Error: true}
	doc := `{"a": {"b": [1, {"k": "v"}, 1.50]}, "t": true, "n": null, "e": 1e3, "z": -0.0, "s": "q\"\u00e9\ud83d\ude00\n", "i": 5, "d": 5.0, "d": 6.5, "é": 1, "big": 12345678901}`
	check(t, []fact{
		{js(doc, "$.a.b[0]"), "1", "STRING"},
		{js(doc, "$.a.b[1].k"), "v", ""},
		{js(doc, "$.a.b[1]['k']"), "v", ""},
		{js(doc, "$['a']['b'][2]"), "1.50", ""},
		{js(doc, "$.a.b[-1]"), "1.50", ""},
		{js(doc, "$.a.b[-4]"), "NULL", ""},
		{js(doc, "$.é"), "1", ""},
		{js(doc, "$.a"), "NULL", ""},
		{js(doc, "$.a.b"), "NULL", ""},
		{js(doc, "$.n"), "NULL", ""},
		{js(doc, "$.t"), "true", ""},
		{js(doc, "$.e"), "1E+3", ""},
		{js(doc, "$.z"), "0.0", ""},
		{js(doc, "$.d"), "6.5", ""},
		{js(doc, "$.s"), "q\"é😀\n", ""},
		{js(`{"a":0.0000001}`, "$.a"), "1E-7", ""},
		{js(`{"a":0.000001}`, "$.a"), "0.000001", ""},
		{js(`{"a":12.5e-1}`, "$.a"), "1.25", ""},
		{js(`7`, "$"), "7", ""},
		{js(`{"a":1} x`, "$.a"), "1", ""},
		{js(`{"a":1`, "$.a"), "NULL", ""},
		{js(`{"a":01}`, "$.a"), "NULL", ""},
		{js(`{"a":1,}`, "$.a"), "NULL", ""},
		{js(`{'a':1}`, "$.a"), "NULL", ""},
		{js("{\"a\":\"\t\"}", "$.a"), "NULL", ""},
		{js(`{"a":tru}`, "$.a"), "NULL", ""},
		{js(``, "$.a"), "NULL", ""},
		{js(`x`, "$.a", def("e"), def("r")), "r", ""},
		{js(doc, "$.none", def("empty"), JSONDefault{}), "NULL", ""},
		{js(doc, "$.none", def("empty"), def("error")), "error", ""},
		{js(doc, "lax $.none", def("empty"), def("error")), "empty", ""},
		{js(doc, "LAX $.a", def("empty"), def("error")), "empty", ""},
		{js(doc, "strict $.none", def("empty"), def("error")), "error", ""},
		{js(doc, "strict $.none", JSONDefault{}, fail), "!nothing at the path", ""},
		{js(doc, "lax $.none", fail, JSONDefault{}), "!nothing at the path", ""},
		{js(null(tString), "$.a", def("empty"), def("error")), "NULL", ""},
		{js(doc, "$.t", tBool), "TRUE", "BOOLEAN"},
		{js(doc, "$.i", tInt), "5", "INT"},
		{js(doc, "$.i", tBig), "5", "BIGINT"},
		{js(doc, "$.big", tBig), "12345678901", "BIGINT"},
		{js(doc, "$.big", tInt), "NULL", ""},
		{js(doc, "$.d", tDouble), "6.5", "DOUBLE"},
		{js(doc, "$.i", tDouble), "NULL", ""},
		{js(`{"a":"5"}`, "$.a", tInt), "NULL", ""},
		{js(`{"a":1.0}`, "$.a", tInt), "NULL", ""},
		{js(`{"a":"5"}`, "$.a", tInt, JSONDefault{}, def(-1)), "-1", ""},
		{js(`{"a":"5"}`, "$.a", tInt, JSONDefault{}, fail), "!another type", ""},
		{js(doc, "$.a.*"), "!not supported", ""},
		{js(doc, "$..a"), "!..", ""},
		{js(doc, "$.a[last]"), "!not supported", ""},
		{js(doc, "$.a[?(@.x)]"), "!not supported", ""},
		{js(doc, "a"), "!does not begin with $", ""},
		{js(doc, "$.i", tDec(5, 2)), "!does not return", ""},
		{js(5, "$.i"), "!takes text", ""},
		{js(strings.Repeat("[", 5000), "$.a"), "NULL", ""},
	})
}
