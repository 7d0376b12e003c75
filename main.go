// Command lockstep runs one join over files and live from Kafka, and proves that both answers agree.
package main

import (
	"context"
	"os"

	"github.com/lockstep-data/lockstep/cmd"
)

func main() {
	os.Exit(cmd.Main(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
