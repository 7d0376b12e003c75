package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-data/lockstep/replay/sql"
	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
)

// Vault is where checkpoints lie. Names have slashes; a file is there whole or not at all.
type Vault interface {
	// String is the place as the user wrote it.
	String() string
	// Create makes a file that must not be there yet: fs.ErrExist if it is. Of two that create one name at
	// once, one succeeds.
	Create(ctx context.Context, name string, data []byte) error
	// Put makes or replaces a file.
	Put(ctx context.Context, name string, data []byte) error
	// Get reads a file; fs.ErrNotExist where there is none.
	Get(ctx context.Context, name string) ([]byte, error)
	// List gives all names below a folder.
	List(ctx context.Context, dir string) ([]string, error)
	Remove(ctx context.Context, name string) error
}

// Checkpoint is a run at the end of an epoch: all that another run needs to go on.
type Checkpoint struct {
	Version int   `json:"version"`
	Epoch   int64 `json:"epoch"`
	// Begun says that nothing but the name is there: a run took the place and has not finished an epoch.
	Begun bool `json:"begun,omitempty"`
	// Done says that the run came to the end of its input.
	Done        bool                   `json:"done,omitempty"`
	Mode        string                 `json:"mode"`
	Parallelism int                    `json:"parallelism"`
	Streams     map[string]SavedStream `json:"streams"`
	Operators   []SavedOperator        `json:"operators"`
	Settings    map[string]string      `json:"settings,omitempty"`
	// Sealed is what each sink gave for SealedEpoch, which is Epoch but where a run has taken the place since.
	Sealed      map[string][]byte `json:"sealed"`
	SealedEpoch int64             `json:"sealed_epoch"`
	Outputs     map[string]int64  `json:"outputs"`
	First       int64             `json:"first"`
	Last        int64             `json:"last"`
	Peak        int64             `json:"peak_state_bytes"`
	// Watermark is the outputs'; a run that goes on finds it again. It is nil in checkpoints of earlier versions.
	Watermark *int64 `json:"watermark,omitempty"`
}

// SavedStream is a stream's clock and counts.
type SavedStream struct {
	Shape     StreamShape      `json:"shape"`
	Watermark int64            `json:"watermark"`
	Lanes     []SavedLane      `json:"lanes"`
	Decisions []Decision       `json:"decisions"`
	Counts    map[string]int64 `json:"counts"`
}

// SavedLane is one lane's clock. Idle is the number of the decision that leaves it out, -1 for none.
type SavedLane struct {
	Name  string     `json:"name"`
	Next  int64      `json:"next"`
	Max   int64      `json:"max"`
	Floor int64      `json:"floor"`
	Idle  int        `json:"idle"`
	Plan  []Decision `json:"plan,omitempty"`
}

// StreamShape is what a stream must share with the run that saved it.
type StreamShape struct {
	From     string   `json:"from,omitempty"`
	FromID   string   `json:"from_id,omitempty"`
	Time     string   `json:"time"`
	Disorder int64    `json:"disorder"`
	Ahead    int64    `json:"ahead"`
	Within   int64    `json:"within"`
	ID       []string `json:"id,omitempty"`
}

// SavedOperator is one operator that keeps rows, of all shards.
type SavedOperator struct {
	Name string `json:"name"`
	// What is the operator's part of the query. Another text is another operator.
	What string `json:"what"`
	// Columns are what each of its stores holds, name and type.
	Columns [][]SavedColumn `json:"columns"`
	// Clocks are times, each the least of all shards.
	Clocks []int64 `json:"clocks"`
	// Stores are by store, then by shard.
	Stores [][]state.SavedStore `json:"stores"`
}

// SavedColumn is a column of a store.
type SavedColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// envelope keeps a checkpoint's checksum beside it.
type envelope struct {
	Sum        string          `json:"sum"`
	Checkpoint json.RawMessage `json:"checkpoint"`
}

const checkpointVersion = 1

func checkpointName(epoch int64) string { return fmt.Sprintf("checkpoints/%012d.json", epoch) }

func checkpointEpoch(name string) (int64, bool) {
	n, ok := strings.CutSuffix(strings.TrimPrefix(name, "checkpoints/"), ".json")
	epoch, err := strconv.ParseInt(n, 10, 64)
	return epoch, ok && err == nil
}

func (c *Checkpoint) encode() ([]byte, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return json.Marshal(envelope{Sum: state.Save("", 0, body).Sum, Checkpoint: body})
}

