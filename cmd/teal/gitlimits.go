package main

import (
	"errors"
	"time"

	"teal/gitserver"
)

// gitConfig bounds what one push may cost.
type gitConfig struct {
	Pack     int           `help:"Largest pack that a push may send, MiB." default:"1024" env:"TEAL_GIT_PACK"`
	Objects  int           `help:"Most objects in it." default:"2000000" env:"TEAL_GIT_OBJECTS"`
	Object   int           `help:"Largest of them, MiB." default:"256" env:"TEAL_GIT_OBJECT"`
	Refs     int           `help:"Most branches and tags that one push may name." default:"64" env:"TEAL_GIT_REFS"`
	Options  int           `help:"Most push options." default:"32" env:"TEAL_GIT_OPTIONS"`
	Request  int           `help:"Largest update request, what comes before the pack, KiB." default:"256" env:"TEAL_GIT_REQUEST"`
	Stall    time.Duration `help:"A client that sends less than 4 KiB in this time is cut." default:"60s" env:"TEAL_GIT_STALL"`
	Receive  time.Duration `help:"Limit of receiving a push." default:"10m" env:"TEAL_GIT_RECEIVE"`
	Unpacks  int           `help:"Pushes that are unpacked at once." default:"2" env:"TEAL_GIT_UNPACKS"`
	DiskFree int           `help:"What must be free on the data's disk for a push to be taken, MiB." default:"2048" env:"TEAL_GIT_DISK_FREE"`
	Files    int           `help:"Most files and directories of a tree that is built." default:"200000" env:"TEAL_GIT_FILES"`
	Tree     int           `help:"Largest tree that is built, MiB." default:"2048" env:"TEAL_GIT_TREE"`
	Depth    int           `help:"Deepest tree that is built." default:"256" env:"TEAL_GIT_DEPTH"`
}

// limits are the settings as gitserver wants them.
func (g gitConfig) limits() (gitserver.Limits, error) {
	const mib = 1 << 20
	for _, n := range []int{
		g.Pack, g.Objects, g.Object, g.Refs, g.Options, g.Request, g.Unpacks, g.DiskFree, g.Files, g.Tree, g.Depth, int(g.Stall), int(g.Receive),
	} {
		if n <= 0 {
			return gitserver.Limits{}, errors.New("the --git- limits must be above 0")
		}
	}
	return gitserver.Limits{
		Pack: int64(g.Pack) * mib, Objects: int64(g.Objects), Object: int64(g.Object) * mib,
		Refs: g.Refs, PushOptions: g.Options, Request: g.Request << 10,
		Stall: g.Stall, Receive: g.Receive, IndexPacks: g.Unpacks, DiskFree: int64(g.DiskFree) * mib,
		Entries: g.Files, TreeBytes: int64(g.Tree) * mib, Depth: g.Depth,
	}, nil
}
