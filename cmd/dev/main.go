// Command dev is what the Makefile calls: it sets a machine up ("setup"), shows
// the main job with real parts ("demo"), and builds the server's own image
// ("image"). It is not part of Teal.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "dev:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: dev setup demo|test|bench|bench-router|proof-router|bench-git|image, dev demo, or dev image")

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "setup":
		return setup(ctx, args[1])
	case len(args) == 1 && args[0] == "demo":
		return demo(ctx, os.Getenv("DEMO_EXIT") != "")
	case len(args) == 1 && args[0] == "image":
		return image(ctx, serverImage)
	}
	return errUsage
}
