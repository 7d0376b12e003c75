package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	EventTime  string `json:"event_time"`
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

// laneTime walks a lane as the law does.
type laneTime struct {
	newest int64
	// reached is, for each of some bounds, the broker time of the row with which the lane's watermark passed it.
	reached []int64
	// at is the newest event time by each of some broker times.
	at []int64
}

// scan reads a stream's lake in the order of its lanes and gives every row with the newest time before it. The
// scan of a row that was late or rejected moves no newest time.
func (e *explainer) scan(ctx context.Context, s *pipeline.Stream, columns []string, visit func(b *replay.Block, row int, lane *laneTime, t, broker int64, fate string)) ([]*laneTime, error) {
	checked := e.t.trace.plain
	o := &replayOptions{world: e.t.world, from: "lake", as: "stream", since: e.t.lakeSince, until: e.t.lakeUntil}
	src, err := o.lakeSource(ctx, s, checked.Catalog.Streams[s.Name], columns, false)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	at := slices.Index(columns, s.Time)
	lanes := make([]*laneTime, len(src.Lanes()))
	for i := range lanes {
		lanes[i] = &laneTime{newest: replay.NoTime}
	}
	err = eachBlock(ctx, src, func(b *replay.Block) error {
		lane := lanes[b.Lane]
		times := b.Record.Column(at).(*array.Timestamp)
		for i := range int(b.Record.NumRows()) {
			t, broker, fate := int64(replay.NoTime), int64(replay.NoTime), "kept"
			if b.BrokerTimes != nil {
				broker = b.BrokerTimes[i]
			}
			switch {
			case times.IsNull(i):
				fate = "rejected"
			default:
				t = int64(times.Value(i))
				if broker != replay.NoTime && t > broker+s.Ahead.Microseconds() {
					fate = "rejected"
				} else if lane.newest != replay.NoTime && t < lane.newest-s.Disorder.Microseconds() {
					fate = "late"
				}
			}
			visit(b, i, lane, t, broker, fate)
			if fate == "kept" {
				lane.newest = max(lane.newest, t)
			}
		}
		return nil
	})
	return lanes, err
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
	_, err := e.scan(ctx, s, columns, func(b *replay.Block, row int, lane *laneTime, t, broker int64, fate string) {
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
		a := arrival{Stream: s.Name, Partition: p.partition, Offset: p.offset, EventTime: utcText(t), Fate: fate, Row: whole[0], place: p, time: t, broker: broker, id: id}
		if broker != replay.NoTime {
			a.BrokerTime = utcText(broker)
		}
		if lane.newest != replay.NoTime {
			a.Newest = utcText(lane.newest)
			if t != replay.NoTime && t < lane.newest {
				a.Behind = micros(lane.newest - t)
			}
		}
		switch fate {
		case "late":
			a.Reason = fmt.Sprintf("%s behind the newest of its partition, %s more than the disorder of %s", a.Behind, micros(lane.newest-t-s.Disorder.Microseconds()), short(s.Disorder))
		case "rejected":
			a.Reason = "no event time"
			if t != replay.NoTime {
				a.Reason = fmt.Sprintf("its event time is %s ahead of the broker's, more than %s", micros(t-broker), short(s.Ahead))
			}
		}
		e.life.Arrivals = append(e.life.Arrivals, a)
	})
	return errors.Join(err, failed)
}

// copies marks the rows that are copies of an event whose kept row is another.
func (e *explainer) copies(used map[logPlace]bool) {
	kept := map[string]logPlace{}
	for _, a := range e.life.Arrivals {
		if a.id != "" && used[a.place] {
			kept[a.Stream+a.id] = a.place
		}
	}
	for i := range e.life.Arrivals {
		a := &e.life.Arrivals[i]
		if first, ok := kept[a.Stream+a.id]; ok && a.id != "" && a.Fate == "kept" && !used[a.place] {
			a.Fate, a.Reason = "copy", "the event's kept row is "+first.String()
		}
	}
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
		disorder := s.Disorder.Microseconds()
		lanes, err := e.scan(ctx, s, []string{s.Time}, func(_ *replay.Block, _ int, lane *laneTime, t, broker int64, fate string) {
			if lane.at == nil {
				lane.at, lane.reached = make([]int64, len(l.Arrivals)), make([]int64, len(bounds))
				for k := range lane.at {
					lane.at[k] = replay.NoTime
				}
				for k := range lane.reached {
					lane.reached[k] = replay.NoTime
				}
			}
			if fate != "kept" || broker == replay.NoTime {
				return
			}
			for k := range l.Arrivals {
				if broker <= l.Arrivals[k].broker {
					lane.at[k] = max(lane.at[k], t)
				}
			}
			for k, b := range bounds {
				if b.stream == s.Name && lane.reached[k] == replay.NoTime && t-disorder > b.time {
					lane.reached[k] = broker
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
			for _, lane := range lanes {
				if lane.at == nil || lane.at[k] == replay.NoTime {
					w = replay.NoTime
					break
				}
				w = min(w, lane.at[k]-disorder)
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
			for _, lane := range lanes {
				if lane.reached == nil || lane.reached[k] == replay.NoTime {
					until = replay.NoTime
					break
				}
				until = max(until, lane.reached[k])
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