// ReadCheckpoint reads one checkpoint of a place and verifies it.
func ReadCheckpoint(ctx context.Context, v Vault, epoch int64) (*Checkpoint, error) {
	name := checkpointName(epoch)
	data, err := v.Get(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %s: %w", v, name, err)
	}
	var e envelope
	c := &Checkpoint{}
	err = json.Unmarshal(data, &e)
	if err == nil && state.Save("", 0, e.Checkpoint).Sum != e.Sum {
		err = errors.New("it is damaged: its checksum is not that of its content")
	}
	if err == nil {
		err = json.Unmarshal(e.Checkpoint, c)
	}
	if err == nil && c.Version != checkpointVersion {
		err = fmt.Errorf("version %d is not known", c.Version)
	}
	if err != nil {
		return nil, schema.WithHint(fmt.Errorf("checkpoint %s: %s: %w", v, name, err), "remove this file to go on from the checkpoint before it")
	}
	return c, nil
}

// Checkpoints is a place of checkpoints that one run has taken. Later runs that take it fence this one off.
type Checkpoints struct {
	vault Vault
	keep  int
	epoch int64 // newest in the place
	last  *Checkpoint
	live  map[int64][]string // files of the checkpoints that are kept, by epoch
}

// ErrFenced says that another run has taken the checkpoint place.
var ErrFenced = errors.New("another run has taken this checkpoint place")

// Epochs lists the checkpoints of a place, oldest first.
func Epochs(ctx context.Context, v Vault) ([]int64, error) {
	names, err := v.List(ctx, "checkpoints")
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", v, err)
	}
	var out []int64
	for _, n := range names {
		if e, ok := checkpointEpoch(n); ok {
			out = append(out, e)
		}
	}
	slices.Sort(out)
	return out, nil
}

// Files are the segments and marks that a checkpoint needs.
func (c *Checkpoint) Files() []state.Saved {
	var out []state.Saved
	for _, op := range c.Operators {
		for _, shards := range op.Stores {
			for _, s := range shards {
				out = append(out, s.Segments...)
				if s.Marks != nil {
					out = append(out, *s.Marks)
				}
			}
		}
	}
	return out
}

// TakeCheckpoints takes a place for a run that keeps the newest keep checkpoints in it. Without resume the place must
// hold none. A checkpoint for which happened, when not nil, is false was written but never published: it is removed.
func TakeCheckpoints(ctx context.Context, v Vault, resume bool, keep int, happened func(*Checkpoint) bool) (*Checkpoints, error) {
	c := &Checkpoints{vault: v, keep: max(keep, 1), live: map[int64][]string{}}
take:
	for {
		epochs, err := Epochs(ctx, v)
		if err != nil {
			return nil, err
		}
		if len(epochs) > 0 && !resume {
			return nil, schema.WithHint(fmt.Errorf("checkpoint %s: there is a checkpoint of an earlier run", v), "say --resume to go on from it, or take another place")
		}
		c.last, c.epoch = nil, 0
		clear(c.live)
		lost := map[int64]bool{}
		var gone []int64
		forgotten := false
		for _, e := range epochs {
			cp, err := ReadCheckpoint(ctx, v, e)
			if errors.Is(err, fs.ErrNotExist) {
				continue take // whoever holds the place has gone on
			}
			if err != nil {
				return nil, err
			}
			c.epoch = e
			if happened != nil && !cp.Begun && !happened(cp) {
				lost[cp.SealedEpoch] = true
				gone = append(gone, e)
				// A run that took the place from it knew that it happened.
				forgotten = forgotten || cp.Epoch != cp.SealedEpoch
				continue
			}
			c.live[e] = fileNames(cp)
			c.last = cp
			if cp.Begun {
				c.last = nil
			}
		}
		if len(lost) > 1 || forgotten {
			// An epoch begins only when the one before was published.
			return nil, schema.WithHint(fmt.Errorf("checkpoint %s: the output has none of the epochs %v", v, slices.Sorted(maps.Keys(lost))),
				"the group's offsets have expired, or the topics are others: start anew at another place, with empty topics")
		}
		for _, e := range gone {
			if err := c.remove(ctx, checkpointName(e)); err != nil {
				return nil, err
			}
		}
		// The claim is the next checkpoint: it says what the last one says, and whoever held the place finds the
		// name taken.
		claim := Checkpoint{Version: checkpointVersion, Begun: true}
		if c.last != nil {
			claim = *c.last
		}
		claim.Epoch = c.epoch + 1
		data, err := claim.encode()
		if err != nil {
			return nil, err
		}
		err = v.Create(ctx, checkpointName(claim.Epoch), data)
		if errors.Is(err, fs.ErrExist) {
			continue // the other run was quicker
		}
		if err != nil {
			return nil, fmt.Errorf("checkpoint %s: %w", v, err)
		}
		c.live[claim.Epoch] = fileNames(&claim)
		c.epoch = claim.Epoch
		return c, c.collect(ctx)
	}
}

