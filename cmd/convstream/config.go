package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/convstream/convstream/cmd/internal/config"
)

// showConfig prints every setting; where some are wrong it names them and fails as run would.
func showConfig(_ context.Context, args []string, t terminal) error {
	flags := newFlags("config")
	markdown := flags.Bool("markdown", false, "")
	if others, err := parse(flags, args); err != nil || len(others) > 0 {
		return fmt.Errorf("config takes --markdown and nothing else; %w", errUsage)
	}
	if *markdown {
		_, err := fmt.Fprint(t.out, config.Table())
		return err
	}
	settings, err := config.Settings(os.LookupEnv)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SETTING\tDEFAULT\tVALUE")
	for _, s := range settings {
		value := "(default)"
		if s.Set {
			value = s.Value
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.Name, s.Default, value)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if _, err := config.Load(os.LookupEnv, os.Environ()); err != nil {
		return err
	}
	fmt.Fprint(t.out, "\nthe configuration is valid\n")
	return nil
}
