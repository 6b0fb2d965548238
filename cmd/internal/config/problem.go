package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Error says that the configuration is wrong: every wrong setting, one a line. The process exits 2 over it.
type Error struct {
	Problems []Problem
	joined   error
}

// Problem is one wrong setting: where it stands, and what is wrong and expected, without a secret in it.
type Problem struct {
	File string // of ACCOUNTS_DIR, "eu.env"; "" for the environment
	Name string // of the variable; in a file "line 3" where no variable can be told, "" for the file itself
	Text string
}

// Error is the problem in one line.
func (p Problem) Error() string {
	line := p.Text
	for _, where := range []string{p.Name, p.File} {
		if where != "" {
			line = where + ": " + line
		}
	}
	return line
}

// Error is one line for each problem under a line that counts them.
func (e *Error) Error() string {
	head := "configuration: 1 setting is wrong"
	if n := len(e.Problems); n > 1 {
		head = fmt.Sprintf("configuration: %d settings are wrong", n)
	}
	return head + "\n  " + strings.ReplaceAll(e.joined.Error(), "\n", "\n  ")
}

// Unwrap returns the joined problems.
func (e *Error) Unwrap() error { return e.joined }

// problems collects what is wrong: the first finding for each name, since what follows from a value that could not
// even be decoded helps nobody.
type problems struct{ found []Problem }

func (p *problems) add(name, format string, args ...any) {
	if p.ok(name) {
		p.found = append(p.found, Problem{Name: name, Text: fmt.Sprintf(format, args...)})
	}
}

// require adds a problem unless the condition holds.
func (p *problems) require(holds bool, name, format string, args ...any) {
	if !holds {
		p.add(name, format, args...)
	}
}

// ok says whether nothing was found wrong with any of the names yet.
func (p *problems) ok(names ...string) bool {
	return !slices.ContainsFunc(p.found, func(f Problem) bool { return slices.Contains(names, f.Name) })
}

// err returns an *Error with the problems, those of the environment first, then file by file, each in the order of the
// table, others last; nil if there are none.
func (p *problems) err() error {
	if len(p.found) == 0 {
		return nil
	}
	slices.SortStableFunc(p.found, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), rank(a.Name)-rank(b.Name))
	})
	errs := make([]error, len(p.found))
	for i, f := range p.found {
		errs[i] = f
	}
	return &Error{Problems: p.found, joined: errors.Join(errs...)}
}

// rank is where a name stands in the table.
func rank(name string) int {
	if i := slices.Index(known, name); i >= 0 {
		return i
	}
	return len(known)
}
