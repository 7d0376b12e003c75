package cmd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// testWorld is a world without a terminal whose clock stands at the year 2026 until it is moved.
func testWorld(env map[string]string) (w *world, stdout, stderr *bytes.Buffer, move func(time.Duration), signals chan os.Signal) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	signals = make(chan os.Signal)
	w = &world{
		env: env, stdin: strings.NewReader(""), stdout: stdout, stderr: stderr, now: func() time.Time { return clock },
		isTerminal: func(io.Writer) bool { return false },
		signals:    func() (<-chan os.Signal, func()) { return signals, func() {} },
	}
	if w.env == nil {
		w.env = map[string]string{}
	}
	return w, stdout, stderr, func(d time.Duration) { clock = clock.Add(d) }, signals
}

func TestProgressWithoutTerminal(t *testing.T) {
	w, stdout, stderr, move, _ := testWorld(nil)
	p := newProgress(w, "replay", false)
	p.Set(1, 100, "")
	move(9 * time.Second)
	p.Set(2, 100, "")
	if stderr.Len() > 0 {
		t.Errorf("a line before 10 s: %s", stderr)
	}
	move(time.Second)
	p.From(20)
	p.Set(50, 100, "lag 3s")
	p.Set(51, 100, "lag 3s")
	p.Done()
	p.Done()
	p.Set(52, 100, "")
	want := "time=2026-01-01T00:00:10Z level=INFO msg=replay rows=50 of=100 rows_per_s=3 note=\"lag 3s\"\n" +
		"time=2026-01-01T00:00:10Z level=INFO msg=replay rows=51 of=100 rows_per_s=3 note=\"lag 3s\"\n"
	if stderr.String() != want || stdout.Len() > 0 {
		t.Errorf("got\n%swant\n%s", stderr, want)
	}
}

func TestProgressThatIsShort(t *testing.T) {
	w, _, stderr, move, _ := testWorld(nil)
	p := newProgress(w, "replay", false)
	move(time.Second)
	p.Set(1, 0, "")
	p.Done()
	if stderr.Len() > 0 {
		t.Errorf("a run of a second logs %s", stderr)
	}
}

func TestProgressQuiet(t *testing.T) {
	w, stdout, stderr, move, _ := testWorld(nil)
	w.isTerminal = func(io.Writer) bool { return true }
	p := newProgress(w, "replay", true)
	move(time.Minute)
	p.Set(1, 2, "x")
	p.Done()
	if stdout.Len()+stderr.Len() > 0 {
		t.Errorf("quiet says %q %q", stdout, stderr)
	}
}

func TestProgressBar(t *testing.T) {
	for _, c := range []struct {
		env map[string]string
		bar bool
	}{{nil, true}, {map[string]string{"NO_COLOR": "1"}, true}, {map[string]string{"CI": "true"}, false}, {map[string]string{"TERM": "dumb"}, false}} {
		w, stdout, stderr, move, _ := testWorld(c.env)
		w.isTerminal = func(io.Writer) bool { return true }
		p := newProgress(w, "replay", false)
		p.Set(1, 100, "lag 3s")
		time.Sleep(150 * time.Millisecond) // the bar's own throttle
		move(11 * time.Second)
		p.Set(60, 100, "lag 3s")
		time.Sleep(150 * time.Millisecond)
		p.Set(61, 100, "lag 4s")
		p.Done()
		got := stderr.String()
		if bar := strings.Contains(got, "replay lag 3s") && strings.Contains(got, "60% |"); bar != c.bar {
			t.Errorf("%v: a bar: %v in %q", c.env, bar, got)
		}
		if log := strings.Contains(got, "level=INFO"); log == c.bar {
			t.Errorf("%v: log lines: %v in %q", c.env, log, got)
		}
		if strings.Contains(got, "\x1b[3") || stdout.Len() > 0 {
			t.Errorf("%v: colours, or something on stdout: %q %q", c.env, got, stdout)
		}
	}
}

func TestInterrupts(t *testing.T) {
	w, _, stderr, move, signals := testWorld(nil)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	soft, hard := w.interrupts(ctx)
	signals <- os.Interrupt
	<-soft
	if hard.Err() != nil || w.stopped.Load() || !strings.Contains(stderr.String(), "press Ctrl-C again") {
		t.Errorf("after one: %v, %s", hard.Err(), stderr)
	}
	// timeout(1) sends it to the command, and then to the command's group.
	signals <- os.Interrupt
	select {
	case <-hard.Done():
		t.Error("one signal, given twice, stops at once")
	case <-time.After(20 * time.Millisecond):
	}
	move(time.Second)
	signals <- os.Interrupt
	<-hard.Done()
	if !w.stopped.Load() {
		t.Error("the second does not stop")
	}
	if ctx.Err() != nil {
		t.Error("the caller's context is cancelled")
	}
}

// Two Ctrl-C end a command with 130, whatever error it ends with; one and a clean end do so by the command's
// own code; an error without Ctrl-C is 2.
func TestInterruptedExitCode(t *testing.T) {
	for _, c := range []struct {
		signals int
		want    int
	}{{0, exitFailed}, {1, exitInterrupted}, {2, exitInterrupted}} {
		w, _, stderr, move, signals := testWorld(nil)
		root := &cobra.Command{Use: "x", SilenceErrors: true, SilenceUsage: true, RunE: func(cmd *cobra.Command, _ []string) error {
			soft, hard := w.interrupts(cmd.Context())
			go func() {
				for i := range c.signals {
					if i > 0 {
						<-soft
						move(time.Second)
					}
					signals <- os.Interrupt
				}
			}()
			switch c.signals {
			case 0:
				return errors.New("no disk")
			case 1:
				<-soft
				return exitCode(exitInterrupted)
			}
			<-hard.Done()
			return hard.Err()
		}}
		if got := w.execute(context.Background(), root, nil); got != c.want {
			t.Errorf("%d signals: exit %d, want %d: %s", c.signals, got, c.want, stderr)
		}
	}
}
