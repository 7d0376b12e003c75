package pipeline

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/lockstep-data/lockstep/schema"
)

// scalar takes a value written as text, a number or a boolean, expands variables and checks it by kind.
func (d *decoder) scalar(n, written ast.Node, f *field, v *value) {
	tok := n.GetToken()
	raw := tok.Value
	switch x := n.(type) {
	case *ast.StringNode:
		raw = x.Value
	case *ast.LiteralNode:
		raw = x.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode, *ast.NullNode:
	case *ast.BoolNode:
		_, tagged := written.(*ast.TagNode)
		if f.kind != kindBoolean && !tagged {
			v.broken = true
			d.problem(v.val, fmt.Sprintf("%s is %s, not %s", v.name, kindWords(f), described(n)), "write "+sample(f)+`; text that looks like true or false needs quotes`)
			return
		}
	default:
		v.broken = true
		d.problem(v.val, fmt.Sprintf("%s is %s, not %s", v.name, kindWords(f), described(n)), "write "+sample(f))
		return
	}
	if f.kind == kindSecret && !isVariable(raw) {
		v.broken = true
		d.problem(v.val, v.name+" is written out in the file", "write "+sample(f)+" and set that variable, or password_file: FILE")
		return
	}
	before := len(d.problems)
	v.text = d.source.locate(tok, raw)
	if tok.Type == token.LiteralType || tok.Type == token.FoldedType {
		v.text.text = raw
	}
	v.text = expand(v.text, d.env, d.problem)
	if len(d.problems) > before {
		v.broken = true
		return
	}
	if hint, message := d.check(f, v, n); message != "" {
		v.broken = true
		at := v.text.start
		if tok.Type == token.SingleQuoteType || tok.Type == token.DoubleQuoteType {
			at = tokenPosition(tok)
		}
		d.problem(at, message, hint)
	}
}

func isVariable(s string) bool {
	inner, ok := strings.CutPrefix(s, "${")
	inner, closed := strings.CutSuffix(inner, "}")
	return ok && closed && isName(inner)
}

func kindWords(f *field) string {
	switch f.kind {
	case kindChoice:
		return "one of " + strings.Join(f.choices, ", ")
	case kindText, kindPath, kindLabel, kindName, kindURL, kindSecret:
		return "text"
	case kindBoolean:
		return "true or false"
	case kindInteger:
		return "a whole number"
	case kindQuery:
		return "a query"
	case kindExpression:
		return "an expression"
	}
	return "a " + string(f.kind)
}

// check reads a scalar's text as its kind; a message says what is wrong with it.
func (d *decoder) check(f *field, v *value, n ast.Node) (hint, message string) {
	s := v.text.text
	trimmed := strings.TrimSpace(s)
	if trimmed == "" && f.name != "null_as" {
		return "write " + sample(f) + ", or leave the line out", v.name + " is empty"
	}
	switch f.kind {
	case kindLabel:
		if !isLabel(s) {
			return "write letters, digits, _ and -, a letter or digit first, at most 200", fmt.Sprintf("%s: %q is no name", v.name, clip(s))
		}
	case kindPath:
		if scheme, _, ok := strings.Cut(s, "://"); ok && scheme != "s3" && scheme != "file" {
			return "write a path, file:// or s3:// (for another S3-compatible server set AWS_ENDPOINT_URL)", fmt.Sprintf("%s: %s:// cannot be read", v.name, clip(scheme))
		}
		if rest, ok := strings.CutPrefix(s, "s3://"); ok && (rest == "" || rest[0] == '/') {
			return "write s3://bucket/path", fmt.Sprintf("%s: %s has no bucket", v.name, clip(s))
		}
		if strings.ContainsRune(s, 0) {
			return "write " + sample(f), fmt.Sprintf("%s: a path holds no NUL", v.name)
		}
	case kindURL:
		rest, ok := strings.CutPrefix(s, "http://")
		if !ok {
			rest, ok = strings.CutPrefix(s, "https://")
		}
		if !ok || rest == "" {
			return "write " + sample(f), fmt.Sprintf("%s: %q is no http address", v.name, clip(s))
		}
		if host, _, _ := strings.Cut(rest, "/"); strings.Contains(host, "@") {
			return "write user and password: ${VAR} beside it", v.name + " has a user in it"
		}
	case kindChoice:
		for _, c := range f.choices {
			if c == s {
				return "", ""
			}
		}
		hint := "write " + strings.Join(f.choices, ", ")
		if near := nearest(s, f.choices); near != "" {
			hint = "write " + f.name + ": " + near
		}
		return hint, fmt.Sprintf("%s: %q is not one of %s", v.name, clip(s), strings.Join(f.choices, ", "))
	case kindBoolean:
		v.flag = trimmed == "true"
		if !v.flag && trimmed != "false" {
			return "write " + f.name + ": true, or leave it out", fmt.Sprintf("%s is true or false, not %s", v.name, described(n))
		}
	case kindNumber, kindInteger:
		x, err := strconv.ParseFloat(trimmed, 64)
		if err != nil || math.IsNaN(x) || (f.kind == kindInteger && x != math.Trunc(x)) {
			return "write " + sample(f), fmt.Sprintf("%s is %s, not %q", v.name, kindWords(&field{kind: f.kind}), clip(s))
		}
		if f.bounded && (x < f.least || x > f.most) {
			return "write " + sample(f), fmt.Sprintf("%s: %s is not between %s and %s", v.name, trimmed, plainNumber(f.least), plainNumber(f.most))
		}
		v.number = x
	case kindDuration:
		for _, word := range f.choices {
			if s == word {
				return "", ""
			}
		}
		dur, err := ParseDuration(trimmed)
		if err != nil {
			hint := schema.Hint(err)
			if len(f.choices) > 0 {
				hint += ", or " + strings.Join(f.choices, " or ")
			}
			return hint, fmt.Sprintf("%s: %v", v.name, err)
		}
		if sec := dur.Seconds(); f.bounded && (sec < f.least || sec > f.most) {
			hint := "write " + sample(f)
			if len(f.choices) > 0 {
				hint += ", or " + strings.Join(f.choices, " or ")
			}
			return hint, fmt.Sprintf("%s: %s is not between %s and 36500d", v.name, trimmed, formatDuration(time.Duration(f.least*1e9)))
		}
		v.duration = dur
	case kindType:
		t, err := schema.ParseType(s)
		if err != nil {
			return schema.Hint(err), fmt.Sprintf("%s: %v", v.name, err)
		}
		v.typ = t
	}
	return "", ""
}

func plainNumber(x float64) string {
	return strconv.FormatFloat(x, 'g', -1, 64)
}
