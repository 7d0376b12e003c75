package sql

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/schema"
)

var (
	tBool   = schema.Type{Kind: schema.Boolean}
	tInt    = schema.Type{Kind: schema.Int}
	tBig    = schema.Type{Kind: schema.BigInt}
	tDouble = schema.Type{Kind: schema.Double}
	tText   = schema.Type{Kind: schema.String}
	tTime   = schema.Type{Kind: schema.Timestamp, Precision: 6}
	tMillis = schema.Type{Kind: schema.Timestamp, Precision: 3}
	tDate   = schema.Type{Kind: schema.Date}
)

func decimal(p, s int) schema.Type { return schema.Type{Kind: schema.Decimal, Precision: p, Scale: s} }

func fields(parts ...any) []schema.Field {
	var out []schema.Field
	for i := 0; i < len(parts); i += 2 {
		out = append(out, schema.Field{Name: parts[i].(string), Type: parts[i+1].(schema.Type)})
	}
	return out
}

// testCatalog is the streaming service of the design, and a stream and a table with every kind of column.
func testCatalog() Catalog {
	address := schema.Type{Kind: schema.Row, Fields: fields("city", tText, "geo", schema.Type{Kind: schema.Row, Fields: fields("lat", tDouble)})}
	numbers := schema.Type{Kind: schema.Array, Elem: &tInt}
	return Catalog{
		Streams: map[string]Relation{
			"impressions": {Fields: fields("impression_id", tText, "profile_id", tBig, "title_id", tBig, "shown_at", tTime, "device_id", tInt, "rank", tInt, "Country", tText), Time: "shown_at"},
			"playbacks":   {Fields: fields("playback_id", tText, "profile_id", tBig, "title_id", tInt, "played_at", tTime, "duration_ms", tBig, "device", tText), Time: "played_at"},
			"ratings":     {Fields: fields("profile_id", tBig, "title_id", tBig, "rated_at", tMillis, "stars", tInt), Time: "rated_at"},
			"mixed": {Fields: fields("i", tInt, "l", tBig, "d", tDouble, "f", schema.Type{Kind: schema.Float}, "dec1", decimal(12, 2), "dec2", decimal(38, 30), "s", tText, "b", tBool, "dt", tDate, "ts", tTime,
				"j", tText, "addr", address, "nums", numbers), Time: "ts"},
		},
		Tables: map[string]Relation{
			"customers": {Fields: fields("customer_id", tBig, "plan", tText, "valid_from", tTime), Key: []string{"customer_id"}, Versions: "valid_from"},
			"devices":   {Fields: fields("device_id", tInt, "family", tText, "year", tInt), Key: []string{"device_id"}},
			"titles":    {Fields: fields("title_id", tBig, "country", tText, "name", tText), Key: []string{"title_id", "country"}},
			"rates":     {Fields: fields("rate", decimal(10, 2), "label", tText), Key: []string{"rate"}},
		},
	}
}

// compile is Compile for queries that must be right.
func compile(t *testing.T, query string) *Plan {
	t.Helper()
	p, problems := Compile(query, testCatalog())
	if broken(problems) {
		t.Fatalf("%s\n%s", query, listed(problems))
	}
	return p
}

func listed(problems []Problem) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&b, "%s | %s\n", p, p.Hint)
	}
	return b.String()
}

// want checks problems against lines of "line:column: part of the message | part of the hint".
func want(t *testing.T, query string, problems []Problem, lines ...string) {
	t.Helper()
	if len(problems) != len(lines) {
		t.Errorf("%s\ngot %d problems:\n%swant %d:\n%s", query, len(problems), listed(problems), len(lines), strings.Join(lines, "\n"))
		return
	}
	for i, line := range lines {
		message, hint, _ := strings.Cut(line, " | ")
		at, text, _ := strings.Cut(message, ": ")
		p := problems[i]
		if got := fmt.Sprintf("%d:%d", p.Line, p.Column); got != at || !strings.Contains(p.Message, text) || !strings.Contains(p.Hint, hint) {
			t.Errorf("%s\n got: %s | %s\nwant: %s", query, p, p.Hint, line)
		}
	}
}

func walk(n Node, visit func(Node)) {
	visit(n)
	for _, in := range Inputs(n) {
		walk(in, visit)
	}
}

func theJoin(t *testing.T, p *Plan) *Join {
	t.Helper()
	var out *Join
	walk(p.Root, func(n Node) {
		if j, ok := n.(*Join); ok && out == nil {
			out = j
		}
	})
	if out == nil {
		t.Fatalf("no join in\n%s", p)
	}
	return out
}

