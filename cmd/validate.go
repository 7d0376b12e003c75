package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lockstep-data/lockstep/replay/pipeline"
	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/validate"
)

type validateOptions struct {
	world *world

	file              string
	left, right       string
	leftName          string
	rightName         string
	batchPlace        string
	idealPlace        string
	outputName        string
	lakeSince         string
	lakeUntil         string
	reproduceTo       string
	key               []string
	noKey             bool
	matchDuplicates   bool
	guessKey          bool
	columns           []string
	exclude           []string
	rename            []string
	where             string
	time              string
	since, until      string
	settle            time.Duration
	settleGiven       bool
	watermark         string
	offsets           []string
	tolerance         []string
	allowUncomparable bool
	paranoid          bool
	failOn            []string
	failOnGiven       bool
	memory            string
	parallelism       int
	examples          int
	patterns          bool
	out               string
	format            string
	all               bool
	quiet             bool
}

func newValidate(w *world) *cobra.Command {
	o := &validateOptions{world: w}
	c := &cobra.Command{
		Use:   "validate [FILE] LEFT RIGHT [--key COLUMN | --no-key]",
		Short: "Compare two outputs and say exactly where they differ",
		Long: `Compare two sets of rows: Parquet, CSV, NDJSON or Arrow files, folders, globs, s3:// or - for standard input, or
a topic as kafka://broker/topic?format=avro&schema=FILE, read to the offsets that are its last at the start.

Nothing is tolerated unless asked for. Rows are matched by --key; keys that occur twice or are NULL as a whole
are a verdict of their own. With a pipeline FILE its validate: section gives key, time and tolerances; flags win.`,
		Example: `  lockstep validate batch.parquet stream/ --key event_id
  lockstep validate a.csv b.parquet --key id,day --tolerance total=abs:0.01
  lockstep validate old/ new/ --no-key --format json`,
		Annotations: exits("0    equal\n1    different\n2    could not compare: usage, files, types that are not compared\n3    inconclusive: nothing left to judge\n4    broken keys: duplicates, or keys that are all NULL\n130  interrupted; nothing half-written is left"),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 3 {
				return nil
			}
			if err := exactly(2, "takes two sides, and a pipeline file before them if there is one")(c, args); err != nil {
				return o.fail(err)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			o.failOnGiven, o.settleGiven = c.Flags().Changed("fail-on"), c.Flags().Changed("settle")
			switch {
			case len(args) == 3:
				o.file, o.left, o.right = args[0], args[1], args[2]
			case isPipelineFile(args[0]):
				o.file, o.left = args[0], args[1]
			default:
				o.left, o.right = args[0], args[1]
			}
			return o.run(c)
		},
	}
	f := c.Flags()
	f.StringArrayVarP(&o.key, "key", "k", nil, "columns that identify a row; repeat, or separate by commas")
	f.BoolVar(&o.noKey, "no-key", false, "compare whole rows as multisets")
	f.BoolVar(&o.matchDuplicates, "match-duplicates", false, "compare the rows of each key as a multiset")
	f.BoolVar(&o.guessKey, "guess-key", false, "propose keys that are unique on both sides, and compare nothing")
	f.StringSliceVar(&o.columns, "columns", nil, "compare these columns alone")
	f.StringSliceVar(&o.exclude, "exclude", nil, "leave these columns out")
	f.StringSliceVar(&o.rename, "rename", nil, "left=right: what a column of the left is called on the right")
	f.StringVar(&o.where, "where", "", "compare the rows for which this holds, such as \"country = 'DE' AND qty > 1\"")
	f.StringVar(&o.time, "time", "", "time column: rows later than the other side's latest are pending")
	f.StringVar(&o.since, "since", "", "earliest time")
	f.StringVar(&o.until, "until", "", "time before which rows count")
	f.Var((*duration)(&o.settle), "settle", "how long before the latest time rows may still change")
	f.StringVar(&o.watermark, "watermark", "", "with --time: rows from this time on are pending, instead of those later than the other side's latest; or manifest: what lockstep replay noted in the sides; or checkpoint:PLACE[#STREAM]: where a run's outputs, or a stream, had come at its newest checkpoint")
	f.StringSliceVar(&o.offsets, "offsets", nil, "rows from these PARTITION:OFFSET on are pending, by _partition and _offset; or manifest: what lockstep capture noted in the sides")
	f.StringArrayVar(&o.tolerance, "tolerance", nil, "COL=WORD[:X][,WORD..]: abs:0.01 rel:1e-9 ulp:2 decimals:2 within:1s null_as:'' trim case unordered as:double ignore")
	f.BoolVar(&o.allowUncomparable, "allow-uncomparable", false, "go on without columns that cannot be compared; the sides are different then")
	f.BoolVar(&o.paranoid, "paranoid", false, "compare every cell; let no hash decide anything")
	f.StringSliceVar(&o.failOn, "fail-on", []string{"any"}, "exit 1 on: any, unexplained, rate>0.01%, COLUMN:rate>0.1%")
	f.StringVar(&o.memory, "memory", "1GiB", "memory for rows; beyond it goes to disk (least: 16MiB)")
	f.IntVar(&o.parallelism, "parallelism", 0, "readers (default: processors)")
	f.IntVar(&o.examples, "examples", 5, "examples of each class")
	f.BoolVar(&o.patterns, "patterns", false, "say which values the rows that differ have more often than others, and when they are (always with --out)")
	f.StringVar(&o.out, "out", "", "folder for the report's files")
	f.StringVar(&o.format, "format", "text", "text, json, markdown, junit, html or github (annotations, and the step's summary)")
	f.BoolVar(&o.all, "all", false, "list every column, not only those that differ")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no progress")
	f.StringVar(&o.batchPlace, "batch", "", "with FILE and one side S: the batch B (default: it is run over the lake)")
	f.StringVar(&o.idealPlace, "ideal", "", "with FILE and one side S: B*, what a correct stream must give (default: it is run over the lake)")
	f.StringVar(&o.outputName, "output", "", "with FILE and one side S: which of the pipeline's outputs it is")
	f.StringVar(&o.lakeSince, "lake-since", "", "with FILE and one side S: earliest event time that is read of the lake")
	f.StringVar(&o.lakeUntil, "lake-until", "", "with FILE and one side S: event time before which the lake is read")
	f.StringVar(&o.reproduceTo, "reproduce", "", "with FILE and one side S: a new folder for the least input and pipeline that show the first mismatch")
	f.StringVar(&o.leftName, "left-name", "", "what reports call the left side")
	f.StringVar(&o.rightName, "right-name", "", "what reports call the right side")
	return c
}

