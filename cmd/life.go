package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/replay/pipeline"
	"github.com/lockstep-data/lockstep/validate"
)

// arrival is a row of a stream that has to do with the key.
type arrival struct {
	Stream     string `json:"stream"`
	Partition  int32  `json:"partition"`
	Offset     int64  `json:"offset"`
	BrokerTime string `json:"broker_time,omitempty"`
	EventTime  string `json:"event_time"` // "" where it has none
	// Newest is the newest event time of its partition before it; Behind how far the row is behind that.
	Newest string `json:"newest,omitempty"`
	Behind string `json:"behind,omitempty"`
	// Fate is kept, late, rejected or copy.
	Fate   string `json:"fate"`
	Reason string `json:"reason,omitempty"`
	// Watermarks are those of the streams when the row came: of what the log had by its broker time.
	Watermarks map[string]string `json:"watermarks,omitempty"`
	Row        json.RawMessage   `json:"row"`

	place  logPlace
	time   int64
	broker int64
	id     string
}

// stay is how long a row is held.
type stay struct {
	Stream string `json:"stream"`
	Row    string `json:"row"`
	From   string `json:"from,omitempty"`  // broker time
	Until  string `json:"until,omitempty"` // broker time; "" where the log does not reach it
	Why    string `json:"why"`

	until int64
	from  int64
}

// laneTime is what is asked of a lane.
type laneTime struct {
	// reached is, for each of some bounds, the broker time of the row with which the lane's watermark passed it.
	reached []int64
	// at is its watermark by each of some broker times.
	at []int64
}

// judgedRow is a row as the stream's clock saw it: newest is its lane's newest event time before it, mark the lane's
// watermark after it.
type judgedRow struct {
	lane         int
	t, broker    int64
	newest, mark int64
	fate, why    string
	late         int64
}

// scan reads a stream's lake in the order of its lanes, has every row judged by the engine's own clock, and returns
// the number of lanes.
func (e *explainer) scan(ctx context.Context, s *pipeline.Stream, columns []string, visit func(b *replay.Block, row int, x judgedRow)) (int, error) {
	checked := e.t.trace.plain
	o := &replayOptions{world: e.t.world, from: "lake", as: "stream", since: e.t.lakeSince, until: e.t.lakeUntil}
	src, err := o.lakeSource(ctx, s, checked.Catalog.Streams[s.Name], columns, false)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	o.decisions = e.t.base
	decisions, err := o.readDecisions(ctx)
	if err != nil {
		return 0, err
	}
	at := slices.Index(columns, s.Time)
	lanes := src.Lanes()
	clock := replay.NewClock(s.Name, s.Disorder.Microseconds(), s.Ahead.Microseconds(), lanes, decisions)
	err = eachBlock(ctx, src, func(b *replay.Block) error {
		times := b.Record.Column(at).(*array.Timestamp)
		for i := range int(b.Record.NumRows()) {
			x := judgedRow{lane: b.Lane, t: replay.NoTime, broker: replay.NoTime, newest: clock.Newest(b.Lane), fate: "kept"}
			if b.BrokerTimes != nil {
				x.broker = b.BrokerTimes[i]
			}
			if times.IsValid(i) {
				x.t = int64(times.Value(i))
			}
			position := int64(i)
			if b.Offsets != nil {
				position = b.Offsets[i]
			}
			var rejected bool
			if rejected, x.late, x.why = clock.Row(b.Lane, position, x.t, x.broker); rejected {
				x.fate = "rejected"
			} else if x.late > 0 {
				x.fate = "late"
			}
			x.mark = clock.Watermark(b.Lane)
			visit(b, i, x)
		}
		clock.Block(b)
		return nil
	})
	return len(lanes), err
}

// arrivals finds the rows of the streams that have to do with the key, and follows them.
func (e *explainer) arrivals(ctx context.Context) error {
	places, ids := map[logPlace]bool{}, map[string]bool{}
	used := map[logPlace]bool{} // what B* is made of
	note := func(o origin, ideal bool) {
		for _, in := range o.inputs {
			places[in.logPlace] = true
			if ideal {
				used[in.logPlace] = true
			}
			if in.id != "" {
				ids[in.stream+"\x00"+in.id] = true
			}
		}
	}
	for _, r := range e.life.Results {
		note(r.origin, r.Result == "B*")
	}
	for _, v := range e.life.Verdicts {
		for _, r := range e.t.blame.lateOf(stableKey(v.Key)) {
			places[r.logPlace] = true
		}
	}
	streams := e.t.trace.plain.Pipeline.Streams
	for i := range streams {
		if err := e.arrivalsOf(ctx, &streams[i], places, ids); err != nil {
			return fmt.Errorf("stream %s: %w", streams[i].Name, err)
		}
	}
	slices.SortStableFunc(e.life.Arrivals, func(a, b arrival) int {
		switch {
		case a.broker < b.broker:
			return -1
		case a.broker > b.broker:
			return 1
		}
		return a.place.compare(b.place)
	})
	e.copies(used)
	return e.follow(ctx)
}

