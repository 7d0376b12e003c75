package cmd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-data/lockstep/replay/lake"
	"github.com/lockstep-data/lockstep/replay/pipeline"
	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/validate"
)

// triangle compares a stream's output S with the batch B and with B*, what a correct stream must give: S against
// B* shows defects, B* against B what lateness costs, S against B the total. Both are run here over the lake, with a
// trace, so that late rows can be named; B and B* of the user's own take their place in the comparisons.
type triangle struct {
	*validateOptions
	opts    validate.Options
	trace   *trace
	output  string
	tmp     string
	staged  string // --out until the report is whole
	s       validate.Input
	base    string // S's run, "" when it is no folder of ours
	batch   validate.Input
	ideal   validate.Input
	aside   map[logPlace]aside // what S itself set aside
	blame   *blame
	lateBy  map[string][]int64 // lateness by stream
	lateAll int64
}

// aside is a row that S set aside.
type aside struct{ folder, reason string }

// triangleResult is what `--format json` prints. Fields are only ever added.
type triangleResult struct {
	Version int              `json:"version"`
	Verdict validate.Verdict `json:"verdict"` // of S against B*
	Output  string           `json:"output"`
	// Sentence says in words what the three comparisons show.
	Sentence  string           `json:"sentence"`
	Explained explained        `json:"explained"`
	Late      []lateStream     `json:"late"`
	Defects   *validate.Result `json:"defects"` // S, B*
	Price     *validate.Result `json:"price"`   // B*, B
	Total     *validate.Result `json:"total"`   // S, B
	Seconds   float64          `json:"seconds"`
}

// explained counts the rows of the total that late rows explain.
type explained struct {
	Late    int64 `json:"late"`    // rows of the total put down to late rows
	Named   int64 `json:"named"`   // of these, those whose late rows are named
	Unnamed int64 `json:"unnamed"` // and those whose are not
	Other   int64 `json:"other"`   // put down to something else
	Rest    int64 `json:"unexplained"`
}

// lateStream is what another disorder would have cost.
type lateStream struct {
	Stream   string `json:"stream"`
	Late     int64  `json:"late"`
	Disorder string `json:"disorder"`
	// Least is the least disorder with which no row would have been late; "" when none was.
	Least string      `json:"least_disorder"`
	Curve []latePoint `json:"curve"`
}

// latePoint says how many rows are late with a disorder.
type latePoint struct {
	Disorder string `json:"disorder"`
	Late     int64  `json:"late"`
}

// triangulate is `validate FILE S`.
func (o *validateOptions) triangulate(ctx context.Context, opts validate.Options, checked *pipeline.Checked, fail failOn) error {
	switch {
	case opts.NoKey || opts.MatchDuplicates:
		return schema.WithHint(errors.New("three results are compared by a key that is unique"), "name it under validate: key in the pipeline file, without --no-key and --match-duplicates")
	case o.guessKey:
		return schema.WithHint(errors.New("--guess-key looks at two sides"), "write lockstep validate LEFT RIGHT --guess-key")
	case len(opts.Key) == 0:
		return schema.WithHint(fmt.Errorf("%s does not say what the key of its result is", o.file), "add validate: {key: [..]}, or give --key")
	case len(opts.Rename) > 0:
		return schema.WithHint(errors.New("three results have the query's names"), "leave --rename out and name the columns in the query with AS")
	}
	tmp, err := os.MkdirTemp(o.world.env["TMPDIR"], "lockstep-triangle-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	t := &triangle{validateOptions: o, opts: opts, tmp: tmp, aside: map[logPlace]aside{}, lateBy: map[string][]int64{}}
	if t.trace, err = o.world.newTrace(checked); err != nil {
		return err
	}
	if err := o.setBounds(ctx, &t.opts, o.left); err != nil {
		return err
	}
	if t.out != "" {
		if t.staged, err = validate.StageReport(t.out); err != nil {
			return err
		}
		defer os.RemoveAll(t.staged)
	}
	start := o.world.now()
	if err := t.sides(ctx, checked.Pipeline); err != nil {
		return err
	}
	show := newProgress(o.world, "validate", o.quiet)
	defer show.Done()
	t.opts.Progress = o.progress(show)
	res, err := t.judge(ctx)
	if err != nil {
		return err
	}
	show.Done()
	if err := fail.check(res.Defects); err != nil {
		return err
	}
	res.Seconds = o.world.now().Sub(start).Round(time.Millisecond).Seconds()
	if err := t.write(res, res.gate(fail.unexplained)); err != nil {
		return err
	}
	if t.reproduceTo != "" {
		if err := t.reproduceFirst(ctx); err != nil {
			return err
		}
	}
	if code := fail.exit(res.Defects); code != exitOK {
		return exitCode(code)
	}
	if fail.unexplained && res.Total.Unexplained.Rows > 0 {
		return exitCode(exitNo)
	}
	return nil
}

// gate is what a build is told it passes or fails by: the defects, and what is unexplained in the total where that fails it.
func (r *triangleResult) gate(unexplained bool) *validate.Result {
	if !unexplained || r.Total.Unexplained.Rows <= r.Defects.Unexplained.Rows {
		return r.Defects
	}
	g := *r.Defects
	g.Unexplained = r.Total.Unexplained
	return &g
}

// reproduceFirst reproduces the first key that differs and that the lake's rows give, a defect before what lateness
// costs.
func (t *triangle) reproduceFirst(ctx context.Context) error {
	for _, keys := range []map[string]string{t.blame.defects, t.blame.price} {
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if len(t.blame.batch.byKey[key])+len(t.blame.ideal.byKey[key]) > 0 {
				return t.reproduceKey(ctx, key, t.reproduceTo)
			}
		}
	}
	if len(t.blame.defects) > 0 {
		t.world.tell("only S has the keys that differ, so no row of the lake reproduces them")
		return nil
	}
	t.world.tell("nothing differs, so there is nothing to reproduce")
	return nil
}

