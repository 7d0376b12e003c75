package validate

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutants are judges that are broken on purpose, each in the way of a tool that says "equal" about data that differs,
// or the other way round. A tree with any of them must fail the tests of this package:
//
//	go test ./validate -run TestMutants -mutants -timeout 60m
//
// In every other run the test only sees to it that each mutation still finds its place.
var mutants = []struct{ name, file, old, new string }{
	{"copies of a row cancel each other", "entries.go", "		if f != i { // chain: the first keeps the number of the last copy\n			m.other[i] = m.other[f]\n			m.other[f] = int32(i)\n", "		if f != i {\n			m.dup[i], m.dup[f] = true, true\n"},
	{"one seed for all columns: values swap unseen", "vec.go", "h.lo = mix64(uint64(column)*2 + 1 + salt<<32)", "h.lo = mix64(salt)"},
	{"hashes of 16 bits", "vec.go", "	return lo, hi + 1\n}\n\n// scramble", "	return lo >> 48, lo >> 48\n}\n\n// scramble"},
	{"one value is hashed as NULL", "vec.go", "	return lo, hi + 1\n", "	return lo, hi\n"},
	{"text is trimmed before it is hashed", "vec.go", "	n := len(b)\n	var x, y", "	b = []byte(trimmed(b))\n	n := len(b)\n	var x, y"},
	{"long text is cut", "vec.go", "u := xxh3.Hash128Seed(b, h.lo)", "u := xxh3.Hash128Seed(b[:min(len(b), 256)], h.lo)"},
	{"NULL is hashed as zero", "vec.go", "			if ok {\n				l, g := seeds.word(uint64(v.i64[j]))", "			if !ok {\n				l, g := seeds.word(0)\n				lo[r] += l\n				hi[r] += g\n			}\n			if ok {\n				l, g := seeds.word(uint64(v.i64[j]))"},
	{"NULL is hashed as empty text", "vec.go", "			continue\n		}\n		j++\n		to := v.offs[j]", "			l, g := h.value(0, nil)\n			lo[r] += l\n			hi[r] += g\n			continue\n		}\n		j++\n		to := v.offs[j]"},
	{"-0.0 is 0.0", "canon.go", "	return int64(math.Float64bits(f))\n", "	return int64(math.Float64bits(f + 0))\n"},
	{"every NaN is another", "canon.go", "	if f != f {\n		return nanBits\n	}\n", ""},
	{"inner join: rows of one side alone are not marked", "probe.go", "				if c[i]&matched == 0 {", "				if false {"},
	{"parts of a range on disk are matched with others", "entries.go", "into[int(c[0]>>low2)&(parts-1)]", "into[(int(c[0]>>low2)+len(e.parts[p].extents))&(parts-1)]"},
	{"inner join, the other side", "probe.go", "		case o == nil:\n			b.differs(place)", "		case o == nil:"},
	{"the last of several rows of a key wins", "probe.go", "		case o[w-1]&matched != 0: //", "		case false: //"},
	{"an earlier match of a duplicate stays a match", "probe.go", "				b.out.equal--\n", ""},
	{"duplicates of the indexed side are not seen", "probe.go", "					x.copied(e, o)\n", ""},
	{"a twin that occurs twice stays a match", "probe.go", "		x.out.equal--\n		x.marks[1-x.first].set(place)\n", ""},
	{"twins without a key are forgotten on the side that is not read", "twins.go", "			copy(r.marks[1-first].units[u], r.marks[first].units[u])\n", ""},
	{"half of the row's hash is compared", "probe.go", "		case o[k] == x[k] && o[k+1] == x[k+1]:", "		case uint16(o[k]) == uint16(x[k]):"},
	{"columns of the sketch that agree are not read", "second.go", "		if len(cols) < len(r.cols) && (j.needAll || j.sum != r.match.sum || j.pairs != r.match.pairs) {", "		if false {"},
	{"a key that is NULL as a whole is a row like others", "rowhash.go", "if w.noKey[i] || w.r.forceAll {", "if w.r.forceAll {"},
	{"rows of a block are taken for those of the next", "rowhash.go", "			if err := w.probe.flush(); err != nil { // rows of", "			if err := error(nil); err != nil { // rows of"},
	{"integers are compared as floats", "convert.go", "			i, err := strconv.ParseInt(string(b), 10, d.bits)\n			if err != nil {\n				return 0, nil, bad(b)\n			}\n			return i, nil, nil", "			f, err := strconv.ParseFloat(string(b), 64)\n			if err != nil {\n				return 0, nil, bad(b)\n			}\n			return int64(f), nil, nil"},
	{"numbers keep 15 digits", "canon.go", "	if len(digits) == 0 {\n		return append(dst, 1), nil\n	}\n", "	if len(digits) > 15 {\n		exp, digits = exp+len(digits)-15, digits[:15]\n	}\n	if len(digits) == 0 {\n		return append(dst, 1), nil\n	}\n"},
	{"scales of decimals are not looked at", "convert.go", "				return i * by, nil, nil\n			}, nil\n		}\n		return no()\n	case kTime:", "				return i, nil, nil\n			}, nil\n		}\n		return no()\n	case kTime:"},
	{"timestamps are compared to the second", "canon.go", "	return binary.BigEndian.AppendUint32(dst, uint32(rem*(1e9/per)))", "	return binary.BigEndian.AppendUint32(dst, 0*uint32(rem*(1e9/per)))"},
	{"float32 is compared with float64", "types.go", "			return refuse(\"a short binary fraction with a long one\")", "			return typ{kind: kFloat, bits: 64}"},
	{"map keys in the order of the file", "canon.go", "	sort.Slice(entries, func(i, j int) bool { return bytes.Compare(entries[i], entries[j]) < 0 })\n", "	_ = sort.Slice\n"},
	{"composite keys are glued", "canon.go", "		return append(append(dst, b...), 0, 1)", "		return append(dst, b...)"},
	{"columns are named without regard to case", "plan.go", "	for _, c := range s.cols {\n		if c.name == name {\n			return c.typ, true", "	for _, c := range s.cols {\n		if strings.EqualFold(c.name, name) {\n			return c.typ, true"},
	{"columns of one side are passed over", "plan.go", "Text: \"a column that only the left side has\", Different: true})", "Text: \"a column that only the left side has\"})"},
	{"a tolerance nobody asked for", "jury.go", "		if !ok && col.tol != nil {", "		if !ok && col.common.kind == kFloat && x[0] == 1 && y[0] == 1 && bytes.Equal(x[:8], y[:8]) {\n			continue\n		}\n		if !ok && col.tol != nil {"},
	{"a tolerance without an absolute value", "tolerance.go", "	d.Abs(d)\n	if t.abs != nil", "	if t.abs != nil"},
	{"both sides empty are equal", "jury.go", "	case judged == 0:\n		res.Verdict = Inconclusive\n", "	case judged < 0:\n"},
	{"rows in flight count", "run.go", "			if r.end != nil && r.end.before(t) {", "			if false {"},
	{"the end of an interval belongs to it", "run.go", "!t.before(*r.until)", "r.until.before(t)"},
	{"ranges on disk are forgotten", "entries.go", "	for _, x := range part.extents {", "	for _, x := range part.extents[:0] {"},
	{"a page's checksum is not looked at", "parquet_pages.go", "if h.CRC != 0 && crc32", "if false && crc32"},
	{"a column may end before its row group does", "parquet.go", "	if err == io.EOF && at != n {", "	if false {"},
	{"twins whose rows do not count alike", "twins.go", "	read, seen := r.scopeWants(), map", "	read, seen := []want(nil), map"},
	{"as: passes all that has its type already", "tolerance.go", "		return false, nil\n	}\n	var s1, s2 []byte", "		return t.asTyp != nil, nil\n	}\n	var s1, s2 []byte"},
	{"a list ends with its first element", "parquet_nested.go", "c.rep() < r.maxRep", "c.rep() <= r.maxRep"},
	{"NULL in a list takes the next value with it", "parquet_nested.go", "	if c.def() == c.node.maxDef {\n		c.packed++\n	}\n", "	c.packed++\n"},
	{"a page's last levels are not read", "parquet_pages.go", "have := min(count*8,", "have := min(count*8-1,"},
	{"twins by size alone", "twins.go", "		if !bytes.Equal(x[:size], y[:size]) {", "		if false && !bytes.Equal(x[:size], y[:size]) {"},
}

