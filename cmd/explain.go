package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/spf13/cobra"

	"github.com/lockstep-data/lockstep/replay/pipeline"
	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/validate"
)

// explainOptions are those of `lockstep explain`.
type explainOptions struct {
	world *world

	file         string
	key          []string
	stream       string
	output       string
	since, until string
	reproduce    string
	format       string
	quiet        bool
}

func newExplain(w *world) *cobra.Command {
	o := &explainOptions{world: w}
	c := &cobra.Command{
		Use:   "explain FILE --key COLUMN=VALUE",
		Short: "Tell the life of one key: arrivals, watermarks, state, look-ups, verdict",
		Long: `Tell the life of a key of the result on both sides: every row of the streams that had a part in it, with its
partition, offset, broker time and event time, how far it was behind its partition's newest, and where the
watermarks stood then; how long it was held; what was looked up; which rows the batch and a correct stream give
for it, made of what; and why they differ.

The pipeline is run over its lake, once as batch and once as stream, with every row's place in the log handed
through. --stream names the output of the stream in question, as lockstep replay --to wrote it.`,
		Example: `  lockstep explain take_rate.yaml --key impression_id=imp-0000000266
  lockstep explain take_rate.yaml --key impression_id=imp-0000000266 --stream out/S --format json`,
		Annotations: exits("0    the key was found, and all sides agree about it\n1    the sides differ, or no side has the key\n2    could not do it: usage, pipeline file, data, input"),
		Args:        exactly(1, "takes one pipeline file"),
		RunE: func(c *cobra.Command, args []string) error {
			o.file = args[0]
			return o.run(c.Context())
		},
	}
	f := c.Flags()
	f.StringArrayVarP(&o.key, "key", "k", nil, "COLUMN=VALUE of the result; repeat for more columns, write NULL for NULL")
	f.StringVar(&o.stream, "stream", "", "the stream's output S (default: only B and B* are told)")
	f.StringVar(&o.output, "output", "", "which of the pipeline's outputs is meant (default: the one that holds every row)")
	f.StringVar(&o.since, "since", "", "earliest event time that is read of the lake")
	f.StringVar(&o.until, "until", "", "event time before which the lake is read")
	f.StringVar(&o.reproduce, "reproduce", "", "a new folder for the least input and pipeline that still show the difference")
	f.StringVar(&o.format, "format", "text", "text or json")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no progress")
	return c
}

// life is what is told, and what `--format json` prints. Fields are only ever added; times are RFC 3339, UTC.
type life struct {
	Version  int               `json:"version"`
	Key      map[string]string `json:"key"`
	Found    bool              `json:"found"`
	Arrivals []arrival         `json:"arrivals"`
	State    []stay            `json:"state"`
	Results  []emission        `json:"results"`
	Verdicts []keyVerdict      `json:"verdicts"`
}

// keyVerdict is one key of the result and who has it.
type keyVerdict struct {
	Key      json.RawMessage `json:"key"`
	Stream   string          `json:"s,omitempty"` // yes or no; "" when S was not given
	Ideal    string          `json:"ideal"`       // of B*
	Batch    string          `json:"batch"`
	Verdict  string          `json:"verdict"` // equal, or what differs
	Cause    string          `json:"cause,omitempty"`
	Evidence string          `json:"evidence,omitempty"`
}

// emission is a row of a result.
type emission struct {
	Result   string           `json:"result"` // B* or B
	Row      json.RawMessage  `json:"row"`
	Key      json.RawMessage  `json:"key"`
	From     []string         `json:"from"`
	Lookups  []emissionLookup `json:"lookups"`
	Earliest string           `json:"earliest,omitempty"` // broker time at which a stream can emit it
	Why      string           `json:"why,omitempty"`
	origin   origin           // what it was made of
}

type emissionLookup struct {
	Table   string `json:"table"`
	Key     string `json:"key"`
	Found   bool   `json:"found"`
	Version string `json:"version,omitempty"`
}

func (o *explainOptions) run(ctx context.Context) error {
	if err := oneOf("--format", o.format, "text", "json"); err != nil {
		return err
	}
	want := map[string]string{}
	for _, k := range o.key {
		name, value, ok := strings.Cut(k, "=")
		if !ok || name == "" {
			return schema.WithHint(fmt.Errorf("--key %q is no COLUMN=VALUE", k), "write --key impression_id=imp-1")
		}
		if was, twice := want[name]; twice && was != value {
			return schema.WithHint(fmt.Errorf("--key names %s twice, as %q and %q", name, was, value), "ask for one row at a time")
		}
		want[name] = value
	}
	if len(want) == 0 {
		return schema.WithHint(errors.New("no key was given"), "name a row of the result: --key impression_id=imp-1")
	}
	checked, err := o.world.loadPipeline(ctx, o.file)
	if err != nil {
		return err
	}
	var names []string
	for _, f := range checked.Plan.Fields {
		names = append(names, f.Name)
	}
	for name := range want {
		if !slices.Contains(names, name) {
			return schema.WithHint(fmt.Errorf("--key %s: the result has no such column", name), "it has "+strings.Join(names, ", "))
		}
	}
	if len(checked.Pipeline.Validate.Key) == 0 {
		return schema.WithHint(fmt.Errorf("%s does not say what the key of its result is", o.file), "add validate: {key: [..]}")
	}
	l, err := o.tell(ctx, checked, want)
	if err != nil {
		return err
	}
	if o.format == "json" {
		err = writeJSON(o.world.stdout, l)
	} else {
		err = l.write(o.world.stdout, o.stream != "")
	}
	if err != nil {
		return err
	}
	for _, v := range l.Verdicts {
		if v.Verdict != "equal" {
			return exitCode(exitNo)
		}
	}
	if !l.Found {
		return exitCode(exitNo)
	}
	return nil
}

