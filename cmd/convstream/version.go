package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
)

func showVersion(_ context.Context, args []string, t terminal) error {
	if len(args) > 0 {
		return fmt.Errorf("version takes no arguments; %w", errUsage)
	}
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
