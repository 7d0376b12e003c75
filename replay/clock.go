package replay

import "fmt"

// Decision is what no row of the log says: that a run went on without a lane. It is written down so that every
// later run over the same input decides alike.
type Decision struct {
	Stream string `json:"stream"`
	Lane   string `json:"lane"`
	// Kind is "idle" (the lane had no row for the stream's idle time) or "opened" (the lane appeared while
	// the stream was being read).
	Kind string `json:"kind"`
	// Position is the lane's next position when it was decided: the first row that the decision may make late.
	Position int64 `json:"position"`
	// Floor is the stream's watermark when the lane's next row came: earlier rows from Position on are late.
	// EndOfTime while no row has come.
	Floor int64 `json:"floor"`
}

// clock keeps one stream's time: per lane what was seen, over all lanes the watermark. One goroutine uses it.
type clock struct {
	stream   string
	disorder int64
	batch    bool // nothing is late, and only floors move the watermark
	final    bool // a lane that ended holds nothing back
	lanes    []*laneClock
	planned  map[string][]Decision // of an earlier run, by lane, in order of position
	taken    []*Decision
	w        int64
	resumed  bool
	saved    map[string]SavedLane // lanes of the checkpoint that were not added yet
}

type laneClock struct {
	name  string
	max   int64 // newest event time, NoTime before the first
	floor int64 // rows before it are late by a decision
	next  int64 // next position
	ended bool
	idle  *Decision // set while the lane is left out
	plan  []Decision
}

func newClock(stream string, disorder int64, mode Mode, final bool, decisions []Decision) *clock {
	c := &clock{stream: stream, disorder: disorder, batch: mode == Batch, final: final, w: NoTime, planned: map[string][]Decision{}}
	for _, d := range decisions {
		if d.Stream == stream {
			c.planned[d.Lane] = append(c.planned[d.Lane], d)
		}
	}
	return c
}

// addLane makes room for a lane. One that appears after the start is a decision: its rows behind the watermark
// of that moment are late.
func (c *clock) addLane(name string, next int64, later bool) {
	l := &laneClock{name: name, next: next, max: NoTime, floor: NoTime, plan: c.planned[name]}
	c.lanes = append(c.lanes, l)
	if s, ok := c.saved[name]; ok {
		delete(c.saved, name)
		l.next, l.max, l.floor, l.plan = max(next, s.Next), s.Max, s.Floor, s.Plan
		if s.Idle >= 0 {
			l.idle = c.taken[s.Idle]
		}
		return
	}
	if later && len(l.plan) == 0 && !c.batch {
		l.idle = c.decide(l, "opened")
	}
	c.replayPlan(l)
}

func (c *clock) decide(l *laneClock, kind string) *Decision {
	d := &Decision{Stream: c.stream, Lane: l.name, Kind: kind, Position: l.next, Floor: EndOfTime}
	c.taken = append(c.taken, d)
	return d
}

// setIdle leaves a lane out of the watermark until its next row.
func (c *clock) setIdle(lane int) {
	if l := c.lanes[lane]; l.idle == nil && len(l.plan) == 0 {
		l.idle = c.decide(l, "idle")
	}
}

// replayPlan takes up an earlier run's decision once the lane has reached its position.
func (c *clock) replayPlan(l *laneClock) {
	if len(l.plan) > 0 && l.plan[0].Position <= l.next && l.idle == nil {
		d := l.plan[0]
		l.plan = l.plan[1:]
		l.idle = &d
		c.taken = append(c.taken, l.idle)
	}
}

// farthest is the event time, in the year 148108 or before the common era, beyond which none is believed: what databases
// call infinity. Times and the lengths of windows can be added up to here.
const farthest = 1 << 62

// disbelieved says why an event time is no time to go by, "" when it is. A row without one has NoTime.
func disbelieved(t, broker, ahead int64) string {
	switch {
	case t == NoTime:
		return "no event time"
	case t > farthest || t < -farthest:
		return fmt.Sprintf("event time %s is infinite, or as good as that", timeText(t))
	case broker != NoTime && t > broker+ahead:
		return fmt.Sprintf("event time %s is more than %s ahead of the broker's %s", timeText(t), microsText(ahead), timeText(broker))
	}
	return ""
}

// Clock is a stream's clock for those who tell of a run afterwards. It judges as the run's reader did.
type Clock struct {
	*clock
	ahead int64
}

