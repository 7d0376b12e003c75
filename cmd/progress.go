package cmd

import (
	"log/slog"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// logEvery is how often a run that no person watches says how far it is.
const logEvery = 10 * time.Second

// progress tells on stderr how far a command is: a bar where a person watches, a log line every 10 s where
// nobody does, nothing at all with --quiet. Its methods may be called from any goroutine.
type progress struct {
	mu      sync.Mutex
	world   *world
	title   string
	quiet   bool
	person  bool                     // someone watches
	bar     *progressbar.ProgressBar // from the first Set on
	log     *slog.Logger             // nil where someone watches
	started time.Time
	logged  time.Time
	from    int64
	done    int64
	total   int64
	note    string
	ended   bool
}

// newProgress starts to count. CI and TERM=dumb have log lines, as has everything that is no terminal;
// NO_COLOR has a bar without escape sequences for colours, which it never has.
func newProgress(w *world, title string, quiet bool) *progress {
	now := w.now()
	p := &progress{world: w, title: title, quiet: quiet, started: now, logged: now}
	if quiet {
		return p
	}
	_, ci := w.env["CI"]
	if w.isTerminal(w.stderr) && !ci && w.env["TERM"] != "dumb" {
		p.person = true
		return p
	}
	p.log = slog.New(slog.NewTextHandler(w.stderr, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.String(slog.TimeKey, w.now().UTC().Format(time.RFC3339))
		}
		return a
	}}))
	return p
}

// newBar has a spinner in place of the bar while the total is unknown.
func (p *progress) newBar(total int64) *progressbar.ProgressBar {
	if total <= 0 {
		total = -1
	}
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(p.world.stderr),
		progressbar.OptionSetDescription(p.title),
		progressbar.OptionEnableColorCodes(false),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("rows"),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionFullWidth(),
	)
}

// From says that so many rows were through before the start, which no rate counts.
func (p *progress) From(done int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.from = done
}

// Set says that done of total rows are through; a total of 0 is unknown. note is what else is worth knowing,
// such as the lag in event time. It is cheap enough for every block.
func (p *progress) Set(done, total int64, note string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet || p.ended {
		return
	}
	if p.person {
		if p.bar == nil {
			p.bar = p.newBar(total)
		} else if total != p.total && total > 0 {
			p.bar.ChangeMax64(max(total, done))
		}
		if note != p.note {
			p.bar.Describe(p.title + " " + note)
		}
		_ = p.bar.Set64(done) // a terminal that is gone does not end the run
	}
	p.done, p.total, p.note = done, total, note
	if now := p.world.now(); p.log != nil && now.Sub(p.logged) >= logEvery {
		p.logged = now
		p.line()
	}
}

// Done ends the display: the bar vanishes, and a run that has logged logs its last figures.
func (p *progress) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet || p.ended {
		return
	}
	p.ended = true
	if p.bar != nil {
		_ = p.bar.Finish()
	}
	if p.log == nil {
		return
	}
	if p.logged.After(p.started) {
		p.line()
	}
}

func (p *progress) line() {
	args := []any{"rows", p.done}
	if p.total > 0 {
		args = append(args, "of", p.total)
	}
	if s := p.world.now().Sub(p.started).Seconds(); s > 0 {
		args = append(args, "rows_per_s", int64(float64(p.done-p.from)/s))
	}
	if p.note != "" {
		args = append(args, "note", p.note)
	}
	p.log.Info(p.title, args...)
}
