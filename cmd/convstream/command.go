package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// command declares a subcommand: its command line and its usage follow from it. Its flags and
// its run function share variables, so it can be run once.
type command struct {
	name    string // as it is typed, "dead-letters list"
	args    string // what it takes besides flags, as usage shows it; "" for nothing
	summary string // one line
	details string // more of it, for its own usage; may be ""
	instead string // added to the error if there are arguments and it takes none; may be ""
	flags   *flag.FlagSet
	run     func(ctx context.Context, args []string, t terminal) error // args are those that are not flags
}

// newCommand returns a command without flags and without a run function.
func newCommand(name, args, summary string) *command {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return &command{name: name, args: args, summary: summary, flags: flags}
}

// parse sets the flags and returns the other arguments, which may come before, between and after them.
func (c *command) parse(args []string) (others []string, err error) {
	for len(args) > 0 {
		if err := c.flags.Parse(args); err != nil {
			if c.args == "" {
				return nil, fmt.Errorf("%s: %w; %w", c.takes(), err, errUsage)
			}
			return nil, fmt.Errorf("%s: %w; %w", c.name, err, errUsage)
		}
		if args = c.flags.Args(); len(args) > 0 {
			others, args = append(others, args[0]), args[1:]
		}
	}
	if c.args == "" && len(others) > 0 {
		return nil, fmt.Errorf("%s; %w", c.takes(), errUsage)
	}
	return others, nil
}

// takes describes the flags of a command that takes no other arguments.
func (c *command) takes() string {
	var names []string
	for _, f := range c.options() {
		names = append(names, "--"+f.Name)
	}
	text := "no arguments"
	switch last := len(names) - 1; {
	case last == 0:
		text = names[0] + " and nothing else"
	case last > 0:
		text = strings.Join(names[:last], ", ") + " and " + names[last] + " and nothing else"
	}
	if c.instead != "" {
		text += ", " + c.instead
	}
	return c.name + " takes " + text
}

// options returns the command's flags ordered by name.
func (c *command) options() []*flag.Flag {
	var all []*flag.Flag
	c.flags.VisitAll(func(f *flag.Flag) { all = append(all, f) })
	return all
}

// synopsis returns the command with its arguments and flags.
func (c *command) synopsis() string {
	words := []string{c.name}
	if c.args != "" {
		words = append(words, c.args)
	}
	for _, f := range c.options() {
		words = append(words, "["+spelt(f)+"]")
	}
	return strings.Join(words, " ")
}

// spelt returns a flag as it is typed, with the name of its value, which is in back quotes in its usage.
func spelt(f *flag.Flag) string {
	value, _ := flag.UnquoteUsage(f)
	return strings.TrimSpace("--" + f.Name + " " + value)
}

// usage returns the help text of the command.
func (c *command) usage() string {
	var b strings.Builder
	fmt.Fprintf(&b, "usage: convstream %s\n\n%s\n", c.synopsis(), c.summary)
	if c.details != "" {
		fmt.Fprintln(&b, c.details)
	}
	if len(c.options()) > 0 {
		fmt.Fprintln(&b)
	}
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, f := range c.options() {
		_, text := flag.UnquoteUsage(f)
		fmt.Fprintf(table, "  %s\t%s\n", spelt(f), text)
	}
	_ = table.Flush() // into memory
	return b.String()
}

// overview returns the help text of all commands.
func overview(all []*command) string {
	const column = 41 // of the summaries
	var b strings.Builder
	b.WriteString("usage: convstream [command]\n\n")
	for _, c := range all {
		left := "  " + c.synopsis()
		if len(left) >= column {
			fmt.Fprintln(&b, left)
			left = ""
		}
		fmt.Fprintf(&b, "%-*s%s\n", column, left, c.summary)
	}
	b.WriteString("\n'convstream COMMAND --help' shows the usage of one.\nSettings are environment variables only; 'convstream config' lists them.\n")
	return b.String()
}

// find returns the command with the most words that the arguments begin with, nil if there is none, and the arguments after it.
func find(all []*command, args []string) (found *command, rest []string) {
	rest, most := args, 0
	for _, c := range all {
		if words := strings.Fields(c.name); len(words) > most && len(args) >= len(words) && slices.Equal(words, args[:len(words)]) {
			found, rest, most = c, args[len(words):], len(words)
		}
	}
	return found, rest
}

// second returns the second words of the commands that begin with the first word.
func second(all []*command, first string) []string {
	var words []string
	for _, c := range all {
		if word, is := strings.CutPrefix(c.name, first+" "); is {
			words = append(words, word)
		}
	}
	return words
}