// NewClock makes the clock of a stream that is read as one, with the decisions of the run. Times are microseconds.
func NewClock(stream string, disorder, ahead int64, lanes []Lane, decisions []Decision) *Clock {
	c := &Clock{newClock(stream, disorder, Stream, false, decisions), ahead}
	for _, l := range lanes {
		c.addLane(l.Name, 0, false)
	}
	return c
}

// Row judges a row of a lane, whose rows come in their order. A row that is rejected or late counts for nothing;
// late says by how much.
func (c *Clock) Row(lane int, position, t, broker int64) (rejected bool, late int64, why string) {
	if why := disbelieved(t, broker, c.ahead); why != "" {
		return true, 0, why
	}
	late, why = c.row(lane, position, t)
	return false, late, why
}

// Block ends a block of a lane.
func (c *Clock) Block(b *Block) { c.block(b.Lane, b.Next, b.Ended, b.Floor) }

// Newest is the newest event time of a lane, NoTime before the first.
func (c *Clock) Newest(lane int) int64 { return c.lanes[lane].max }

// Watermark is the earliest time that a lane may still bring, NoTime before its first row.
func (c *Clock) Watermark(lane int) int64 { return c.holds(c.lanes[lane]) }

// row judges a row by its lane's past alone, and counts it. A positive lateness is how many microseconds the row
// is too late; such a row counts for nothing.
func (c *clock) row(lane int, position, t int64) (lateness int64, why string) {
	l := c.lanes[lane]
	if l.idle != nil || len(l.plan) > 0 {
		l.next = position
		c.replayPlan(l)
		if d := l.idle; d != nil && position >= d.Position {
			if d.Floor == EndOfTime {
				d.Floor = c.w // the lane wakes; what was decided without it stands
			}
			l.floor = max(l.floor, d.Floor)
			l.idle = nil
		}
	}
	if c.batch {
		return 0, ""
	}
	if bound := shift(l.max, -c.disorder); t < bound {
		return bound - t, fmt.Sprintf("behind the newest row of its partition by more than the disorder of %s", microsText(c.disorder))
	}
	if t < l.floor {
		return l.floor - t, "its partition was left out until this row, and the watermark has passed it"
	}
	if t > l.max {
		l.max = t
	}
	return 0, ""
}

// block ends the reading of a block: the lane's position, its end, the source's promise.
func (c *clock) block(lane int, next int64, ended bool, floor int64) {
	if lane >= 0 && lane < len(c.lanes) {
		l := c.lanes[lane]
		l.next = max(l.next, next)
		l.ended = l.ended || ended
		c.replayPlan(l)
	}
	if c.batch {
		c.w = max(c.w, floor)
		return
	}
	w := int64(EndOfTime)
	for _, l := range c.lanes {
		w = min(w, c.holds(l))
	}
	if len(c.lanes) == 0 || (w == EndOfTime && !c.allEnded()) {
		return // every lane is left out: nothing says how far time has come
	}
	c.w = max(c.w, w)
}

func (c *clock) allEnded() bool {
	for _, l := range c.lanes {
		if !l.ended {
			return false
		}
	}
	return true
}

// holds is the earliest time that the lane may still bring.
func (c *clock) holds(l *laneClock) int64 {
	switch {
	case l.ended && c.final:
		return EndOfTime
	case l.idle != nil:
		return l.idle.Floor
	default:
		return max(shift(l.max, -c.disorder), l.floor)
	}
}

// save is the clock as a checkpoint keeps it.
func (c *clock) save() SavedStream {
	s := SavedStream{Watermark: c.w, Decisions: c.decisions()}
	for _, l := range c.lanes {
		lane := SavedLane{Name: l.name, Next: l.next, Max: l.max, Floor: l.floor, Idle: -1, Plan: l.plan}
		for i, d := range c.taken {
			if d == l.idle {
				lane.Idle = i
			}
		}
		s.Lanes = append(s.Lanes, lane)
	}
	return s
}

// restore takes up what save gave, before the first lane is added.
func (c *clock) restore(s *SavedStream) {
	c.resumed, c.w = true, s.Watermark
	for _, d := range s.Decisions {
		c.taken = append(c.taken, &d)
	}
	c.saved = map[string]SavedLane{}
	for _, l := range s.Lanes {
		c.saved[l.Name] = l
	}
}

// decisions are those taken and replayed, in the order in which that happened.
func (c *clock) decisions() []Decision {
	out := make([]Decision, len(c.taken))
	for i, d := range c.taken {
		out[i] = *d
	}
	return out
}
