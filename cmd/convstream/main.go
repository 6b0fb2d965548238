// Command convstream is the worker that brings an account's conversations from SmartAssist into Kafka, and the commands
// to look at it. Everything is configured by environment variables: see `convstream config`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/show"
)

// Set by the linker.
var (
	version = "dev"
	commit  = ""
)

// Exit codes of every command.
const (
	exitDone   = 0 // done, or drained after a signal
	exitFailed = 1
	exitUsage  = 2 // wrong usage or configuration
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	os.Exit(dispatch(ctx, os.Args[1:], terminal{os.Stdout, os.Stderr}))
}

// terminal is where a command writes.
type terminal struct{ out, err io.Writer }

// commands returns all commands, in the order of the overview. The first is the default.
func commands() []*command {
	return []*command{runCommand(), checkCommand(), statusCommand(), tailCommand(), listCommand(), replayCommand(),
		backfillCommand(), backfillListCommand(), backfillCancelCommand(), gapsListCommand(), gapsAcceptCommand(), auditCommand(),
		driftCommand(), configCommand(), versionCommand()}
}

// dispatch runs the command that the arguments name and returns the exit code.
func dispatch(ctx context.Context, args []string, t terminal) int {
	all := commands()
	if len(args) == 0 {
		args = []string{all[0].name}
	}
	help := slices.ContainsFunc(args, asksForHelp)
	switch args[0] {
	case "help":
		help, args = true, args[1:]
	case "--version":
		args = append([]string{"version"}, args[1:]...)
	}
	c, rest := find(all, args)
	switch {
	case help && c != nil:
		fmt.Fprint(t.out, c.usage())
		return exitDone
	case help && (len(args) == 0 || asksForHelp(args[0]) || len(second(all, args[0])) > 0):
		fmt.Fprint(t.out, overview(all))
		return exitDone
	case c != nil:
		rest, err := c.parse(rest)
		if err == nil {
			err = c.run(ctx, rest, t)
		}
		return conclude(err, t)
	}
	if words := second(all, args[0]); len(words) > 0 {
		return conclude(fmt.Errorf("%s: expected %s; %w", args[0], strings.Join(words, " or "), errUsage), t)
	}
	fmt.Fprintf(t.err, "convstream: unknown command %q\n\n%s", args[0], overview(all))
	return exitUsage
}

// conclude prints an error and returns its exit code.
func conclude(err error, t terminal) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errLogged):
		return exitFailed
	}
	fmt.Fprintf(t.err, "convstream: %s\n", show.Text(err.Error()))
	_, wrongConfig := errors.AsType[*config.Error](err)
	if wrongConfig || errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitFailed
}

func asksForHelp(arg string) bool { return arg == "-h" || arg == "-help" || arg == "--help" }

// errLogged is an error that is already in the log.
var errLogged = errors.New("see the log")

// errUsage marks errors of the command line.
var errUsage = errors.New("see 'convstream help'")
