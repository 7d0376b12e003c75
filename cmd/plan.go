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
rows and for how long. FILE may be - for standard input.`,
		Example:     "  lockstep plan take_rate.yaml",
		Args:        exactly(1, "takes one pipeline file"),
		Annotations: exits("0    done\n2    the file could not be read, or has problems (lockstep lint lists them)"),
		RunE: func(c *cobra.Command, args []string) error {
			checked, err := w.loadPipeline(c.Context(), args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(w.stdout, strings.TrimRight(checked.Plan.String(), "\n"))
			return err
		},
	}
}
