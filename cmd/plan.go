package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func newPlan(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "plan FILE",
		Short: "Show how a pipeline's query is run",
		Long: `Show the plan of a pipeline's query: what is read, where filters and projections take place, which joins hold
rows and for how long, and by what those rows are spread over the shards: all
rows of one key are one shard's. What share the heaviest keys have is known once
it has run: the summary of lockstep replay names them. FILE may be - for
standard input.`,
		Example:     "  lockstep plan take_rate.yaml",
		Args:        exactly(1, "takes one pipeline file"),
		Annotations: exits("0    done\n2    the file could not be read, or has problems (lockstep lint lists them)"),
		RunE: func(c *cobra.Command, args []string) error {
			checked, err := w.loadPipeline(c.Context(), args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(w.stdout, strings.TrimRight(checked.Plan.String(), "\n"))
			if spread := checked.Plan.Spread(); len(spread) > 0 && err == nil {
				_, err = fmt.Fprintf(w.stdout, "\nrows held are spread over the shards\n  . %s\n", strings.Join(spread, "\n  . "))
			}
			return err
		},
	}
}
