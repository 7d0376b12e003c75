package replay

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/replay/sql"
	"github.com/lockstep-data/lockstep/schema"
)

// graph is a plan as goroutines: a reader a stream, tasks in stages, routes to the sinks.
type graph struct {
	job      *Job
	shards   int
	streams  map[string]*stream
	readers  map[string]*reader
	order    []string // stream names, as readers are started
	tables   map[string]*table
	tasks    []*task
	aside    *sides
	stats    *stats
	counts   []atomic.Int64 // by output
	routes   []*routes      // whatever sends to the outputs
	deduped  map[string]*[]*task
	joins    int // how many were made, for their names
	groups   int
	restored int64 // rows that earlier processes read
	// recovered rows were held in the checkpoint; it took recovery until the first new row could be read.
	recovered int64
	recovery  time.Duration
	stages    []stage // those that keep rows, inputs before what reads them
	epochs
}

// stage is an operator with all its shards.
type stage struct {
	name  string
	what  string          // see SavedOperator
	held  [][]SavedColumn // by store
	tasks []*task
	keys  [][]string // by port, what rows are spread by; none where all rows are of one shard
}

// flow is rows on their way: where they come from, what is done to them on the way out, what they are then.
type flow struct {
	from   func(makeOutlet func(sender int) (outlet, error)) error
	tasks  []*task // nil: a reader
	reader *reader
	steps  []func() (step, error)
	heavy  bool // whether the steps are worth goroutines of their own
	origin origin
	width  int
}

func newGraph(job *Job) *graph {
	return &graph{
		job: job, shards: max(job.Parallelism, 1), streams: map[string]*stream{}, readers: map[string]*reader{},
		tables: map[string]*table{}, counts: make([]atomic.Int64, len(job.Outputs)), deduped: map[string]*[]*task{},
		aside: &sides{sink: job.Sides, writers: map[string]Writer{}},
	}
}

