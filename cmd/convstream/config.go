package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/convstream/convstream/cmd/internal/config"
)

// showConfig prints every setting; it names those that are wrong and does not fail over them.
func showConfig(_ context.Context, args []string, t terminal) error {
	flags := flag.NewFlagSet("config", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	markdown := flags.Bool("markdown", false, "")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return fmt.Errorf("config takes --markdown and nothing else; %w", errUsage)
	}
	if *markdown {
		table, err := config.Markdown()
		fmt.Fprint(t.out, table)
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
	verdict := "the configuration is valid"
	if _, err := config.Load(os.LookupEnv, os.Environ()); err != nil {
		verdict = err.Error()
	}
	fmt.Fprintf(t.out, "\n%s\n", verdict)
	return nil
}
