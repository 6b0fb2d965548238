package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/convstream/convstream/cmd/internal/drift"
	"github.com/convstream/convstream/cmd/internal/show"
)

// driftOptions are the flags of drift.
type driftOptions struct {
	askOptions
	asJSON bool
}

func driftCommand() *command {
	var o driftOptions
	c := newCommand("drift", "", "how the service's rows differ from the schema, since when and how often")
	c.details = "Asks a worker, active or standby. It tells names and types, never values.\n" +
		"Nothing is lost by a difference: what no field holds stands in unmapped."
	o.declare(c)
	c.flags.BoolVar(&o.asJSON, "json", false, "an object a finding, for jq")
	c.run = func(ctx context.Context, _ []string, t terminal) error { return o.run(ctx, t) }
	return c
}

func (o driftOptions) run(ctx context.Context, t terminal) error {
	worker, err := o.worker()
	if err != nil {
		return err
	}
	answer, err := worker.Get(ctx, "/status")
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	var s struct{ Accounts []accountDrift }
	if err := json.NewDecoder(answer).Decode(&s); err != nil {
		return fmt.Errorf("the worker's status cannot be read: %w. Is %s the admin port of a worker of this version?", err, worker.URL)
	}
	accounts, err := chosen(s.Accounts, o.account)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if err := o.print(a, len(accounts) > 1, show.Safe(t.out)); err != nil {
			return err
		}
	}
	return nil
}

// accountDrift is what is read of an account's status.
type accountDrift struct {
	Account string
	Drift   *drift.Report
}

// chosen returns the account of that id; all of them where none is named.
func chosen(accounts []accountDrift, id string) ([]accountDrift, error) {
	if id == "" {
		return accounts, nil
	}
	for i, a := range accounts {
		if a.Account == id {
			return accounts[i : i+1], nil
		}
	}
	return nil, fmt.Errorf("the worker has no account %q: its /status lists them", id)
}

func (o driftOptions) print(a accountDrift, named bool, out io.Writer) error {
	if o.asJSON {
		return a.json(out)
	}
	text := a.text()
	if named {
		text = fmt.Sprintf("account %s\n", a.Account) + text
	}
	for line := range strings.Lines(text) {
		if _, err := io.WriteString(out, line); err != nil {
			return err
		}
	}
	return nil
}

func (a accountDrift) json(out io.Writer) error {
	if a.Drift == nil {
		return nil
	}
	lines := json.NewEncoder(out)
	for _, f := range a.Drift.Findings {
		if err := lines.Encode(struct {
			Account string `json:"account"`
			drift.Finding
		}{a.Account, f}); err != nil {
			return err
		}
	}
	return nil
}

// text has a line a finding, those that began last first.
func (a accountDrift) text() string {
	r := a.Drift
	switch {
	case r == nil:
		return "not known: this worker has not read the account's state yet, or others work on it and stand by for it; --admin names another worker\n"
	case r.Since.IsZero():
		return "no row was looked at yet\n"
	case len(r.Findings) == 0:
		return fmt.Sprintf("no difference from the schema since %s\n", minute(r.Since))
	}
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FIRST SEEN\tLAST SEEN\tCOUNT\tWHAT\tFIELD\tTYPE\tLAST AT")
	for _, f := range r.Findings {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", minute(f.First), minute(f.Last), f.Count, f.Kind, cmp.Or(f.Field, "-"), cmp.Or(f.Type, "-"), cmp.Or(f.Pointer, "-"))
	}
	_ = table.Flush() // into memory
	fmt.Fprintf(&b, "%d differences, looked for since %s", len(r.Findings), minute(r.Since))
	if r.Further > 0 {
		fmt.Fprintf(&b, "; the list is full: %d times something else was found", r.Further)
	}
	return b.String() + "\n"
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }
