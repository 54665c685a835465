// Command holder is "teal hold-builds" alone, as the tests put it into a container.
package main

import (
	"context"
	"flag"
	"log"
	"os"

	"teal/builder"
)

func main() {
	var h builder.Hold
	flag.StringVar(&h.Root, "root", "", "")
	flag.BoolVar(&h.Unified, "unified", false, "")
	flag.BoolVar(&h.Systemd, "systemd", false, "")
	flag.Int64Var(&h.Free, "free", 0, "")
	flag.Int64Var(&h.Most, "most", 0, "")
	flag.DurationVar(&h.Patience, "patience", 0, "")
	if len(os.Args) < 2 || os.Args[1] != "hold-builds" || flag.CommandLine.Parse(os.Args[2:]) != nil {
		log.Fatal("usage: holder hold-builds …")
	}
	if err := builder.HoldBuilds(context.Background(), h, os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}
