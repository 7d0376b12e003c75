package cmd

import (
	"time"

	"github.com/lockstep-data/lockstep/replay/pipeline"
)

// duration is a flag that is written as in a pipeline file: 10m, 1h30m, 2d.
type duration time.Duration

func (d *duration) Type() string { return "duration" }

// String is "0" for none, which usage does not show.
func (d *duration) String() string {
	if *d == 0 {
		return "0"
	}
	return time.Duration(*d).String()
}

func (d *duration) Set(s string) error {
	x, err := pipeline.ParseDuration(s)
	*d = duration(x)
	return err
}
