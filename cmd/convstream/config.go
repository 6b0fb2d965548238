package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/show"
)

func configCommand() *command {
	c := newCommand("config", "", "every setting, its default and its value")
	c.details = "Secrets are redacted. With ACCOUNTS_DIR also what the file of each account sets. Where settings are wrong it names them and fails as run would."
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

// showConfig prints every setting of the environment, then what each file of ACCOUNTS_DIR sets; where some are wrong it
// names them all and fails as run would.
func showConfig(t terminal) error {
	settings, err := config.Settings(os.LookupEnv)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SETTING\tDEFAULT\tVALUE")
	for _, s := range settings {
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.Name, s.Default, valueOr("(default)", s))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if err := showFiles(t); err != nil {
		return err
	}
	process, accounts, err := config.LoadAll(os.LookupEnv, os.Environ())
	if err != nil {
		return err
	}
	warnings := process.Warnings()
	for _, a := range accounts {
		for _, text := range a.Config.Warnings() {
			warnings = append(warnings, strings.TrimPrefix(a.Name+": "+text, ": "))
		}
	}
	for _, text := range warnings {
		fmt.Fprintf(t.out, "\nwarning: %s\n", show.Text(text))
	}
	fmt.Fprint(t.out, "\nthe configuration is valid\n")
	return nil
}

// showFiles prints what the files of accounts set.
func showFiles(t terminal) error {
	files, err := config.SettingsOfFiles(os.LookupEnv)
	if err != nil {
		return err
	}
	for _, f := range files {
		fmt.Fprintf(t.out, "\n%s: account %s\n", f.File, cmp.Or(f.AccountID, "unknown"))
		table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
		for _, s := range f.Settings {
			fmt.Fprintf(table, "  %s\t%s\n", s.Name, valueOr("(unset)", s))
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func valueOr(unset string, s config.Setting) string {
	if s.Set {
		return s.Value
	}
	return unset
}