// reproduceKey writes a reproducer and says so.
func (t *triangle) reproduceKey(ctx context.Context, key, dir string) error {
	n, err := t.reproduce(ctx, key, dir)
	if err == nil {
		fmt.Fprintf(t.world.stderr, "lockstep: %s shows it with %s: %s\n", dir, count(n, "row"), key)
	}
	return err
}

// sides finds S, the output that is meant, and what S set aside.
func (t *triangle) sides(ctx context.Context, p *pipeline.Pipeline) error {
	place := strings.TrimRight(t.left, "/")
	w := t.world
	var manifest *lake.Manifest
	if !isTopic(place) {
		manifest, t.base = w.manifestNear(ctx, place)
	}
	var err error
	if t.output, err = t.chooseOutput(p, outputFolder(p, place)); err != nil {
		return err
	}
	folder := cmp.Or(t.output, "rows")
	if isTopic(t.left) {
		if t.s, err = spoolTopic(ctx, w, t.left, p, t.tmp); err != nil {
			return err
		}
		t.s.Name = cmp.Or(t.leftName, "S")
	} else {
		t.s = validate.Input{Path: t.left, Name: cmp.Or(t.leftName, "S")}
	}
	if t.base == place {
		t.s.Path = place + "/" + folder
	}
	if err := t.readAside(ctx, manifest); err != nil {
		return err
	}
	mine := func(given, own, name string) validate.Input {
		if given == "" {
			return validate.Input{Path: t.ownPlace(own), Name: name}
		}
		given = strings.TrimRight(given, "/")
		if _, err := lake.ReadManifest(ctx, given, w.env); err == nil {
			given += "/" + folder
		}
		return validate.Input{Path: given, Name: name}
	}
	t.batch, t.ideal = mine(t.batchPlace, "batch", "B"), mine(t.idealPlace, "ideal", "B*")
	return nil
}

// outputFolder is what of a place may name an output: its folder, or the output whose topic it is.
func outputFolder(p *pipeline.Pipeline, place string) string {
	u, err := url.Parse(place)
	if err != nil || !isTopic(place) {
		return path.Base(filepath.ToSlash(place))
	}
	topic := strings.Trim(u.Path, "/")
	for _, o := range p.Outputs {
		if o.Kafka != nil && o.Kafka.Topic == topic {
			return o.Name
		}
	}
	return topic
}

// ownPlace is where the rows lie that were run here.
func (t *triangle) ownPlace(which string) string { return filepath.Join(t.tmp, which, "rows") }

// chooseOutput is the output that S is: the one named, the one whose folder S is, or the one that holds every row.
func (t *triangle) chooseOutput(p *pipeline.Pipeline, folder string) (string, error) {
	var names []string
	whole := ""
	for _, o := range p.Outputs {
		names = append(names, o.Name)
		if o.Where == "" && whole == "" {
			whole = o.Name
		}
	}
	switch {
	case t.outputName != "" && !slices.Contains(names, t.outputName):
		return "", schema.WithHint(fmt.Errorf("--output %s: the pipeline has no such output", t.outputName), "it has "+strings.Join(names, ", "))
	case t.outputName != "":
		return t.outputName, nil
	case len(names) == 0:
		return "", nil
	case slices.Contains(names, folder):
		return folder, nil
	case whole != "":
		return whole, nil
	case len(names) == 1:
		return names[0], nil
	}
	return "", schema.WithHint(fmt.Errorf("which output is %s?", t.left), "name it with --output: "+strings.Join(names, ", "))
}