var runMutants = flag.Bool("mutants", false, "run the tests of this package against each broken judge")

func TestMutants(t *testing.T) {
	for _, m := range mutants {
		text, err := os.ReadFile(m.file)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), m.old); n != 1 {
			t.Errorf("%s: its place is %d times in %s; a change there belongs into the list of mutants too", m.name, n, m.file)
		}
	}
	if !*runMutants || t.Failed() {
		return
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			text, err := os.ReadFile(m.file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			broken := filepath.Join(dir, m.file)
			source := strings.Replace(string(text), m.old, m.new, 1)
			if strings.Contains(m.new, "trimmed(") {
				source += "\nfunc trimmed(b []byte) string { s := string(b); for len(s) > 0 && s[len(s)-1] == ' ' { s = s[:len(s)-1] }; return s }\n"
			}
			if err := os.WriteFile(broken, []byte(source), 0o644); err != nil {
				t.Fatal(err)
			}
			whole, err := filepath.Abs(m.file)
			if err != nil {
				t.Fatal(err)
			}
			overlay, err := json.Marshal(map[string]map[string]string{"Replace": {whole: broken}})
			if err != nil {
				t.Fatal(err)
			}
			list := filepath.Join(dir, "overlay.json")
			if err := os.WriteFile(list, overlay, 0o644); err != nil {
				t.Fatal(err)
			}
			c := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-overlay", list, "-run", "Trap|Obvious|However|ManyRows|TestCellsKeep|Checksum|Twins|Window|Sketch|Footers|NullIsNo|AsTolerates", "-failfast", "-rapid.nofailfile", "-rapid.checks=40", ".")
			out, err := c.CombinedOutput()
			if err == nil {
				t.Errorf("survives:\n%s", out)
			}
			if strings.Contains(string(out), "[build failed]") {
				t.Errorf("is no program:\n%s", out)
			}
			first := "(a panic)"
			for _, line := range strings.Split(string(out), "\n") {
				if name, ok := strings.CutPrefix(line, "--- FAIL: "); ok {
					first = name
					break
				}
			}
			t.Logf("killed by %s", first)
		})
	}
}
