package cmd

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lockstep-data/lockstep/replay/pipeline"
)

// settings are what may change between two runs over one checkpoint, by name: checkpoints note them, so that the
// next run can say what is different.
func settings(p *pipeline.Pipeline) map[string]string {
	out := map[string]string{"the pipeline": p.Name, "the query": oneLine(p.Query), "on_error": p.OnError}
	if len(p.Kafka.Brokers) > 0 {
		out["the brokers"] = strings.Join(p.Kafka.Brokers, ", ")
	}
	for _, o := range p.Outputs {
		rows := "every row"
		if o.Where != "" {
			rows += " WHERE " + oneLine(o.Where)
		}
		if o.Kafka != nil {
			rows += ", to topic " + o.Kafka.Topic
		}
		out["output "+o.Name] = rows
	}
	return out
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// changes says how settings differ from those of the checkpoint that the run goes on from.
func changes(was, is map[string]string) []string {
	if was == nil {
		return nil
	}
	all := maps.Clone(was)
	maps.Copy(all, is)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		before, had := was[name]
		now, has := is[name]
		switch {
		case had != has && !strings.HasPrefix(name, "output "):
			// It was not noted, or is not used.
		case !had:
			out = append(out, name+" is new: it gets rows from here on")
		case !has:
			out = append(out, name+" is no longer written")
		case before != now:
			out = append(out, fmt.Sprintf("%s: %s; was: %s", name, now, before))
		}
	}
	return out
}