func (e *explainer) arrivalsOf(ctx context.Context, s *pipeline.Stream, places map[logPlace]bool, ids map[string]bool) error {
	rel, ok := e.t.trace.plain.Catalog.Streams[s.Name]
	if !ok {
		return nil
	}
	names := map[string]string{} // the wanted columns that are columns of this stream
	for result := range e.want {
		if c, ok := e.t.trace.Columns[result]; ok && !c.Table && c.Source == s.Name {
			names[result] = c.Column
		}
	}
	var columns, wanted []string
	for _, f := range rel.Fields {
		columns = append(columns, f.Name)
	}
	for _, c := range names {
		wanted = append(wanted, c)
	}
	slices.Sort(wanted)
	var block *replay.Block
	var values []json.RawMessage
	var idTexts []string
	var failed error
	_, err := e.scan(ctx, s, columns, func(b *replay.Block, row int, x judgedRow) {
		if failed != nil {
			return
		}
		if b != block { // once a block
			block, values, idTexts = b, nil, nil
			if len(wanted) > 0 {
				values, failed = validate.Keys(b.Record, wanted)
			}
			if failed == nil && len(s.ID) > 0 && len(ids) > 0 {
				idTexts, failed = joinedTexts(b.Record, s.ID)
			}
			if failed != nil {
				return
			}
		}
		p := (&placedSource{stream: s.Name}).place(b, row)
		id := ""
		if idTexts != nil {
			id = idTexts[row]
		}
		if !places[p] && !(id != "" && ids[s.Name+"\x00"+id]) && !(values != nil && e.matches(decodeKey(string(values[row])), names)) {
			return
		}
		whole, err := validate.Keys(b.Record.NewSlice(int64(row), int64(row)+1), columns)
		if err != nil {
			failed = err
			return
		}
		a := arrival{Stream: s.Name, Partition: p.partition, Offset: p.offset, Fate: x.fate, Reason: x.why, Row: whole[0], place: p, time: x.t, broker: x.broker, id: id}
		if x.t != replay.NoTime {
			a.EventTime = utcText(x.t)
		}
		if x.broker != replay.NoTime {
			a.BrokerTime = utcText(x.broker)
		}
		if x.newest != replay.NoTime {
			a.Newest = utcText(x.newest)
			if x.t != replay.NoTime && x.t < x.newest {
				a.Behind = micros(x.newest - x.t)
			}
		}
		if x.late > 0 {
			a.Reason = fmt.Sprintf("%s too late: %s", micros(x.late), x.why)
		}
		e.life.Arrivals = append(e.life.Arrivals, a)
	})
	return errors.Join(err, failed)
}

// copies marks the rows that are copies of an event whose kept row is another.
func (e *explainer) copies(used map[logPlace]bool) {
	kept := map[string]*arrival{}
	for i := range e.life.Arrivals {
		if a := &e.life.Arrivals[i]; a.id != "" && used[a.place] {
			kept[a.Stream+a.id] = a
		}
	}
	for i := range e.life.Arrivals {
		a := &e.life.Arrivals[i]
		if first, ok := kept[a.Stream+a.id]; ok && a.id != "" && a.Fate == "kept" && !used[a.place] {
			a.Fate, a.Reason = "copy", "the event's kept row is "+first.place.String()
			if names := differing(a.Row, first.Row); len(names) > 0 {
				a.Reason += ", from which it differs in " + strings.Join(names, ", ")
			}
		}
	}
}

// differing are the columns in which two rows of a stream are not the same.
func differing(a, b json.RawMessage) []string {
	x, y := decodeKey(string(a)), decodeKey(string(b))
	var out []string
	for _, name := range slices.Sorted(maps.Keys(x)) {
		if !bytes.Equal(x[name], y[name]) {
			out = append(out, name)
		}
	}
	return out
}

