package main

import (
	"time"

	"teal/builder"
)

// holdCommand is "teal hold-builds", which nobody types: see builder.HoldBuilds.
type holdCommand struct {
	Root     string        `required:"" help:"Where the control groups of the host are."`
	Unified  bool          `help:"They are version 2."`
	Systemd  bool          `help:"The Engine leaves them to systemd."`
	Free     int64         `required:"" help:"Bytes that builds may take more than they have."`
	Most     int64         `help:"Bytes that they may have in all; 0: not bounded."`
	Patience time.Duration `default:"30s" help:"How long builds may get next to no processor time."`
}

// Run holds builds until the input ends.
func (h holdCommand) Run(t *terminal) error {
	return builder.HoldBuilds(t.ctx, builder.Hold(h), t.stdin, t.stdout)
}
