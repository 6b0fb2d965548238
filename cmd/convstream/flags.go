package main

import (
	"flag"
	"fmt"
	"io"
)

// newFlags is a command's set of flags. The texts are those of usage.
func newFlags(command string) *flag.FlagSet {
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

// parse sets the flags and gives the other arguments, which may stand before, between and behind them.
func parse(flags *flag.FlagSet, args []string) (others []string, err error) {
	for len(args) > 0 {
		if err := flags.Parse(args); err != nil {
			return nil, fmt.Errorf("%s: %w; %w", flags.Name(), err, errUsage)
		}
		if args = flags.Args(); len(args) > 0 {
			others, args = append(others, args[0]), args[1:]
		}
	}
	return others, nil
}
