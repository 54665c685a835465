// Command benchrouter compares Teal's router with other proxies on this
// machine: each is a process of its own before the same app, and all are asked
// in turns by the same load tools over loopback. "make bench-router" calls it.
//
// It is also those of the processes that have no program of their own: called
// as "benchrouter app", "benchrouter teal" or "benchrouter reverseproxy" it is
// the app, Teal's router, or Go's httputil.ReverseProxy.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "benchrouter:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "app":
			return serveApp(ctx, args[1:])
		case "teal":
			return serveTeal(ctx, args[1:])
		case "reverseproxy":
			return serveReverseProxy(ctx, args[1:])
		}
	}
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	return compare(ctx, o)
}

// options are what a developer may want otherwise than "make bench-router" does it.
type options struct {
	rounds  int           // of each row, each with every proxy in turn
	each    time.Duration // of load in a round; whole seconds, wrk knows no others
	rows    *regexp.Regexp
	peers   *regexp.Regexp
	profile string // file for a CPU profile of Teal's router over the whole run; "": none
}

func parseOptions(args []string) (options, error) {
	f := flag.NewFlagSet("benchrouter", flag.ContinueOnError)
	quick := f.Bool("quick", false, "two short rounds, without nginx and kamal-proxy: about a minute")
	rounds := f.Int("rounds", 5, "rounds of each row")
	seconds := f.Int("seconds", 2, "seconds of load per proxy in a round")
	rows := f.String("rows", ".", "only rows whose name matches this regular expression")
	peers := f.String("peers", ".", "only proxies whose name matches; teal always takes part")
	profile := f.String("profile", "", "write a CPU profile of Teal's router to this file")
	if err := f.Parse(args); err != nil {
		return options{}, err
	}
	o := options{rounds: *rounds, each: time.Duration(*seconds) * time.Second, profile: *profile}
	if *quick {
		o.rounds, o.each = 2, time.Second
		if *peers == "." {
			*peers = "haproxy|ReverseProxy"
		}
	}
	var err error
	if o.rows, err = regexp.Compile("(?i)" + *rows); err != nil {
		return options{}, fmt.Errorf("-rows: %w", err)
	}
	if o.peers, err = regexp.Compile("(?i)^teal$|" + *peers); err != nil {
		return options{}, fmt.Errorf("-peers: %w", err)
	}
	if f.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected: %s", strings.Join(f.Args(), " "))
	}
	return o, nil
}
