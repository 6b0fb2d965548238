package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/cmd/internal/admin/client"
	"github.com/convstream/convstream/cmd/internal/show"
	"github.com/convstream/convstream/poller"
)

// statusOptions are the flags of status.
type statusOptions struct {
	askOptions
	asJSON bool
}

func statusCommand() *command {
	var o statusOptions
	c := newCommand("status", "", "what a worker is doing, account by account, and what is wrong")
	c.details = "Asks a worker's /status; the page of its admin port shows more."
	o.declare(c)
	c.flags.BoolVar(&o.asJSON, "json", false, "all that the worker says, for jq")
	c.run = func(ctx context.Context, _ []string, t terminal) error { return o.run(ctx, t) }
	return c
}

func (o statusOptions) run(ctx context.Context, t terminal) error {
	s, err := o.status(ctx)
	if err != nil {
		return err
	}
	if o.asJSON {
		e := json.NewEncoder(t.out)
		e.SetIndent("", "  ")
		return e.Encode(s)
	}
	return printLines(show.Safe(t.out), statusText(s, time.Now()))
}

// statusText has a line an account, and one for all that is wrong.
func statusText(s admin.Status, now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, started %s\n", s.Name, readiness(s.Ready, s.NotReady), ago(s.Started, now))
	if g := s.Group; g != nil {
		if !g.Joined {
			fmt.Fprintf(&b, "  not a member of group %s\n", g.ID)
		}
		if g.Trouble != "" {
			fmt.Fprintf(&b, "  no part in the last rebalance of group %s: %s\n", g.ID, g.Trouble)
		}
	}
	for _, f := range s.Wrong {
		fmt.Fprintf(&b, "  %s is not used as it is now: %s\n", cmp.Or(f.File, "the folder of accounts"), f.Error)
	}
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ACCOUNT\tHERE\tACTIVE\tSTANDBY\tCOMPLETE THROUGH\tNEWEST ROWS READ\tREQUESTS\tPARTIAL\tFAILING")
	for _, a := range s.Accounts {
		fmt.Fprintln(table, strings.Join(append([]string{a.Account, string(a.Role)}, accountRow(a, now)...), "\t"))
	}
	_ = table.Flush() // into memory
	for _, a := range s.Accounts {
		for _, text := range append(wrongWith(a, now), pastOf(a.Poller, now)...) {
			fmt.Fprintf(&b, "%s: %s\n", a.Account, text)
		}
	}
	return b.String()
}

func readiness(ready bool, why string) string {
	if ready {
		return "ready"
	}
	return strings.TrimSuffix("not ready: "+why, ": ")
}

// accountRow is what the table has of an account, "-" for what this worker does not know.
func accountRow(a admin.Account, now time.Time) []string {
	active, standby, through, head, partial, failing := "", "", "", "", "", ""
	if l := a.Lease; l != nil {
		active, standby = l.Holder, l.Standby
	}
	if p := a.Poller; p != nil {
		through, head = instant(p.CompleteThrough, now), ago(p.HeadRead, now)
		partial, failing = fmt.Sprint(p.Gaps()), fmt.Sprint(len(p.Failing))
	} else if m := a.Memory; m != nil {
		through = instant(m.CompleteThrough, now)
	}
	row := []string{active, standby, through, head, fmt.Sprintf("%d (%d a minute)", a.Budget.Requests, a.Budget.PerMinute), partial, failing}
	for i := range row {
		row[i] = cmp.Or(row[i], "-")
	}
	return row
}

// wrongWith is what is wrong with an account, a line each.
func wrongWith(a admin.Account, now time.Time) (all []string) {
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if !a.Ready {
		say("%s", readiness(false, a.NotYet))
	}
	if a.Ended != "" {
		say("ended: %s", a.Ended)
	}
	if a.Settings != "" {
		say("its file is not used as it is now: %s", a.Settings)
	}
	if k := a.Kafka; k != nil {
		say("nothing can be committed, since %s (%d attempts): %s", ago(k.Since, now), k.Attempts, k.Error)
	}
	if p := a.Poller; p != nil {
		if o := p.Trouble; o != nil {
			say("%s", strings.TrimSuffix(fmt.Sprintf("the service cannot be read, since %s (%d attempts): %s; %s", ago(o.Since, now), o.Attempts, o.Error, o.Hint), "; "))
		}
		for _, w := range p.Partial {
			if !w.Accepted {
				say("%s", strings.TrimSuffix(fmt.Sprintf("partial: %s, %s, since %s", w.Window, w.Cause.Explain(), ago(w.Since, now)), ", since "))
			}
		}
	}
	return all
}

// pastOf returns what was asked for about the past, a line each: the backfills and audits that are under way, the backfill that ended last,
// and how many partial windows were accepted, with the last.
func pastOf(p *poller.Status, now time.Time) (all []string) {
	if p == nil {
		return nil
	}
	last := -1
	for i, pass := range p.Passes {
		name := fmt.Sprintf("%s of %s", pass.Name(), pass.Window)
		switch {
		case pass.Ended.IsZero() && pass.Left > 0:
			all = append(all, fmt.Sprintf("%s: %s, %d%%, %v left", name, pass.State, int(client.Share(pass)*100), pass.Left))
		case pass.Ended.IsZero():
			all = append(all, fmt.Sprintf("%s: %s, %d%%", name, pass.State, int(client.Share(pass)*100)))
		case last < 0 || !pass.Ended.Before(p.Passes[last].Ended):
			last = i
		}
	}
	if last >= 0 {
		pass := p.Passes[last]
		all = append(all, fmt.Sprintf("%s of %s: %s %s, %d rows, %d published", pass.Name(), pass.Window, pass.State, ago(pass.Ended, now), pass.Rows, pass.Published))
	}
	if n := len(p.Accepted); n > 0 {
		a := p.Accepted[n-1]
		all = append(all, fmt.Sprintf("%d partial windows accepted, the last %s, %s by %s", n, a.Window, ago(a.At, now), a.By))
	}
	return all
}

// ago is how long ago an instant was, "" for none.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return now.Sub(t).Round(time.Second).String() + " ago"
}

func instant(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s UTC, %s", t.UTC().Format("2006-01-02 15:04:05"), ago(t, now))
}
