package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What --since left out stays out of a capture or a replay that goes on, also in a partition that had no row by then.
func TestKeepsWhereItStarted(t *testing.T) {
	env := oneBroker(t)
	broker := strings.TrimPrefix(env[0], "KAFKA=")
	produce(t, broker, "events", []byte(`{"id":1,"t":"2026-01-01T00:00:00Z"}`), []byte(`{"id":2,"t":"2026-01-01T00:00:01Z"}`))
	dir := t.TempDir()
	file := filepath.Join(dir, "p.yaml")
	pipeline := `pipeline: p
streams:
  events: {time: t, disorder: 10m, columns: {id: bigint, t: timestamp}, kafka: {topic: events}}
kafka: {brokers: ["` + broker + `"]}
query: SELECT e.id FROM events e
`
	if err := os.WriteFile(file, []byte(pipeline), 0o644); err != nil {
		t.Fatal(err)
	}
	for command, c := range map[string]struct {
		args []string
		want string
	}{
		"capture": {[]string{"--to", filepath.Join(dir, "lake")}, "events: 0 rows from 1 partitions\n"},
		"replay":  {[]string{"--from", "kafka", "--as", "stream", "--to", filepath.Join(dir, "out"), "--checkpoint", filepath.Join(dir, "ck")}, "output rows: 0 rows\n"},
	} {
		first := append([]string{command, file, "--quiet", "--since", "2100-01-01"}, c.args...)
		again := append([]string{command, file, "--quiet", "--resume", "--until", "latest"}, c.args...)
		for i, args := range [][]string{first, again} {
			w, stdout, stderr, _, signals := testWorld(nil)
			want := exitOK
			if i == 0 {
				want = exitInterrupted
				go func() { signals <- os.Interrupt }()
			}
			if code := w.execute(t.Context(), newRoot(w), args); code != want || i == 1 && !strings.Contains(stdout.String(), c.want) {
				t.Fatalf("%s: exit code %d, want %d:\n%s%s", args, code, want, stdout, stderr)
			}
		}
	}
}