// checkPlan finds references to columns that are not there, or are of another type.
func checkPlan(t *testing.T, p *Plan) {
	t.Helper()
	check := func(what string, e *expr.Node, fields []schema.Field) {
		var down func(e *expr.Node)
		down = func(e *expr.Node) {
			if e.Op == "column" {
				if e.Index < 0 || e.Index >= len(fields) || !fields[e.Index].Type.Equal(e.Type) || !strings.HasSuffix("."+e.Name, "."+fields[e.Index].Name) {
					t.Errorf("%s: column %d %s %s is not in %v\n%s", what, e.Index, e.Name, e.Type, fields, p)
				}
			}
			for _, a := range e.Args {
				down(a)
			}
		}
		if e != nil {
			down(e)
		}
	}
	checkAll := func(what string, es []*expr.Node, fields []schema.Field) {
		for _, e := range es {
			check(what, e, fields)
		}
	}
	walk(p.Root, func(n Node) {
		switch n := n.(type) {
		case *Scan:
			check("scan", n.Filter, n.Fields())
			if n.Filter != nil && n.Filter.CanFail() {
				t.Errorf("a pushed filter can fail\n%s", p)
			}
		case *Join:
			both := append(append([]schema.Field{}, n.Left.Fields()...), n.Right.Fields()...)
			checkAll("left key", n.LeftKeys, n.Left.Fields())
			checkAll("right key", n.RightKeys, n.Right.Fields())
			check("on", n.On, both)
			for i := range n.LeftKeys {
				if l, r := n.LeftKeys[i].Type, n.RightKeys[i].Type; l.Arrow().String() != r.Arrow().String() {
					t.Errorf("key %d: %s and %s\n%s", i, l, r, p)
				}
			}
		case *Lookup:
			both := append(append([]schema.Field{}, n.Input.Fields()...), n.TableFields()...)
			checkAll("key", n.Keys, n.Input.Fields())
			check("as of", n.AsOf, n.Input.Fields())
			check("on", n.On, both)
		case *Filter:
			check("filter", n.Where, n.Input.Fields())
		case *Group:
			in := n.Input.Fields()
			for _, a := range n.Aggs {
				for _, c := range []int{a.Arg, a.Filter, a.Order} {
					if c < -1 || c >= len(in) {
						t.Errorf("%s: column %d is not in %v", a.Func, c, in)
					}
				}
				if a.Filter >= 0 && in[a.Filter].Type.Kind != schema.Boolean || a.Order >= 0 && in[a.Order].Type.Kind != schema.Timestamp {
					t.Errorf("%s: filter %d and order %d of %v", a.Func, a.Filter, a.Order, in)
				}
			}
			if n.Time >= 0 && in[n.Time].Type.Kind != schema.Timestamp || n.Keys > len(in) {
				t.Errorf("time %d and %d keys of %v", n.Time, n.Keys, in)
			}
		case *Rank:
			in := n.Input.Fields()
			for i, f := range n.Fields()[:n.Carry] {
				if !f.Type.Equal(in[i].Type) {
					t.Errorf("column %d is %s below and %s above", i, in[i].Type, f.Type)
				}
			}
		case *Project:
			checkAll("project", n.Exprs, n.Input.Fields())
		}
	})
}

const takeRate = `
SELECT i.impression_id, i.profile_id, i.title_id, i.shown_at, c.plan, d.family,
       p.playback_id, p.duration_ms,
       CASE WHEN p.duration_ms >= 120000 THEN 'play' WHEN p.playback_id IS NOT NULL THEN 'peek' END AS outcome
FROM impressions i
LEFT JOIN playbacks p
  ON p.profile_id = i.profile_id AND p.title_id = i.title_id
 AND p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '4' HOUR
LEFT JOIN customers FOR SYSTEM_TIME AS OF i.shown_at AS c ON c.customer_id = i.profile_id    -- versioned
LEFT JOIN devices d ON d.device_id = i.device_id
`

func TestPlanOfTheDesign(t *testing.T) {
	p, problems := Compile(takeRate, testCatalog())
	want(t, takeRate, problems)
	checkPlan(t, p)
	const tree = `project
  . i.impression_id STRING
  . i.profile_id BIGINT
  . i.title_id BIGINT
  . i.shown_at TIMESTAMP(6)
  . c.plan STRING
  . d.family STRING
  . p.playback_id STRING
  . p.duration_ms BIGINT
  . outcome STRING = CASE WHEN p.duration_ms >= 120000 THEN 'play' WHEN p.playback_id IS NOT NULL THEN 'peek' END
  left lookup devices as d (family)
    . key d.device_id = i.device_id
    left lookup customers as c (plan)
      . key c.customer_id = i.profile_id
      . as of i.shown_at
      left join within [0s, 4h]
        . key i.profile_id = p.profile_id
        . key i.title_id = CAST(p.title_id AS BIGINT)
        scan impressions as i (impression_id, profile_id, title_id, shown_at, device_id)
        scan playbacks as p (playback_id, profile_id, title_id, duration_ms)
`
	if got := p.String(); got != tree {
		t.Errorf("got\n%s\nwant\n%s", got, tree)
	}
}