func (o *validateOptions) run(c *cobra.Command) error {
	// One Ctrl-C is enough: the judge has nothing to finish but its own temporary files.
	soft, hard := o.world.interrupts(c.Context())
	ctx, cancel := context.WithCancelCause(hard)
	defer cancel(nil)
	go func() {
		select {
		case <-soft:
			cancel(errInterrupted)
		case <-ctx.Done():
		}
	}()
	err := o.judge(ctx)
	if err != nil && context.Cause(ctx) == errInterrupted {
		o.world.report(errInterrupted, "")
		return exitCode(exitInterrupted)
	}
	return err
}

var errInterrupted = errors.New("interrupted")

func (o *validateOptions) judge(ctx context.Context) error {
	opts, err := o.options()
	var checked *pipeline.Checked
	if err == nil && o.file != "" {
		checked, err = o.fromFile(ctx, &opts)
		if code := exitCode(0); errors.As(err, &code) {
			return err // its problems are on stderr
		}
	}
	if err != nil {
		return o.fail(err)
	}
	where := "--fail-on"
	if checked != nil && !o.failOnGiven && len(checked.Pipeline.Validate.FailOn) > 0 {
		o.failOn, where = checked.Pipeline.Validate.FailOn, o.file+": fail_on"
	}
	fail, err := parseFailOn(where, o.failOn)
	if err != nil {
		return o.fail(err)
	}
	// The heap is large arrays without pointers: collecting often costs little and keeps the peak near what is held.
	defer debug.SetGCPercent(debug.SetGCPercent(25))
	if checked != nil && o.right == "" {
		if err := o.triangulate(ctx, opts, checked, fail); err != nil {
			if code := exitCode(0); errors.As(err, &code) {
				return err
			}
			return o.fail(err)
		}
		return nil
	}
	for _, f := range [][2]string{{"batch", o.batchPlace}, {"ideal", o.idealPlace}, {"output", o.outputName}, {"lake-since", o.lakeSince}, {"lake-until", o.lakeUntil}, {"reproduce", o.reproduceTo}} {
		if f[1] != "" {
			return o.fail(schema.WithHint(fmt.Errorf("--%s goes with three results: a pipeline file and one side", f[0]), "write lockstep validate FILE S --"+f[0]+" .., or leave it out"))
		}
	}
	if err := o.setBounds(ctx, &opts, o.left, o.right); err != nil {
		return o.fail(err)
	}
	var file *pipeline.Pipeline
	if checked != nil {
		file = checked.Pipeline
	}
	closeTopics, err := o.openTopics(ctx, &opts, file)
	if err != nil {
		return o.fail(err)
	}
	defer closeTopics()
	show := newProgress(o.world, "validate", o.quiet)
	defer show.Done()
	opts.Progress = o.progress(show)
	start := o.world.now()
	if o.guessKey {
		guess, err := validate.GuessKey(ctx, opts)
		if err != nil {
			return o.fail(err)
		}
		return o.writeGuess(guess)
	}
	res, err := validate.Run(ctx, opts)
	if err != nil {
		return o.fail(err)
	}
	show.Done()
	if err := fail.check(res); err != nil {
		return o.fail(err)
	}
	res.Seconds = o.world.now().Sub(start).Round(time.Millisecond).Seconds()
	if err := o.write(res); err != nil {
		return o.fail(err)
	}
	if code := fail.exit(res); code != exitOK {
		return exitCode(code)
	}
	return nil
}