// Last is the checkpoint to go on from; nil: start at the beginning.
func (c *Checkpoints) Last() *Checkpoint { return c.last }

func fileNames(c *Checkpoint) []string {
	var out []string
	for _, f := range c.Files() {
		out = append(out, f.Name)
	}
	return out
}

// commit makes a checkpoint that is complete but for its name.
func (c *Checkpoints) commit(ctx context.Context, cp *Checkpoint) error {
	data, err := cp.encode()
	if err != nil {
		return err
	}
	err = c.vault.Create(ctx, checkpointName(cp.Epoch), data)
	if errors.Is(err, fs.ErrExist) {
		return c.fenced(cp.Epoch)
	}
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", c.vault, err)
	}
	c.epoch = cp.Epoch
	c.live[cp.Epoch] = fileNames(cp)
	// The name is free, too, when who took the place has gone on so far since that it has removed it.
	err = c.held(ctx)
	if errors.Is(err, ErrFenced) {
		err = errors.Join(err, c.remove(ctx, checkpointName(cp.Epoch)))
	}
	return err
}

// held fails when another run has taken the place.
func (c *Checkpoints) held(ctx context.Context) error {
	epochs, err := Epochs(ctx, c.vault)
	if err == nil && len(epochs) > 0 && epochs[len(epochs)-1] > c.epoch {
		err = c.fenced(c.epoch)
	}
	return err
}

func (c *Checkpoints) fenced(epoch int64) error {
	return schema.WithHint(fmt.Errorf("checkpoint %s: %w, at epoch %d; nothing of this epoch is visible", c.vault, ErrFenced, epoch), "two runs must not share a checkpoint place; this one stops")
}

// remove removes a file that may be gone already.
func (c *Checkpoints) remove(ctx context.Context, name string) error {
	if err := c.vault.Remove(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("checkpoint %s: %w", c.vault, err)
	}
	return nil
}

// collect removes checkpoints beyond those kept, and the files that none of the rest needs.
func (c *Checkpoints) collect(ctx context.Context) error {
	epochs := slices.Sorted(maps.Keys(c.live))
	var gone []string
	for len(epochs) > c.keep+1 { // the claim or the one being published does not count
		gone = append(gone, c.live[epochs[0]]...)
		if err := c.remove(ctx, checkpointName(epochs[0])); err != nil {
			return err
		}
		delete(c.live, epochs[0])
		epochs = epochs[1:]
	}
	return c.drop(ctx, gone)
}

// sweep removes what a crash left: segments that no checkpoint names, and half-written checkpoints.
func (c *Checkpoints) sweep(ctx context.Context) error {
	names, err := c.vault.List(ctx, "segments")
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", c.vault, err)
	}
	// Those of later epochs are of a run that has fenced this one off.
	later := fmt.Sprintf("segments/%012d", c.epoch+1)
	names = slices.DeleteFunc(names, func(n string) bool { return n >= later })
	halves, err := c.vault.List(ctx, "checkpoints")
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", c.vault, err)
	}
	for _, n := range halves {
		// One of a later epoch is that of a run which is about to fence this one off.
		if number, _, ok := strings.Cut(n, ".json."); ok && number+".json" <= checkpointName(c.epoch) {
			names = append(names, n)
		}
	}
	return c.drop(ctx, names)
}

