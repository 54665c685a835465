// Command teal is a self-hosted deployer: git push over SSH, blue and green,
// no dropped request. "teal serve" is the daemon; the other commands are for
// the person who runs the machine. Everything else is done over SSH.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // schedules name time zones, and small images have no zone files

	"github.com/alecthomas/kong"
)

// version is set by the linker (-X main.version=…).
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "teal:", err)
		os.Exit(1)
	}
}

// cli is the command line.
type cli struct {
	Serve   serveCommand   `cmd:"" help:"Run the daemon. Needs no configuration: data in one directory, sane ports."`
	User    userCommand    `cmd:"" help:"Manage users on this machine, also while the daemon runs."`
	Stack   stackCommand   `cmd:"" help:"Manage the base images that Teal builds on (teal/base, teal/go, teal/node and others)."`
	Eject   ejectCommand   `cmd:"" help:"Write the Dockerfile that Teal would build an app by into its checkout."`
	Backup  backupCommand  `cmd:"" help:"Write a consistent copy of the database to a file, also while the daemon runs."`
	Hold    holdCommand    `cmd:"" name:"hold-builds" hidden:"" help:"Hold builds back until the input ends; the daemon runs this in a container."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// terminal is what a command talks to.
type terminal struct {
	ctx    context.Context
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// run parses args and runs the command. It is main without the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if p := os.Getenv("TEAL_CONFIG"); p != "" {
		if _, err := os.Stat(p); err != nil {
			return fmt.Errorf("cannot read the configuration file that TEAL_CONFIG names: %w", err)
		}
	}
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("teal"),
		kong.Description("Self-hosted blue/green deployments by git push. Start with: teal serve"),
		kong.Configuration(configFile, configPaths()...),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.UsageOnError(),
	)
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // --help
		return nil
	}
	if err != nil {
		return err
	}
	return parsed.Run(&terminal{ctx, stdin, stdout, stderr})
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(t *terminal) error {
	_, err := fmt.Fprintln(t.stdout, "teal", version)
	return err
}