func (o *validateOptions) options() (validate.Options, error) {
	w := o.world
	opts := validate.Options{
		Left:  validate.Input{Path: o.left, Name: o.leftName},
		Right: validate.Input{Path: o.right, Name: o.rightName},
		Key:   o.key, NoKey: o.noKey, MatchDuplicates: o.matchDuplicates, Columns: o.columns, Exclude: o.exclude,
		Where: o.where, Time: o.time, Since: o.since, Until: o.until, Settle: o.settle,
		AllowUncomparable: o.allowUncomparable, Paranoid: o.paranoid, Parallelism: o.parallelism, Examples: o.examples,
		Patterns: o.patterns || o.out != "" || o.format == "html", Page: o.format == "html",
		Out: o.out, TempDir: w.env["TMPDIR"], Env: w.env,
	}
	if o.left == "-" && o.right == "-" {
		return opts, schema.WithHint(errors.New("both sides are standard input"), "give one side as a file")
	}
	if o.left == "-" {
		opts.Left.Reader = w.stdin
	}
	if o.right == "-" {
		opts.Right.Reader = w.stdin
	}
	err := oneOf("--format", o.format, "text", "json", "markdown", "junit", "html", "github")
	if err != nil {
		return opts, err
	}
	if o.parallelism < 0 || o.examples < 0 {
		return opts, schema.WithHint(fmt.Errorf("--parallelism %d, --examples %d: one is negative", o.parallelism, o.examples), "leave out --parallelism for all processors; --examples 0 shows none")
	}
	if opts.Memory, err = parseBytes(o.memory); err != nil {
		return opts, schema.WithHint(fmt.Errorf("--memory: %w", err), "write 512MiB or 2GiB")
	}
	for _, r := range o.rename {
		l, name, ok := strings.Cut(r, "=")
		if !ok || l == "" || name == "" {
			return opts, schema.WithHint(fmt.Errorf("--rename %q is not left=right", r), "write --rename total=amount")
		}
		if opts.Rename == nil {
			opts.Rename = map[string]string{}
		}
		opts.Rename[l] = name
	}
	given := map[string]bool{}
	for _, s := range o.tolerance {
		t, err := validate.ParseTolerance(s)
		if err != nil {
			return opts, err
		}
		if given[t.Column] {
			return opts, schema.WithHint(fmt.Errorf("--tolerance names the column %q twice", t.Column), "write its words together: --tolerance "+t.Column+"=trim,case")
		}
		given[t.Column] = true
		opts.Tolerances = append(opts.Tolerances, t)
	}
	return opts, nil
}

// fromFile takes what flags leave open from the pipeline file's validate: section.
func (o *validateOptions) fromFile(ctx context.Context, opts *validate.Options) (*pipeline.Checked, error) {
	checked, err := o.world.loadPipeline(ctx, o.file)
	if err != nil {
		return nil, err
	}
	return checked, o.takeFile(checked, opts)
}

