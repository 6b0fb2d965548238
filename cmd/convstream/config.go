package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/convstream/convstream/cmd/internal/config"
)

func configCommand() *command {
	c := newCommand("config", "", "every setting, its default and its value")
	c.details = "Secrets are redacted. Where settings are wrong it names them and fails as run would."
	markdown := c.flags.Bool("markdown", false, "print the table of settings in Markdown instead, whatever is set")
	c.run = func(_ context.Context, _ []string, t terminal) error {
		if *markdown {
			_, err := fmt.Fprint(t.out, config.Table())
			return err
		}
		return showConfig(t)
	}
	return c
}

// showConfig prints every setting; where some are wrong it names them and fails as run would.
func showConfig(t terminal) error {
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