// assemble makes readers, tasks and routes, and opens the writers.
func (g *graph) assemble(ctx context.Context) error {
	job := g.job
	g.collect(job.Plan.Root)
	g.epochs = newEpochs(job, len(g.order))
	g.stats = newStats(len(g.order))
	gate := newGate(len(g.order), job.Align)
	for i, name := range g.order {
		in := job.Streams[name]
		if in == nil {
			return fmt.Errorf("stream %s has no input", name)
		}
		st := &stream{name: name, in: in}
		g.streams[name] = st
		g.readers[name] = &reader{
			stream: st, aside: g.aside, gate: gate, place: i, stats: g.stats, stop: job.Stop, hold: &hold{}, ended: g.ended, finish: g.finish, paused: g.paused, read: g.read,
			clock: newClock(name, in.Disorder, job.Mode, job.Final, job.Decisions),
		}
	}
	if err := g.indexTables(); err != nil {
		return err
	}
	branches := []sql.Node{job.Plan.Root}
	if u, ok := job.Plan.Root.(*sql.Union); ok {
		branches = u.Inputs
	}
	for _, b := range branches {
		f, err := g.build(b)
		if err != nil {
			return err
		}
		if f.tasks == nil && g.shards > 1 {
			if f, err = g.spread(f); err != nil {
				return err
			}
		}
		if err := g.toOutputs(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// indexTables makes the look-up tables, all at once.
func (g *graph) indexTables() error {
	names := slices.Sorted(maps.Keys(g.job.Tables))
	made := make([]*table, len(names))
	var work errgroup.Group
	for i, name := range names {
		work.Go(func() (err error) {
			made[i], err = newTable(name, g.job.Tables[name])
			return err
		})
	}
	err := work.Wait()
	for i, name := range names {
		g.tables[name] = made[i]
	}
	return err
}

// collect finds the streams that a plan reads, in the order of the query.
func (g *graph) collect(n sql.Node) {
	if n, ok := n.(*sql.Scan); ok && !slices.Contains(g.order, n.Stream) {
		g.order = append(g.order, n.Stream)
	}
	for _, in := range sql.Inputs(n) {
		g.collect(in)
	}
}

func (g *graph) build(n sql.Node) (*flow, error) {
	switch n := n.(type) {
	case *sql.Scan:
		return g.buildScan(n)
	case *sql.Join:
		return g.buildJoin(n)
	case *sql.Filter:
		f, err := g.build(n.Input)
		if err != nil {
			return nil, err
		}
		f.add(func() (step, error) { return newFilter(n.Where, g.failures(f.origin)) })
		return f, nil
	case *sql.Project:
		f, err := g.build(n.Input)
		if err != nil {
			return nil, err
		}
		before := f.origin
		f.add(func() (step, error) { return newProject(n.Exprs, g.failures(before)) })
		columns := make([]int, len(n.Exprs))
		for i, e := range n.Exprs {
			columns[i] = -1
			if e.Op == "column" {
				columns[i] = e.Index
			}
		}
		f.origin = f.origin.through(columns)
		f.width = len(n.Exprs)
		return f, nil
	case *sql.Lookup:
		return g.buildLookup(n)
	case *sql.Group:
		return g.buildGroup(n)
	case *sql.Rank:
		return g.buildRank(n)
	}
	return nil, fmt.Errorf("a %T inside a query is not run", n)
}

func (f *flow) add(make func() (step, error)) { f.steps = append(f.steps, make) }

func (g *graph) failures(from origin) failures {
	return failures{policy: g.job.OnError, sides: g.aside, from: from}
}

// through is the origin of a batch made of these columns of one with origin o; -1 is a column of no origin.
func (o origin) through(columns []int) origin {
	out := origin{stream: o.stream, columns: make([]int, len(o.stream.in.Source.Fields()))}
	for i := range out.columns {
		out.columns[i] = -1
		for at, c := range columns {
			if c >= 0 && (o.columns == nil && c == i || o.columns != nil && o.columns[i] == c) {
				out.columns[i] = at
				break
			}
		}
	}
	return out
}

func (g *graph) buildScan(n *sql.Scan) (*flow, error) {
	st := g.streams[n.Stream]
	r := g.readers[n.Stream]
	f := &flow{reader: r, origin: origin{stream: st}}
	f.from = func(make func(int) (outlet, error)) error {
		o, err := make(0)
		r.out = append(r.out, o)
		return err
	}
	if len(st.in.ID) > 0 {
		if err := g.dedupe(f, st); err != nil {
			return nil, err
		}
	}
	columns := make([]int, len(n.Columns))
	for i, c := range n.Columns {
		columns[i] = st.in.Columns[c]
		if columns[i] < 0 {
			return nil, fmt.Errorf("stream %s: column %d is used but not read", n.Stream, c)
		}
	}
	f.add(func() (step, error) { return &picker{columns}, nil })
	f.origin = f.origin.through(columns)
	f.width = len(columns)
	if n.Filter != nil {
		o := f.origin
		f.add(func() (step, error) { return newFilter(n.Filter, g.failures(o)) })
	}
	return f, nil
}

// dedupe puts the stage that judges duplicates behind a stream's reader; all scans of the stream share it.
func (g *graph) dedupe(f *flow, st *stream) error {
	if have := g.deduped[st.name]; have != nil {
		f.fromTasks(*have)
		return nil
	}
	var ids []*expr.Node
	fields := st.in.Source.Fields()
	for _, c := range st.in.ID {
		ids = append(ids, expr.Column(c, fields[c].Name, fields[c].Type))
	}
	tasks, err := g.stage(func() (operator, error) { return newDedupe(st, g.aside), nil })
	if err != nil {
		return err
	}
	g.keeps(tasks, "events of "+st.name, "id "+strings.Join(st.shape().ID, ", "), fields)
	g.spreads(ids)
	if err := g.connect(f, tasks, 0, ids); err != nil {
		return err
	}
	g.deduped[st.name] = &tasks
	f.fromTasks(tasks)
	return nil
}

func (f *flow) fromTasks(tasks []*task) {
	f.tasks, f.reader, f.steps, f.heavy = tasks, nil, nil, false
	f.from = func(make func(int) (outlet, error)) error {
		for i, t := range tasks {
			o, err := make(i)
			if err != nil {
				return err
			}
			t.out = append(t.out, o)
		}
		return nil
	}
}

// stage makes as many tasks as there are shards.
func (g *graph) stage(op func() (operator, error)) ([]*task, error) {
	var tasks []*task
	for range g.shards {
		o, err := op()
		if err != nil {
			return nil, err
		}
		t := &task{op: o, in: make(chan message, 4), stats: g.stats, stores: o.stores(), captured: g.capture}
		for _, s := range t.stores {
			s.SpillTo(g.job.Disk)
		}
		tasks = append(tasks, t)
		g.tasks = append(g.tasks, t)
	}
	return tasks, nil
}

// keeps notes that a stage keeps rows, one list of columns for each of its operator's stores.
func (g *graph) keeps(tasks []*task, name, what string, held ...[]schema.Field) {
	st := stage{name: name, what: what, tasks: tasks}
	for _, fields := range held {
		st.held = append(st.held, savedColumns(fields))
	}
	g.stages = append(g.stages, st)
}

// spreads notes what the rows of the stage that was made last are spread by, port by port.
func (g *graph) spreads(keys ...[]*expr.Node) {
	st := &g.stages[len(g.stages)-1]
	for _, port := range keys {
		var names []string
		for _, k := range port {
			names = append(names, k.String())
		}
		st.keys = append(st.keys, names)
	}
}

// connect sends a flow's rows to the tasks of a stage, by key or in turn.
func (g *graph) connect(f *flow, to []*task, port int, keys []*expr.Node) error {
	return g.exchange(f, to, port, keys, false)
}

// exchange is connect; whole: rows whose key has a NULL belong together like any others.
func (g *graph) exchange(f *flow, to []*task, port int, keys []*expr.Node, whole bool) error {
	return f.from(func(int) (outlet, error) {
		x := &exchange{to: to, port: port, fail: g.failures(f.origin), whole: whole}
		for _, t := range to {
			x.sender = t.addSender(port)
		}
		var err error
		if x.steps, err = makeSteps(f.steps); err != nil {
			return nil, err
		}
		if keys != nil {
			x.keys, err = expr.Compile(keys...)
		}
		return x, err
	})
}

func makeSteps(factories []func() (step, error)) ([]step, error) {
	var steps []step
	for _, make := range factories {
		s, err := make()
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// spread gives a reader's rows to several goroutines, batch by batch, before the work on them begins.
func (g *graph) spread(f *flow) (*flow, error) {
	tasks, err := g.stage(func() (operator, error) { return &pass{w: NoTime}, nil })
	if err != nil {
		return nil, err
	}
	bare := *f
	bare.steps = nil
	if err := g.connect(&bare, tasks, 0, nil); err != nil {
		return nil, err
	}
	out := *f
	out.fromTasks(tasks)
	out.steps = f.steps
	return &out, nil
}

func (g *graph) buildJoin(n *sql.Join) (*flow, error) {
	left, err := g.build(n.Left)
	if err != nil {
		return nil, err
	}
	right, err := g.build(n.Right)
	if err != nil {
		return nil, err
	}
	tasks, err := g.stage(func() (operator, error) {
		return newJoin(n, g.failures(left.origin), g.aside, [2]origin{left.origin, right.origin})
	})
	if err != nil {
		return nil, err
	}
	g.joins++
	g.keeps(tasks, fmt.Sprintf("join %d", g.joins), sql.Shape(n), heldFields(n.Left), heldFields(n.Right))
	g.spreads(n.LeftKeys, n.RightKeys)
	for port, side := range []*flow{left, right} {
		if side.heavy && side.tasks == nil && g.shards > 1 {
			if side, err = g.spread(side); err != nil {
				return nil, err
			}
		}
		keys := n.LeftKeys
		if port == 1 {
			keys = n.RightKeys
		}
		if err := g.connect(side, tasks, port, keys); err != nil {
			return nil, err
		}
	}
	out := &flow{origin: left.origin.through(leftOnly(n.Output, left.width)), width: len(n.Output)}
	out.fromTasks(tasks)
	return out, nil
}

// leftOnly masks the columns that are not the left's.
func leftOnly(output []int, width int) []int {
	out := make([]int, len(output))
	for i, c := range output {
		out[i] = c
		if c >= width {
			out[i] = -1
		}
	}
	return out
}

func (g *graph) buildGroup(n *sql.Group) (*flow, error) {
	keys := identity(n.Keys)
	f, tasks, err := g.byGroup(n, keys, n.Time, func(o origin) (operator, error) { return newGroup(n, g.failures(g.originOf(n.Of, o)), g.aside), nil })
	if err != nil {
		return nil, err
	}
	for i := n.Keys; i < len(n.Fields()); i++ {
		keys = append(keys, -1)
	}
	out := &flow{origin: g.originOf(n.Of, f.origin).through(keys), width: len(keys)}
	out.fromTasks(tasks)
	return out, nil
}

func (g *graph) buildRank(n *sql.Rank) (*flow, error) {
	f, tasks, err := g.byGroup(n, n.Keys, n.Time, func(o origin) (operator, error) { return newRank(n, g.aside, g.originOf(n.Of, o)), nil })
	if err != nil {
		return nil, err
	}
	out := &flow{origin: f.origin.through(append(identity(n.Carry), -1)), width: n.Carry + 1}
	out.fromTasks(tasks)
	return out, nil
}

// originOf is the origin of rows whose groups are of a stream other than the first.
func (g *graph) originOf(of *sql.Origin, first origin) origin {
	if of == nil {
		return first
	}
	st := g.streams[of.Stream]
	o := origin{stream: st, columns: make([]int, len(st.in.Source.Fields()))}
	for i := range o.columns {
		o.columns[i] = -1
	}
	for c, at := range of.Columns {
		if source := st.in.Columns[c]; source >= 0 {
			o.columns[source] = at
		}
	}
	return o
}

// byGroup sends a node's rows to a stage by some of their columns.
func (g *graph) byGroup(n sql.Node, columns []int, time int, op func(origin) (operator, error)) (*flow, []*task, error) {
	input := sql.Inputs(n)[0]
	f, err := g.build(input)
	if err != nil {
		return nil, nil, err
	}
	tasks, err := g.stage(func() (operator, error) { return op(f.origin) })
	if err != nil {
		return nil, nil, err
	}
	g.groups++
	g.keeps(tasks, fmt.Sprintf("group %d", g.groups), sql.Shape(n), heldBy(input.Fields(), time))
	if f.heavy && f.tasks == nil && g.shards > 1 {
		if f, err = g.spread(f); err != nil {
			return nil, nil, err
		}
	}
	fields := input.Fields()
	keys := make([]*expr.Node, len(columns))
	for i, c := range columns {
		keys[i] = expr.Column(c, fields[c].Name, fields[c].Type)
	}
	if len(keys) > 0 {
		g.spreads(keys)
	} else { // all rows are one group's
		keys = []*expr.Node{expr.Literal(int64(0), schema.Type{Kind: schema.BigInt})}
	}
	return f, tasks, g.exchange(f, tasks, 0, keys, true)
}

func identity(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func (g *graph) buildLookup(n *sql.Lookup) (*flow, error) {
	f, err := g.build(n.Input)
	if err != nil {
		return nil, err
	}
	in, t := g.job.Tables[n.Table], g.tables[n.Table]
	if t == nil {
		return nil, fmt.Errorf("table %s has no input", n.Table)
	}
	before := f.origin
	f.add(func() (step, error) { return newLookup(n, t, in, g.failures(before)) })
	f.origin = f.origin.through(leftOnly(n.Output, f.width))
	f.width, f.heavy = len(n.Output), true
	return f, nil
}

func (g *graph) toOutputs(ctx context.Context, f *flow) error {
	fields := g.job.Plan.Fields
	return f.from(func(int) (outlet, error) {
		x := &routes{stats: g.stats}
		x.watermark.Store(NoTime)
		g.routes = append(g.routes, x)
		var err error
		if x.steps, err = makeSteps(f.steps); err != nil {
			return nil, err
		}
		for i, out := range g.job.Outputs {
			r := route{count: &g.counts[i], fields: fields, coded: true, fail: g.failures(f.origin)}
			if out.Where != nil {
				if r.where, err = expr.Compile(out.Where); err != nil {
					return nil, err
				}
			}
			for _, t := range out.Targets {
				w, err := t.Sink.Open(ctx, t.Name, fields)
				if err != nil {
					return nil, err
				}
				_, coded := w.(CodedWriter)
				r.coded = r.coded && coded
				r.writers = append(r.writers, w)
			}
			x.outputs = append(x.outputs, r)
		}
		return x, nil
	})
}