// takeFile is fromFile for a file that was read.
func (o *validateOptions) takeFile(checked *pipeline.Checked, opts *validate.Options) error {
	v := checked.Pipeline.Validate
	if len(opts.Key) == 0 && !opts.NoKey {
		opts.Key = v.Key
	}
	if v.Time != "" && (opts.Time == "" || opts.Time == v.Time) {
		opts.Time = v.Time
		if !o.settleGiven {
			opts.Settle = v.Settle
		}
	}
	named := map[string]bool{}
	for _, t := range opts.Tolerances {
		named[t.Column] = true
	}
	for _, t := range v.Columns {
		if named[t.Column] {
			continue
		}
		var words []string
		add := func(asked bool, format string, args ...any) {
			if asked {
				words = append(words, fmt.Sprintf(format, args...))
			}
		}
		number := func(name string, x *float64) {
			if x != nil {
				words = append(words, name+":"+strconv.FormatFloat(*x, 'g', -1, 64))
			}
		}
		number("abs", t.Absolute)
		number("rel", t.Relative)
		if t.ULP != nil {
			add(true, "ulp:%d", *t.ULP)
		}
		if t.Decimals != nil {
			add(true, "decimals:%d", *t.Decimals)
		}
		if t.Within != nil {
			add(true, "within:%s", *t.Within)
		}
		if t.NullAs != nil {
			add(true, "null_as:'%s'", strings.ReplaceAll(*t.NullAs, "'", "''"))
		}
		if t.As != nil {
			add(true, "as:%s", asName(*t.As))
		}
		add(t.Trim, "trim")
		add(t.Case, "case")
		add(t.Unordered, "unordered")
		add(t.Ignore, "ignore")
		if len(words) == 0 {
			continue
		}
		tol, err := validate.ParseTolerance(t.Column + "=" + strings.Join(words, ","))
		if err != nil {
			return fmt.Errorf("%s: %w", o.file, err)
		}
		opts.Tolerances = append(opts.Tolerances, tol)
	}
	return nil
}

// asName is what the judge calls a type of the pipeline file: by value, so without a length or a precision of times.
func asName(t schema.Type) string {
	switch t.Kind {
	case schema.SmallInt:
		return "int"
	case schema.String:
		return "text"
	case schema.Timestamp:
		return "timestamp"
	}
	return strings.ReplaceAll(t.String(), " ", "")
}

// isPipelineFile says whether an argument is a pipeline file and no side.
func isPipelineFile(path string) bool {
	return strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".yml")
}

// progress shows both passes.
func (o *validateOptions) progress(show *progress) func(validate.Progress) {
	return func(p validate.Progress) {
		show.Set(p.Rows, max(p.Total, 0), fmt.Sprintf("pass %d of 2", p.Pass))
	}
}

// fail prints what JSON readers and GitHub get for an error, and gives the judge's hints to the command line's own.
func (o *validateOptions) fail(err error) error {
	hint := validate.Hint(err)
	if hint == "" {
		hint = schema.Hint(err)
	}
	if hint == "" {
		hint = "`lockstep validate --help` has the flags and examples"
	}
	if o.format == "json" {
		var u *validate.UncomparableError
		columns := []validate.Uncomparable{}
		if errors.As(err, &u) {
			columns = u.Columns
		}
		out := json.NewEncoder(o.world.stdout)
		out.SetEscapeHTML(false)
		if werr := out.Encode(map[string]any{"verdict": "error", "error": err.Error(), "hint": hint, "uncomparable": columns}); werr != nil {
			return werr
		}
	}
	if o.format == "github" {
		if werr := validate.WriteGitHubError(o.world.stdout, err, hint, o.file); werr != nil {
			return werr
		}
	}
	return schema.WithHint(err, hint)
}

func (o *validateOptions) write(res *validate.Result) error {
	w := o.world.stdout
	switch o.format {
	case "json":
		return writeJSON(w, res)
	case "markdown":
		return validate.WriteMarkdown(w, res)
	case "junit":
		return validate.WriteJUnit(w, res)
	case "html":
		return validate.WriteHTML(w, res)
	case "github":
		if err := o.stepSummary(func(w io.Writer) error { return validate.WriteMarkdown(w, res) }); err != nil {
			return err
		}
		return validate.WriteGitHub(w, res, o.file)
	}
	return validate.WriteText(w, res, validate.TextOptions{All: o.all, Colour: o.colour()})
}

// stepSummary adds to the summary of the workflow step that this runs in, if it runs in one.
func (o *validateOptions) stepSummary(write func(io.Writer) error) error {
	path := o.world.env["GITHUB_STEP_SUMMARY"]
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write the step's summary: %w", err)
	}
	return errors.Join(write(f), f.Close())
}

func writeJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

// colour follows NO_COLOR, CI and TERM, and is for terminals.
func (o *validateOptions) colour() bool {
	env := o.world.env
	return o.world.isTerminal(o.world.stdout) && env["NO_COLOR"] == "" && env["CI"] == "" && env["TERM"] != "dumb"
}

