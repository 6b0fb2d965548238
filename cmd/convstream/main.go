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
	"syscall"

	"github.com/convstream/convstream/cmd/internal/config"
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

type command func(ctx context.Context, args []string, t terminal) error

var commands = map[string]command{"run": run, "tail": tail, "dead-letters": deadLetters, "config": showConfig, "version": showVersion}

const usage = `usage: convstream [command]

  run                                    the worker: polls, publishes, serves the admin port (also with no command)
  tail [TOPIC...] [--from beginning|end] [--json|--rows] [--no-follow]
                                         prints the topics' committed records, decoded, as they come;
                                         with --no-follow those that are there, from the beginning
  dead-letters list [--all] [--json] [--rows]
                                         the rows that could not be published, and why; --all also those
                                         that are resolved; the rows themselves only with --rows
  dead-letters replay ID...|--all [--json] [--admin URL]
                                         asks the active worker (at ADMIN_ADDR, or URL) to try them again
  config [--markdown]                    every setting, its default and its value
  version                                version, commit, Go

Settings are environment variables only; 'convstream config' lists them.
`

func dispatch(ctx context.Context, args []string, t terminal) int {
	name := "run"
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch {
	case name == "help", asksForHelp(name), slices.ContainsFunc(args, asksForHelp):
		fmt.Fprint(t.out, usage)
		return exitDone
	case name == "--version":
		name = "version"
	}
	run, known := commands[name]
	if !known {
		fmt.Fprintf(t.err, "convstream: unknown command %q\n\n%s", name, usage)
		return exitUsage
	}
	err := run(ctx, args, t)
	if err == nil {
		return exitDone
	}
	if errors.Is(err, errLogged) {
		return exitFailed
	}
	fmt.Fprintf(t.err, "convstream: %v\n", err)
	_, wrongConfig := errors.AsType[*config.Error](err)
	if wrongConfig || errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitFailed
}

func asksForHelp(arg string) bool { return arg == "-h" || arg == "-help" || arg == "--help" }

// errLogged is a failure that the log has told of, in the log's own format.
var errLogged = errors.New("see the log")

// errUsage marks errors of the command line.
var errUsage = errors.New("see 'convstream help'")