func (o *explainOptions) tell(ctx context.Context, checked *pipeline.Checked, want map[string]string) (*life, error) {
	tmp, err := os.MkdirTemp(o.world.env["TMPDIR"], "lockstep-explain-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	v := &validateOptions{world: o.world, file: o.file, left: o.stream, outputName: o.output, lakeSince: o.since, lakeUntil: o.until, quiet: true}
	t := &triangle{validateOptions: v, tmp: tmp, aside: map[logPlace]aside{}, lateBy: map[string][]int64{}}
	t.opts = validate.Options{Env: o.world.env, TempDir: o.world.env["TMPDIR"]}
	if err := v.takeFile(checked, &t.opts); err != nil {
		return nil, err
	}
	if t.trace, err = o.world.newTrace(checked); err != nil {
		return nil, err
	}
	if err := t.sides(ctx, checked.Pipeline); err != nil {
		return nil, err
	}
	if o.stream == "" {
		t.s = validate.Input{Path: t.ownPlace("ideal"), Name: "B*"}
	}
	judged := *t
	t.opts.Time, t.opts.Settle = "", 0 // a row that the other side has not come to is told of too
	if _, err := t.judge(ctx); err != nil {
		return nil, err
	}
	pending := map[string]bool{}
	if judged.opts.Time != "" {
		for k := range t.blame.defects {
			pending[k] = true
		}
		_, err := judged.compare(ctx, t.s, t.ideal, func(d validate.Difference) validate.Known {
			delete(pending, stableKey(d.Key))
			return validate.Known{}
		}, "")
		if err != nil {
			return nil, err
		}
	}
	l := &life{Version: 1, Key: want, Arrivals: []arrival{}, State: []stay{}, Results: []emission{}, Verdicts: []keyVerdict{}}
	e := &explainer{t: t, life: l, want: want, pending: pending}
	if err := e.tell(ctx); err != nil || o.reproduce == "" {
		return l, err
	}
	for _, v := range l.Verdicts {
		if v.Verdict != "equal" {
			return l, t.reproduceKey(ctx, stableKey(v.Key), o.reproduce)
		}
	}
	return l, schema.WithHint(errors.New("all sides agree about the key, so there is nothing to reproduce"), "choose a key that differs; lockstep validate FILE S lists some")
}

// explainer tells a life.
type explainer struct {
	t    *triangle
	life *life
	want map[string]string
	// pending are the keys in which S and B* differ, and that validate does not judge yet.
	pending map[string]bool
}

func (e *explainer) tell(ctx context.Context) error {
	for _, side := range []struct{ result, which string }{{"B*", "ideal"}, {"B", "batch"}} {
		if err := e.results(ctx, side.result, side.which); err != nil {
			return err
		}
	}
	inS := map[string]int{} // rows of each key
	if e.t.left != "" {
		err := e.t.world.sideRows(ctx, e.t.s.Path, func(rec arrow.Record) error {
			return e.matching(rec, func(_ int, key json.RawMessage) error {
				inS[stableKey(key)]++
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	if err := e.verdicts(ctx, inS); err != nil {
		return err
	}
	e.life.Found = len(e.life.Results) > 0 || len(inS) > 0
	return e.arrivals(ctx)
}

// matching calls do for the rows of a record that have the key's values.
func (e *explainer) matching(rec arrow.Record, do func(row int, key json.RawMessage) error) error {
	var names []string
	for n := range e.want {
		names = append(names, n)
	}
	slices.Sort(names)
	parts, err := validate.Keys(rec, names)
	if err != nil {
		return err
	}
	keys, err := validate.Keys(rec, e.t.opts.Key)
	if err != nil {
		return err
	}
	for i := range parts {
		if e.matches(decodeKey(string(parts[i])), nil) {
			if err := do(i, keys[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// matches says whether values are those wanted; names are what the wanted columns are called in values.
func (e *explainer) matches(values map[string]json.RawMessage, names map[string]string) bool {
	for name, want := range e.want {
		if names != nil {
			n, ok := names[name]
			if !ok {
				continue
			}
			name = n
		}
		got := string(values[name])
		var text string
		if json.Unmarshal(values[name], &text) == nil && got != "null" {
			got = text
		} else if got == "null" {
			got = "NULL"
		}
		if stableTime(got) != stableTime(strings.Replace(want, "T", " ", strings.Count(stableTimeProbe(want), "T"))) {
			return false
		}
	}
	return true
}

// stableTimeProbe is a text that is a time with a T, else "".
func stableTimeProbe(s string) string {
	if len(s) >= 19 && s[4] == '-' && s[7] == '-' && s[10] == 'T' {
		return s[10:11]
	}
	return ""
}

func (e *explainer) results(ctx context.Context, result, which string) error {
	return e.t.world.rows(ctx, e.t.ownPlace(which), func(rec arrow.Record) error {
		from := e.t.trace.origins(rec)
		var columns []string
		traced := e.t.trace.columns()
		for _, f := range rec.Schema().Fields() {
			if !slices.Contains(traced, f.Name) {
				columns = append(columns, f.Name)
			}
		}
		return e.matching(rec, func(row int, key json.RawMessage) error {
			whole, err := validate.Keys(rec.NewSlice(int64(row), int64(row)+1), columns)
			if err != nil {
				return err
			}
			x := emission{Result: result, Row: whole[0], Key: key, From: []string{}, Lookups: []emissionLookup{}, origin: from(row)}
			for _, in := range x.origin.inputs {
				x.From = append(x.From, in.logPlace.String())
			}
			for _, l := range x.origin.lookups {
				x.Lookups = append(x.Lookups, emissionLookup{l.table, l.key, l.found, l.version})
			}
			e.life.Results = append(e.life.Results, x)
			return nil
		})
	})
}

// verdicts says of every key who has it, and why not all do.
func (e *explainer) verdicts(ctx context.Context, inS map[string]int) error {
	has := map[string]map[string]int{"B": {}, "B*": {}} // rows of each key
	all := map[string]json.RawMessage{}
	for _, r := range e.life.Results {
		has[r.Result][stableKey(r.Key)]++
		all[stableKey(r.Key)] = r.Key
	}
	for k := range inS {
		if all[k] == nil {
			all[k] = json.RawMessage(k)
		}
	}
	keys := make([]string, 0, len(all))
	for k := range all {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	word := map[bool]string{true: "yes", false: "no"}
	b := e.t.blame
	cells := map[string][]validate.Cell{} // that S and B* have differently
	for _, k := range keys {
		if b.defects[k] == "changed" {
			cells[k] = nil
		}
	}
	if len(cells) > 0 {
		_, err := e.t.compare(ctx, e.t.s, e.t.ideal, func(d validate.Difference) validate.Known {
			if k := stableKey(d.Key); d.Class == "changed" && b.defects[k] == "changed" {
				if _, wanted := cells[k]; wanted {
					cells[k] = d.Cells
				}
			}
			return validate.Known{}
		}, "")
		if err != nil {
			return err
		}
	}
	for _, k := range keys {
		v := keyVerdict{Key: all[k], Ideal: word[has["B*"][k] > 0], Batch: word[has["B"][k] > 0], Verdict: "equal"}
		if e.t.left != "" {
			v.Stream = word[inS[k] > 0]
		}
		class := ""
		var known validate.Known
		twice := max(inS[k], has["B*"][k], has["B"][k]) > 1
		switch {
		case twice: // such rows are not compared
			rows := fmt.Sprintf("in B* %d, in B %d", has["B*"][k], has["B"][k])
			if e.t.left != "" {
				rows = fmt.Sprintf("in S %d, ", inS[k]) + rows
			}
			v.Verdict = "the key is not unique: rows " + rows
		case b.defects[k] != "" && b.defects[k] != "changed":
			class, known = b.defects[k], b.ofDefect(validate.Difference{Class: b.defects[k], Key: all[k]})
			v.Verdict = map[string]string{"only_left": "S has it, B* has not", "only_right": "B* has it, S has not"}[class]
		case b.defects[k] == "changed":
			v.Verdict = "S and B* have it with other values"
			var parts []string
			for i, c := range cells[k] {
				parts = append(parts, fmt.Sprintf("%s is %s in S and %s in B*", c.Column, c.Left, c.Right))
				if x := b.ofDefect(validate.Difference{Class: "changed", Key: all[k], Cells: cells[k], Cell: i}); x.Cause != "" {
					known = x
				}
			}
			known.Evidence = strings.Join(append(parts, known.Evidence), "; ")
		case b.price[k] != "":
			known = b.lateness(k, false)
			v.Verdict = map[string]string{"only_left": "B* has it, B has not", "only_right": "B has it, B* has not", "changed": "B* and B have it with other values"}[b.price[k]]
		}
		if e.pending[k] && known.Cause == "" {
			known = validate.Known{Cause: validate.Pending, Evidence: strings.TrimPrefix(known.Evidence+"; beyond what both sides have come to", "; ")}
		}
		if v.Verdict != "equal" && known.Cause == "" {
			known.Cause = "unexplained"
			if twice || b.defects[k] == "changed" { // values have their causes by column, not by key
				known.Cause = ""
			}
		}
		v.Cause, v.Evidence = known.Cause, strings.TrimSuffix(known.Evidence, "; ")
		e.life.Verdicts = append(e.life.Verdicts, v)
	}
	return nil
}