func (o *validateOptions) writeGuess(g []validate.KeyGuess) error {
	if o.format == "json" {
		if g == nil {
			g = []validate.KeyGuess{}
		}
		if err := writeJSON(o.world.stdout, map[string]any{"keys": g}); err != nil {
			return err
		}
	} else {
		for _, k := range g {
			fmt.Fprintf(o.world.stdout, "--key %s\n", strings.Join(k.Columns, ","))
		}
	}
	if len(g) == 0 {
		if o.format != "json" {
			fmt.Fprintln(o.world.stdout, "no key of up to three columns is unique on both sides; compare with --no-key")
		}
		return exitCode(exitNo)
	}
	return nil
}

// parseBytes reads 512MiB, 2GiB, 1GB or a number of bytes.
func parseBytes(s string) (int64, error) {
	units := []struct {
		name string
		size float64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1}}
	for _, u := range units {
		if n, ok := strings.CutSuffix(strings.TrimSpace(s), u.name); ok {
			x, err := strconv.ParseFloat(strings.TrimSpace(n), 64)
			if err != nil || x < 0 || x > 1<<50 {
				break
			}
			return int64(x * u.size), nil
		}
	}
	return 0, fmt.Errorf("%q is not a size", s)
}

// failOn is what turns the exit code to 1.
type failOn struct {
	where            string // the flag, or the pipeline file's field
	any, unexplained bool
	rates            []rateLimit
}

type rateLimit struct {
	column string
	share  float64
}

func parseFailOn(where string, words []string) (failOn, error) {
	f := failOn{where: where}
	if len(words) == 0 { // --fail-on "$UNSET" would never fail
		words = []string{""}
	}
	for _, w := range words {
		switch w {
		case "any":
			f.any = true
			continue
		case "unexplained":
			f.unexplained = true
			continue
		}
		at := strings.LastIndex(w, "rate>")
		if at >= 0 && (at == 0 || w[at-1] == ':') {
			x, percent := strings.CutSuffix(w[at+len("rate>"):], "%")
			share, err := strconv.ParseFloat(x, 64)
			if percent {
				share /= 100
			}
			if err == nil && share >= 0 && share <= 1 {
				f.rates = append(f.rates, rateLimit{strings.TrimSuffix(w[:at], ":"), share})
				continue
			}
		}
		return f, schema.WithHint(fmt.Errorf("%s %q is unknown", where, w), "use any, unexplained, rate>0.01% or COLUMN:rate>0.1%")
	}
	return f, nil
}

// check refuses a rate of a column that is not compared: it would never fail.
func (f failOn) check(res *validate.Result) error {
	known := map[string]bool{"": true}
	for _, c := range res.Columns {
		known[c.Name] = true
	}
	for _, s := range res.Schema { // one that only one side has makes the sides different by itself
		known[s.Column] = true
	}
	for _, u := range res.Uncomparable {
		known[u.Column] = true
	}
	for _, r := range f.rates {
		if !known[r.column] {
			var names []string
			for _, c := range res.Columns {
				names = append(names, c.Name)
			}
			return schema.WithHint(fmt.Errorf("%s names the column %q, which is not compared", f.where, r.column), "the compared columns are "+strings.Join(names, ", "))
		}
	}
	return nil
}

// exit gives the exit code; it never changes the verdict, and 2, 3 and 4 stay.
func (f failOn) exit(res *validate.Result) int {
	switch res.Verdict {
	case validate.BrokenKeys:
		return exitBrokenKeys
	case validate.Inconclusive:
		return exitInconclusive
	case validate.Equal:
		return exitOK
	}
	n := res.Rows
	schemaDiffers := len(res.Uncomparable) > 0
	for _, s := range res.Schema {
		schemaDiffers = schemaDiffers || s.Different
	}
	if f.any || schemaDiffers || f.unexplained && res.Unexplained.Rows > 0 {
		return exitNo
	}
	share := func(part, whole int64) float64 { return float64(part) / float64(max(whole, 1)) }
	for _, r := range f.rates {
		if r.column == "" {
			bad := n.Changed + n.OnlyLeft + n.OnlyRight
			if share(bad, n.Equal+n.Within+bad) > r.share {
				return exitNo
			}
			continue
		}
		for _, c := range res.Columns {
			if c.Name == r.column && share(c.Different, c.Compared) > r.share {
				return exitNo
			}
		}
	}
	return exitOK
}
