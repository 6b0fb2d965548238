package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
)

func versionCommand() *command {
	c := newCommand("version", "", "version, commit, Go")
	c.run = showVersion
	return c
}

func showVersion(_ context.Context, _ []string, t terminal) error {
	from := commit
	if info, ok := debug.ReadBuildInfo(); ok && from == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				from = s.Value
			}
		}
	}
	if from == "" {
		from = "unknown"
	}
	fmt.Fprintf(t.out, "convstream %s, commit %s, %s\n", version, from, runtime.Version())
	return nil
}