// readAside reads the places of the rows that S set aside.
func (t *triangle) readAside(ctx context.Context, m *lake.Manifest) error {
	if t.base == "" || m == nil {
		return nil
	}
	seen := map[string]bool{}
	for _, f := range m.Files {
		folder, stream, ok := strings.Cut(f.Output, "/")
		if !ok || folder[0] != '_' || seen[f.Output] {
			continue
		}
		seen[f.Output] = true
		err := t.world.setAside(ctx, t.base+"/"+f.Output, stream, "_partition", "_offset", func(r asideRow) {
			t.aside[r.logPlace] = aside{folder, r.reason}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// judge runs what has to be run, compares, finds out why, and compares again with the reasons.
func (t *triangle) judge(ctx context.Context) (*triangleResult, error) {
	if err := t.runBoth(ctx); err != nil {
		return nil, err
	}
	t.blame = newBlame(t)
	price, err := t.compare(ctx, t.ideal, t.batch, t.blame.collect(t.blame.price), "")
	if err != nil {
		return nil, err
	}
	defects, err := t.compare(ctx, t.s, t.ideal, t.blame.collectDefects, "")
	if err != nil {
		return nil, err
	}
	if t.idealPlace != "" || t.batchPlace != "" {
		t.blame.ours = map[string]bool{}
		_, err := t.compare(ctx, validate.Input{Path: t.ownPlace("ideal")}, validate.Input{Path: t.ownPlace("batch")}, t.blame.collectOurs, "")
		if err != nil {
			return nil, err
		}
		maps.DeleteFunc(t.blame.price, func(key, class string) bool { return !t.blame.ours[key+"\x00"+class] })
	}
	if err := t.blame.read(ctx); err != nil {
		return nil, err
	}
	if defects.Verdict != validate.Equal || t.out != "" {
		if defects, err = t.compare(ctx, t.s, t.ideal, t.blame.ofDefect, "defects"); err != nil {
			return nil, err
		}
	}
	if price.Verdict != validate.Equal || t.out != "" {
		if price, err = t.compare(ctx, t.ideal, t.batch, t.blame.ofPrice, "price"); err != nil {
			return nil, err
		}
	}
	t.blame.named, t.blame.unnamed = 0, 0
	total, err := t.compare(ctx, t.s, t.batch, t.blame.ofTotal, "total")
	if err != nil {
		return nil, err
	}
	res := &triangleResult{Version: 1, Verdict: defects.Verdict, Output: t.output, Defects: defects, Price: price, Total: total, Late: t.lateStreams()}
	res.Explained = explained{Named: t.blame.named, Unnamed: t.blame.unnamed, Late: t.blame.named + t.blame.unnamed, Rest: total.Unexplained.Rows}
	n := total.Rows
	res.Explained.Other = n.Changed + n.OnlyLeft + n.OnlyRight - res.Explained.Late - res.Explained.Rest
	res.Sentence = t.sentence(res)
	return res, nil
}

func (t *triangle) runBoth(ctx context.Context) error {
	t.trace.since, t.trace.until = t.lakeSince, t.lakeUntil
	t.trace.decisions = ""
	if t.base != "" {
		t.trace.decisions = t.base
	}
	if err := t.trace.run(ctx, "stream", t.output, filepath.Join(t.tmp, "ideal"), nil); err != nil {
		return fmt.Errorf("run B*: %w", err)
	}
	t.trace.decisions = ""
	if err := t.trace.run(ctx, "batch", t.output, filepath.Join(t.tmp, "batch"), nil); err != nil {
		return fmt.Errorf("run B: %w", err)
	}
	return nil
}

// compare is one side of the triangle; name is its folder in the report.
func (t *triangle) compare(ctx context.Context, left, right validate.Input, known func(validate.Difference) validate.Known, name string) (*validate.Result, error) {
	opts := t.opts
	left.Watermark, right.Watermark = opts.Left.Watermark, opts.Right.Watermark
	opts.Left, opts.Right, opts.Known, opts.Out = left, right, known, ""
	opts.Exclude = slices.Clone(opts.Exclude)
	if t.own(left) || t.own(right) { // no other side has the trace's columns
		opts.Exclude = append(opts.Exclude, t.trace.columns()...)
	}
	if t.own(left) && t.own(right) { // columns that the user's sides have beyond the query's are not there
		lacks := func(name string) bool {
			return !slices.ContainsFunc(t.trace.checked.Plan.Fields, func(f schema.Field) bool {
				rest, ok := strings.CutPrefix(name, f.Name)
				return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
			})
		}
		opts.Exclude = slices.DeleteFunc(opts.Exclude, lacks)
		opts.Tolerances = slices.DeleteFunc(slices.Clone(opts.Tolerances), func(tol validate.Tolerance) bool { return lacks(tol.Column) })
	}
	if t.staged != "" && name != "" {
		opts.Out = filepath.Join(t.staged, name)
	}
	return validate.Run(ctx, opts)
}

// own says whether a side was run here.
func (t *triangle) own(in validate.Input) bool {
	return in.Path == t.ownPlace("ideal") || in.Path == t.ownPlace("batch")
}

// lateStreams says what another disorder would have cost. Lateness is counted from the disorder that was, and late
// rows move no newest time, so a row is late with d more exactly when its lateness is more than d.
func (t *triangle) lateStreams() []lateStream {
	out := []lateStream{}
	for _, s := range t.trace.plain.Pipeline.Streams {
		l := lateStream{Stream: s.Name, Late: int64(len(t.lateBy[s.Name])), Disorder: short(s.Disorder), Curve: []latePoint{}}
		by := t.lateBy[s.Name]
		slices.Sort(by)
		if n := len(by); n > 0 {
			for _, share := range []float64{0, 0.5, 0.75, 0.9, 0.95, 0.99, 1} {
				k := int(share * float64(n))
				d := s.Disorder
				if k > 0 {
					d += time.Duration(by[k-1]) * time.Microsecond
				}
				if d > time.Second { // nobody writes microseconds into a pipeline file
					d = (d + time.Second - 1).Truncate(time.Second)
				}
				rest, _ := slices.BinarySearch(by, (d-s.Disorder).Microseconds()+1)
				p := latePoint{short(d), int64(n - rest)}
				if len(l.Curve) == 0 || l.Curve[len(l.Curve)-1] != p {
					l.Curve = append(l.Curve, p)
				}
			}
			l.Least = l.Curve[len(l.Curve)-1].Disorder
		}
		out = append(out, l)
	}
	return out
}

func (t *triangle) sentence(r *triangleResult) string {
	n := r.Total.Rows
	total := n.Changed + n.OnlyLeft + n.OnlyRight
	var s string
	switch r.Verdict {
	case validate.Equal:
		s = "S is what a correct stream gives, row for row"
	case validate.Different:
		d := r.Defects.Rows
		s = fmt.Sprintf("%s of S are not what a correct stream gives", count(int(d.Changed+d.OnlyLeft+d.OnlyRight), "row"))
	case validate.BrokenKeys:
		return "keys are not unique, so rows cannot be told apart"
	default:
		return "nothing was left to judge"
	}
	switch {
	case total == 0:
		s += "; it equals the batch too"
	case r.Explained.Late == total && r.Explained.Unnamed == 0:
		s += fmt.Sprintf("; it differs from the batch in %s, each explained by late rows that are named", count(int(total), "row"))
	default:
		s += fmt.Sprintf("; of %s that differ from the batch %d are explained by late rows (%d of them named), %d by other causes, %d not at all",
			count(int(total), "row"), r.Explained.Late, r.Explained.Named, r.Explained.Other, r.Explained.Rest)
	}
	if t.base == "" {
		s += ". S was not made by lockstep: B* is, from the lake, by the law; a difference is a defect of S or a rule of its own"
	}
	return s + "."
}

// stableKey is a key as both the judge and a trace write it: sides may differ in a time's unit and zone.
func stableKey(key json.RawMessage) string {
	var b strings.Builder
	s := string(key)
	for {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			return b.String() + s
		}
		j := i + 1
		for s[j] != '"' {
			if s[j] == '\\' {
				j++
			}
			j++
		}
		b.WriteString(s[:i+1])
		b.WriteString(stableTime(s[i+1 : j]))
		b.WriteByte('"')
		s = s[j+1:]
	}
}

// stableTime writes a time without zeros at its end and without its zone; other text is left alone.
func stableTime(s string) string {
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || s[10] != ' ' || s[13] != ':' || s[16] != ':' {
		return s
	}
	s = strings.TrimSuffix(s, "Z")
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// asideRow is a row of a side output.
type asideRow struct {
	logPlace
	reason   string
	lateness int64 // microseconds; -1 where it does not apply
	time     int64 // replay.NoTime where it has none
	id       string
}
