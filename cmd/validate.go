package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/validate"
)

type validateOptions struct {
	world *world

	left, right       string
	leftName          string
	rightName         string
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
	tolerance         []string
	allowUncomparable bool
	paranoid          bool
	failOn            []string
	memory            string
	parallelism       int
	examples          int
	out               string
	format            string
	all               bool
	quiet             bool
}

func newValidate(w *world) *cobra.Command {
	o := &validateOptions{world: w}
	c := &cobra.Command{
		Use:   "validate LEFT RIGHT (--key COLUMN.. | --no-key)",
		Short: "Compare two outputs and say exactly where they differ",
		Long: `Compare two sets of rows: Parquet, CSV, NDJSON or Arrow files, folders, globs, s3:// or - for standard input.

Nothing is tolerated unless asked for. Rows are matched by --key; keys that occur twice or are NULL as a whole
are a verdict of their own.

EXIT STATUS
  0  equal
  1  different
  2  could not compare: usage, files, types that are not compared
  3  inconclusive: nothing left to judge
  4  broken keys: duplicates, or keys that are all NULL`,
		Example: `  lockstep validate batch.parquet stream/ --key event_id
  lockstep validate a.csv b.parquet --key id,day --tolerance total=abs:0.01
  lockstep validate old/ new/ --no-key --format json`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			o.left, o.right = args[0], args[1]
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
	f.DurationVar(&o.settle, "settle", 0, "how long before the latest time rows may still change")
	f.StringArrayVar(&o.tolerance, "tolerance", nil, "COL=WORD[:X][,WORD..]: abs:0.01 rel:1e-9 ulp:2 decimals:2 within:1s null_as:'' trim case unordered as:double ignore")
	f.BoolVar(&o.allowUncomparable, "allow-uncomparable", false, "go on without columns that cannot be compared; the sides are different then")
	f.BoolVar(&o.paranoid, "paranoid", false, "compare every cell; let no hash decide anything")
	f.StringSliceVar(&o.failOn, "fail-on", []string{"any"}, "exit 1 on: any, unexplained, rate>0.01%, COLUMN:rate>0.1%")
	f.StringVar(&o.memory, "memory", "1GiB", "memory for rows; beyond it goes to disk (least: 16MiB)")
	f.IntVar(&o.parallelism, "parallelism", 0, "readers (default: processors)")
	f.IntVar(&o.examples, "examples", 5, "examples of each class")
	f.StringVar(&o.out, "out", "", "folder for the report's files")
	f.StringVar(&o.format, "format", "text", "text, json, markdown, junit or html")
	f.BoolVar(&o.all, "all", false, "list every column, not only those that differ")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no progress")
	f.StringVar(&o.leftName, "left-name", "", "what reports call the left side")
	f.StringVar(&o.rightName, "right-name", "", "what reports call the right side")
	return c
}

func (o *validateOptions) run(c *cobra.Command) error {
	opts, err := o.options()
	if err != nil {
		return o.fail(err)
	}
	fail, err := parseFailOn(o.failOn)
	if err != nil {
		return o.fail(err)
	}
	// The heap is large arrays without pointers: collecting often costs little and keeps the peak near what is held.
	defer debug.SetGCPercent(debug.SetGCPercent(25))
	start := time.Now()
	if o.guessKey {
		guess, err := validate.GuessKey(c.Context(), opts)
		if err != nil {
			return o.fail(err)
		}
		return o.writeGuess(guess)
	}
	res, err := validate.Run(c.Context(), opts)
	if err != nil {
		return o.fail(err)
	}
	res.Seconds = time.Since(start).Round(time.Millisecond).Seconds()
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
	switch o.format {
	case "text", "json", "markdown", "junit", "html":
	default:
		return opts, schema.WithHint(fmt.Errorf("--format %s is unknown", o.format), "use text, json, markdown, junit or html")
	}
	var err error
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
	for _, s := range o.tolerance {
		t, err := validate.ParseTolerance(s)
		if err != nil {
			return opts, err
		}
		opts.Tolerances = append(opts.Tolerances, t)
	}
	opts.Progress = o.progress()
	return opts, nil
}

// progress draws a bar on a terminal and writes a line every ten seconds elsewhere.
func (o *validateOptions) progress() func(validate.Progress) {
	if o.quiet {
		return nil
	}
	stderr := o.world.stderr
	f, ok := stderr.(*os.File)
	if ok && term.IsTerminal(int(f.Fd())) && o.world.env["TERM"] != "dumb" && o.world.env["CI"] == "" {
		var bar *progressbar.ProgressBar
		pass := 0
		return func(p validate.Progress) {
			if p.Pass != pass {
				if bar != nil {
					_ = bar.Finish()
				}
				pass = p.Pass
				bar = progressbar.NewOptions64(p.Total, progressbar.OptionSetWriter(stderr), progressbar.OptionClearOnFinish(),
					progressbar.OptionSetDescription(fmt.Sprintf("pass %d of 2", p.Pass)), progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond))
			}
			_ = bar.Set64(p.Rows)
			if p.Total >= 0 && p.Rows >= p.Total {
				_ = bar.Finish()
			}
		}
	}
	last := time.Now()
	return func(p validate.Progress) {
		if now := time.Now(); now.Sub(last) >= 10*time.Second {
			last = now
			if p.Total >= 0 {
				fmt.Fprintf(stderr, "lockstep: pass %d of 2: %d of %d rows\n", p.Pass, p.Rows, p.Total)
			} else {
				fmt.Fprintf(stderr, "lockstep: pass %d of 2: %d rows\n", p.Pass, p.Rows)
			}
		}
	}
}

// fail prints what JSON readers get for an error, and gives the judge's hints to the command line's own.
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
	}
	return validate.WriteText(w, res, validate.TextOptions{All: o.all, Colour: o.colour()})
}

func writeJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

// colour follows NO_COLOR, CI and TERM, and is for terminals.
func (o *validateOptions) colour() bool {
	env := o.world.env
	f, ok := o.world.stdout.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && env["NO_COLOR"] == "" && env["CI"] == "" && env["TERM"] != "dumb"
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
	any, unexplained bool
	rates            []rateLimit
}

type rateLimit struct {
	column string
	share  float64
}

func parseFailOn(words []string) (failOn, error) {
	var f failOn
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
		return f, schema.WithHint(fmt.Errorf("--fail-on %q is unknown", w), "use any, unexplained, rate>0.01% or COLUMN:rate>0.1%")
	}
	return f, nil
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
