package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What --since left out stays out of a capture that goes on, also in a partition that had no row by then.
func TestCaptureKeepsWhereItStarted(t *testing.T) {
	env := oneBroker(t)
	broker := strings.TrimPrefix(env[0], "KAFKA=")
	produce(t, broker, "events", []byte(`{"id":1}`), []byte(`{"id":2}`))
	dir := t.TempDir()
	file, to := filepath.Join(dir, "p.yaml"), filepath.Join(dir, "lake")
	pipeline := `pipeline: p
streams:
  events: {time: t, disorder: 10m, columns: {id: bigint, t: timestamp}, kafka: {topic: events}}
kafka: {brokers: ["` + broker + `"]}
query: SELECT e.id FROM events e
`
	if err := os.WriteFile(file, []byte(pipeline), 0o644); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		args []string
		code int
	}{
		{[]string{"--since", "2100-01-01"}, exitInterrupted},
		{[]string{"--until", "latest", "--resume"}, exitOK},
	} {
		w, stdout, stderr, _, signals := testWorld(nil)
		if c.code == exitInterrupted {
			go func() { signals <- os.Interrupt }()
		}
		args := append([]string{"capture", file, "--to", to, "--quiet"}, c.args...)
		if code := w.execute(t.Context(), newRoot(w), args); code != c.code {
			t.Fatalf("capture %d: exit code %d: %s", i, code, stderr)
		}
		if want := "events: 0 rows from 1 partitions\n"; stdout.String() != want {
			t.Fatalf("capture %d: %q, want %q", i, stdout, want)
		}
	}
}
