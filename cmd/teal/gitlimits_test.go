package main

import (
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"teal/gitserver"
)

func TestEveryLimitOnAPushIsASetting(t *testing.T) {
	t.Parallel()
	parse := func(args ...string) (gitserver.Limits, error) {
		var c struct {
			Git gitConfig `embed:"" prefix:"git-"`
		}
		parser, err := kong.New(&c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(args); err != nil {
			t.Fatal(err)
		}
		return c.Git.limits()
	}
	for want, args := range map[gitserver.Limits][]string{
		{
			Pack: 1 << 30, Objects: 2_000_000, Object: 256 << 20, Refs: 64, PushOptions: 32, Request: 256 << 10, Stall: time.Minute,
			Receive: 10 * time.Minute, IndexPacks: 2, DiskFree: 2 << 30, Entries: 200_000, TreeBytes: 2 << 30, Depth: 256,
		}: nil,
		{
			Pack: 1 << 20, Objects: 2, Object: 3 << 20, Refs: 4, PushOptions: 5, Request: 6 << 10, Stall: 7 * time.Second,
			Receive: 8 * time.Second, IndexPacks: 9, DiskFree: 10 << 20, Entries: 11, TreeBytes: 12 << 20, Depth: 13,
		}: {
			"--git-pack=1", "--git-objects=2", "--git-object=3", "--git-refs=4", "--git-options=5", "--git-request=6", "--git-stall=7s",
			"--git-receive=8s", "--git-unpacks=9", "--git-disk-free=10", "--git-files=11", "--git-tree=12", "--git-depth=13",
		},
	} {
		if got, err := parse(args...); err != nil || got != want {
			t.Errorf("%v: %+v, %v", args, got, err)
		}
	}
	if _, err := parse("--git-pack=0"); err == nil {
		t.Error("a pack of no size is a limit")
	}
}
