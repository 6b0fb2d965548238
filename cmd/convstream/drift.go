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

	"github.com/convstream/convstream/cmd/internal/admin"
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
	s, err := o.status(ctx)
	if err != nil {
		return err
	}
	out := show.Safe(t.out)
	for _, a := range s.Accounts {
		if err := o.print(a, len(s.Accounts) > 1, out); err != nil {
			return err
		}
	}
	return nil
}

func (o driftOptions) print(a admin.Account, named bool, out io.Writer) error {
	if o.asJSON {
		return driftJSON(a, out)
	}
	text := driftText(a.Drift)
	if named {
		text = fmt.Sprintf("account %s\n", a.Account) + text
	}
	return printLines(out, text)
}

func driftJSON(a admin.Account, out io.Writer) error {
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

// driftText has a line a finding, those that began last first.
func driftText(r *drift.Report) string {
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
