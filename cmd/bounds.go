package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/replay/lake"
	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/validate"
)

// fromManifest as a bound means: what the sides' own manifests say.
const fromManifest = "manifest"

// manifestNear finds the manifest of a run's folder, or of the run that a folder is an output of. base is the
// run's folder, "" when there is none.
func (w *world) manifestNear(ctx context.Context, place string) (m *lake.Manifest, base string) {
	if isTopic(place) || place == "-" {
		return nil, ""
	}
	place = strings.TrimRight(place, "/")
	if m, err := lake.ReadManifest(ctx, place, w.env); err == nil {
		return m, place
	}
	parent := path.Dir(filepath.ToSlash(place))
	if !strings.HasPrefix(place, parent+"/") {
		return nil, ""
	}
	if m, err := lake.ReadManifest(ctx, parent, w.env); err == nil {
		return m, parent
	}
	return nil, ""
}

// watermarkOf is the watermark of a side that lockstep wrote, as the judge takes it; "" where there is none.
func (w *world) watermarkOf(ctx context.Context, place string) string {
	m, _ := w.manifestNear(ctx, place)
	var in replay.Inputs
	if m == nil || json.Unmarshal(m.Inputs, &in) != nil {
		return ""
	}
	switch {
	case in.Complete:
		return "end"
	case in.Watermark != nil:
		return utcText(*in.Watermark)
	}
	return ""
}

// fromCheckpoint begins a bound that the newest checkpoint of a place gives: checkpoint:PLACE, or checkpoint:PLACE#STREAM.
const fromCheckpoint = "checkpoint:"

// checkpointWatermark is how far a run's outputs, or one stream of its input, had come at its newest checkpoint, as the
// judge takes it.
func (w *world) checkpointWatermark(ctx context.Context, bound string) (string, error) {
	place, stream, ofStream := strings.Cut(strings.TrimPrefix(bound, fromCheckpoint), "#")
	if place == "" {
		return "", schema.WithHint(fmt.Errorf("--watermark %s names no place", bound), "write checkpoint:PLACE, as it was given to replay --checkpoint")
	}
	vault, epochs, err := w.checkpoints(ctx, place)
	if err != nil {
		return "", fmt.Errorf("--watermark: %w", err)
	}
	var cp *replay.Checkpoint
	for i := len(epochs) - 1; i >= 0 && (cp == nil || cp.Begun); i-- { // a run that has begun has come nowhere yet
		if cp, err = replay.ReadCheckpoint(ctx, vault, epochs[i]); err != nil {
			return "", fmt.Errorf("--watermark: %w", err)
		}
	}
	at := cp.Watermark
	if ofStream {
		s, ok := cp.Streams[stream]
		if !ok && !cp.Begun {
			return "", schema.WithHint(fmt.Errorf("--watermark %s: the run has no stream %q", bound, stream),
				fmt.Sprintf("its streams are %s; without #STREAM the outputs' watermark is taken", strings.Join(slices.Sorted(maps.Keys(cp.Streams)), ", ")))
		}
		at = &s.Watermark
	}
	switch {
	case cp.Begun || at != nil && *at == replay.NoTime:
		return "", schema.WithHint(fmt.Errorf("--watermark %s: the run had come to no time yet", bound), "wait for its first rows, or give the time itself")
	case at == nil:
		return "", schema.WithHint(fmt.Errorf("--watermark %s: an earlier version wrote it, without its outputs' watermark", bound),
			"let the run write another checkpoint, or name a stream: "+fromCheckpoint+place+"#"+strings.Join(slices.Sorted(maps.Keys(cp.Streams)), " or #"))
	case *at == replay.EndOfTime:
		return "end", nil
	}
	return utcText(*at), nil
}

// setBounds says how far the sides have come: by --watermark and --offsets. Sides are places; of the three results S
// alone, for the others come from a lake that is whole.
func (o *validateOptions) setBounds(ctx context.Context, opts *validate.Options, sides ...string) error {
	switch {
	case o.watermark == "":
	case strings.HasPrefix(o.watermark, fromCheckpoint):
		mark, err := o.world.checkpointWatermark(ctx, o.watermark)
		if err != nil {
			return err
		}
		opts.Left.Watermark, opts.Right.Watermark = mark, mark
	case o.watermark == fromManifest:
		var marks []string
		for _, place := range sides {
			marks = append(marks, o.world.watermarkOf(ctx, place))
		}
		if strings.Join(marks, "") == "" {
			return schema.WithHint(fmt.Errorf("--watermark manifest: no side has a manifest that names its watermark: %s", strings.Join(sides, ", ")),
				"`lockstep replay --to` writes one; give the time itself for other outputs")
		}
		opts.Left.Watermark, opts.Right.Watermark = marks[0], marks[len(marks)-1]
	default:
		opts.Left.Watermark, opts.Right.Watermark = o.watermark, o.watermark
	}
	if o.offsets == nil {
		return nil
	}
	if len(o.offsets) == 1 && o.offsets[0] == fromManifest {
		var err error
		opts.Offsets, err = o.world.capturedOffsets(ctx, sides)
		return err
	}
	if len(o.offsets) == 0 { // it would leave every row pending
		return schema.WithHint(errors.New("--offsets names no partition"), "write --offsets 0:1200,1:900, or --offsets manifest")
	}
	opts.Offsets = map[int32]int64{}
	for _, s := range o.offsets {
		part, at, ok := strings.Cut(s, ":")
		p, err1 := strconv.ParseInt(strings.TrimSpace(part), 10, 32)
		off, err2 := strconv.ParseInt(strings.TrimSpace(at), 10, 64)
		if !ok || errors.Join(err1, err2) != nil || p < 0 || off < 0 {
			return schema.WithHint(fmt.Errorf("--offsets %q is no PARTITION:OFFSET", s), "write --offsets 0:1200,1:900, or --offsets manifest")
		}
		if _, ok := opts.Offsets[int32(p)]; ok {
			return schema.WithHint(fmt.Errorf("--offsets names partition %d twice", p), "write each partition's offset once")
		}
		opts.Offsets[int32(p)] = off
	}
	return nil
}

// capturedOffsets are, by partition, the lesser of the places that the captures of all sides came to.
func (w *world) capturedOffsets(ctx context.Context, sides []string) (map[int32]int64, error) {
	var least map[int32]int64
	for _, place := range sides {
		m, _ := w.manifestNear(ctx, place)
		if m == nil {
			continue
		}
		var at captureInputs
		stream := path.Base(strings.TrimRight(filepath.ToSlash(place), "/"))
		if json.Unmarshal(m.Inputs, &at) != nil || at.Positions[stream] == nil {
			continue
		}
		mine := map[int32]int64{}
		for lane, off := range at.Positions[stream] {
			p, err := strconv.ParseInt(lane, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("%s: its manifest counts by %q, which is no partition", place, lane)
			}
			mine[int32(p)] = off
		}
		if least == nil {
			least = mine
			continue
		}
		for _, p := range slices.Collect(maps.Keys(least)) {
			least[p] = min(least[p], mine[p])
		}
	}
	if least == nil {
		return nil, schema.WithHint(fmt.Errorf("--offsets manifest: no side is a stream's folder with a manifest: %s", strings.Join(sides, ", ")),
			"`lockstep capture --to` writes one; give the offsets themselves for others: 0:1200,1:900")
	}
	return least, nil
}