// follow finds the watermarks when each row came, and when each leaves the state.
func (e *explainer) follow(ctx context.Context) error {
	l := e.life
	w := e.t.blame.newWindows()
	type bound struct {
		stay   int
		stream string
		time   int64
	}
	var bounds []bound
	for _, a := range l.Arrivals {
		if a.Fate != "kept" {
			continue
		}
		s := e.t.trace.plain.Pipeline.Stream(a.Stream)
		x := stay{Stream: a.Stream, Row: a.place.String(), from: a.broker, until: replay.NoTime}
		if a.broker != replay.NoTime {
			x.From = utcText(a.broker)
		}
		if len(s.ID) > 0 {
			x.Why = fmt.Sprintf("to see whether it is the first of its id: until the watermark of %s passes %s", a.Stream, utcText(a.time))
			bounds = append(bounds, bound{len(l.State), a.Stream, a.time})
			l.State = append(l.State, x)
		}
		for n, b := range w.bands {
			other, until := "", int64(0)
			switch {
			case n > 0 && a.Stream == w.bands[0].stream:
				other, until = b.stream, a.time+b.hi
			case n > 0 && a.Stream == b.stream:
				other, until = w.bands[0].stream, a.time-b.lo
			default:
				continue
			}
			x.Why = fmt.Sprintf("for rows of %s: until the watermark of %s passes %s", other, other, utcText(until))
			bounds = append(bounds, bound{len(l.State), other, until})
			l.State = append(l.State, x)
		}
	}
	streams := e.t.trace.plain.Pipeline.Streams
	for i := range streams {
		s := &streams[i]
		if _, ok := e.t.trace.plain.Catalog.Streams[s.Name]; !ok {
			continue
		}
		lanes := map[int]*laneTime{}
		n, err := e.scan(ctx, s, []string{s.Time}, func(_ *replay.Block, _ int, x judgedRow) {
			lane := lanes[x.lane]
			if lane == nil {
				lane = &laneTime{at: make([]int64, len(l.Arrivals)), reached: make([]int64, len(bounds))}
				for k := range lane.at {
					lane.at[k] = replay.NoTime
				}
				for k := range lane.reached {
					lane.reached[k] = replay.NoTime
				}
				lanes[x.lane] = lane
			}
			if x.fate != "kept" || x.broker == replay.NoTime {
				return
			}
			for k := range l.Arrivals {
				if x.broker <= l.Arrivals[k].broker {
					lane.at[k] = max(lane.at[k], x.mark)
				}
			}
			for k, b := range bounds {
				if b.stream == s.Name && lane.reached[k] == replay.NoTime && x.mark > b.time {
					lane.reached[k] = x.broker
				}
			}
		})
		if err != nil {
			return err
		}
		for k := range l.Arrivals {
			if l.Arrivals[k].broker == replay.NoTime {
				continue
			}
			w := int64(replay.EndOfTime)
			for i := range n {
				at := int64(replay.NoTime) // of a lane without a row
				if lanes[i] != nil {
					at = lanes[i].at[k]
				}
				w = min(w, at)
			}
			if l.Arrivals[k].Watermarks == nil {
				l.Arrivals[k].Watermarks = map[string]string{}
			}
			l.Arrivals[k].Watermarks[s.Name] = "none"
			if w != replay.NoTime && w != replay.EndOfTime {
				l.Arrivals[k].Watermarks[s.Name] = utcText(w)
			}
		}
		for k, b := range bounds {
			if b.stream != s.Name {
				continue
			}
			until := int64(replay.NoTime)
			for i := range n {
				if lanes[i] == nil || lanes[i].reached[k] == replay.NoTime {
					until = replay.NoTime
					break
				}
				until = max(until, lanes[i].reached[k])
			}
			if x := &l.State[b.stay]; until != replay.NoTime {
				x.until = until
				x.Until = utcText(until)
			}
		}
	}
	e.emissions(len(w.bands))
	return nil
}

// emissions says when a stream can emit the rows of B*.
func (e *explainer) emissions(streams int) {
	for i := range e.life.Results {
		r := &e.life.Results[i]
		if r.Result != "B*" {
			continue
		}
		earliest, known := int64(replay.NoTime), true
		unmatched := len(r.origin.inputs) < streams
		for _, s := range e.life.State {
			if !slices.Contains(r.From, s.Row) {
				continue
			}
			own := strings.HasPrefix(s.Why, "to see")
			if !own && !unmatched {
				continue
			}
			if s.until == replay.NoTime {
				known = false
				continue
			}
			earliest = max(earliest, s.until)
		}
		for _, a := range e.life.Arrivals {
			if slices.Contains(r.From, a.place.String()) {
				earliest = max(earliest, a.broker)
			}
		}
		r.Why = "all its rows are there, and none can be a copy any more"
		if unmatched {
			r.Why = "no row that it waited for can come any more"
		}
		switch {
		case !known:
			r.Why += "; the log ends before that, so the end of the input closes it"
		case earliest != replay.NoTime:
			r.Earliest = utcText(earliest)
		}
	}
}