// drop removes those of the files that no checkpoint needs.
func (c *Checkpoints) drop(ctx context.Context, names []string) error {
	done := map[string]bool{}
	for _, files := range c.live {
		for _, f := range files {
			done[f] = true
		}
	}
	for _, n := range names {
		if done[n] {
			continue
		}
		done[n] = true
		if err := c.remove(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// fits says by name what keeps a job from going on from a checkpoint.
func (g *graph) fits(cp *Checkpoint) error {
	var errs []string
	if mode := g.job.Mode.String(); mode != cp.Mode {
		errs = append(errs, fmt.Sprintf("the run is a %s, the checkpoint is of a %s", mode, cp.Mode))
	}
	for _, name := range g.order {
		old, ok := cp.Streams[name]
		if !ok {
			errs = append(errs, fmt.Sprintf("stream %s is not in the checkpoint", name))
			continue
		}
		now := g.streams[name].shape()
		differs := func(what string, was, is any) {
			if fmt.Sprint(was) != fmt.Sprint(is) {
				errs = append(errs, fmt.Sprintf("stream %s: %s was %v and is %v", name, what, was, is))
			}
		}
		switch was := old.Shape; {
		case was.From == "" || now.From == "": // not known
		case was.From == now.From && was.FromID != "" && now.FromID != "":
			differs("id of "+was.From, was.FromID, now.FromID)
		default:
			differs("source", was.From, now.From)
		}
		differs("time", old.Shape.Time, now.Time)
		differs("disorder", microsText(old.Shape.Disorder), microsText(now.Disorder))
		differs("ahead", microsText(old.Shape.Ahead), microsText(now.Ahead))
		differs("id", old.Shape.ID, now.ID)
		if len(now.ID) > 0 {
			differs("within", microsText(old.Shape.Within), microsText(now.Within))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cp.Streams)) {
		if g.streams[name] == nil {
			errs = append(errs, fmt.Sprintf("stream %s is in the checkpoint and no longer in the query", name))
		}
	}
	saved := map[string]*SavedOperator{}
	for i := range cp.Operators {
		saved[cp.Operators[i].Name] = &cp.Operators[i]
	}
	for _, st := range g.stages {
		old := saved[st.name]
		delete(saved, st.name)
		if old == nil {
			errs = append(errs, fmt.Sprintf("query: the %s is not in the checkpoint", st.name))
			continue
		}
		if old.What != st.what {
			errs = append(errs, fmt.Sprintf("query: the %s was %s and is %s", st.name, old.What, st.what))
			continue
		}
		for i, cols := range st.held {
			if _, err := matchColumns(old.Columns[i], cols); err != nil {
				errs = append(errs, fmt.Sprintf("query: the %s: %v", st.name, err))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(saved)) {
		errs = append(errs, fmt.Sprintf("query: the %s is in the checkpoint and no longer in the query", name))
	}
	if len(errs) == 0 {
		return nil
	}
	return schema.WithHint(fmt.Errorf("the checkpoint of epoch %d does not fit: %s", cp.Epoch, strings.Join(errs, "; ")),
		"run with the pipeline file that made it, or start anew at another place; new outputs, expressions over columns already held and another parallelism are fine")
}

// matchColumns finds, for each column wanted, the name it has in segments.
func matchColumns(saved, wanted []SavedColumn) ([]string, error) {
	have := map[SavedColumn]bool{}
	for _, c := range saved {
		have[c] = true
	}
	var out []string
	for _, c := range wanted {
		if !have[c] {
			for _, s := range saved {
				if s.Name == c.Name {
					return nil, fmt.Errorf("column %s was %s and is %s", c.Name, s.Type, c.Type)
				}
			}
			return nil, fmt.Errorf("column %s is not held in the checkpoint", c.Name)
		}
		out = append(out, c.Name)
	}
	return out, nil
}

// heldFields are the columns of a join's side, under names that do not depend on which of them are held: those of its second
// source end in #2. A query that is changed may hold fewer of them, over segments that have them all.
func heldFields(n sql.Node) []schema.Field {
	fields := slices.Clone(n.Fields())
	of, _ := sourcesOf(n)
	for i := range fields {
		if of[i] > 0 {
			fields[i].Name = fmt.Sprintf("%s#%d", fields[i].Name, of[i]+1)
		}
	}
	return fields
}

// sourcesOf numbers what a node's columns come from, and says how many sources there are.
func sourcesOf(n sql.Node) (of []int, sources int) {
	var all, output []int
	switch n := n.(type) {
	case *sql.Filter:
		return sourcesOf(n.Input)
	case *sql.Join:
		left, l := sourcesOf(n.Left)
		right, r := sourcesOf(n.Right)
		for _, x := range right {
			left = append(left, l+x)
		}
		all, output, sources = left, n.Output, l+r
	case *sql.Lookup:
		in, l := sourcesOf(n.Input)
		for range n.Columns {
			in = append(in, l)
		}
		all, output, sources = in, n.Output, l+1
	default:
		return make([]int, len(n.Fields())), 1
	}
	for _, c := range output {
		of = append(of, all[c])
	}
	return of, sources
}

// savedColumns names fields apart: the second id becomes id#2.
func savedColumns(fields []schema.Field) []SavedColumn {
	seen := map[string]int{}
	out := make([]SavedColumn, len(fields))
	for i, f := range fields {
		seen[f.Name]++
		name := f.Name
		if n := seen[f.Name]; n > 1 {
			name = fmt.Sprintf("%s#%d", f.Name, n)
		}
		out[i] = SavedColumn{name, f.Type.String()}
	}
	return out
}

func columnNames(cols []SavedColumn) []string {
	out := make([]string, len(cols))
	for i, c := range cols {
		out[i] = c.Name
	}
	return out
}

// leastClocks takes the least of each clock.
func leastClocks(all [][]int64) []int64 {
	if len(all) == 0 {
		return nil
	}
	out := slices.Clone(all[0])
	for _, clocks := range all[1:] {
		for i, c := range clocks {
			out[i] = min(out[i], c)
		}
	}
	return out
}
