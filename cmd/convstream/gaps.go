package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin/client"
	"github.com/convstream/convstream/cmd/internal/show"
	"github.com/convstream/convstream/poller"
)

// gapsOptions are the flags of the commands about gaps.
type gapsOptions struct {
	activeOptions
	by     string
	asJSON bool
}

func gapsListCommand() *command {
	var o gapsOptions
	c := newCommand("gaps list", "", "the windows that could not be read whole, and those that are tried again and may become such")
	c.details = "What came of them is published, and they are read again. completeThrough stops at the first until that could be read or is accepted."
	o.declare(c)
	c.flags.BoolVar(&o.asJSON, "json", false, "an object a window, for jq")
	c.run = func(ctx context.Context, _ []string, t terminal) error {
		workers, err := o.replicas()
		if err != nil {
			return err
		}
		var all client.Gaps
		if err := workers.get(ctx, client.GapsPath, &all); err != nil {
			return fmt.Errorf("gaps list: %w", err)
		}
		if o.asJSON {
			return eachAsJSON(show.Safe(t.out), gapsOf(all))
		}
		return printLines(show.Safe(t.out), gapsText(gapsOf(all), time.Now()))
	}
	return c
}

// gapState is how it stands with a window that could not be read whole.
type gapState string

const (
	gapOpen     gapState = "gap"      // completeThrough stops there
	gapAccepted gapState = "accepted" // and passes it
	gapFailing  gapState = "failing"  // is tried again, and may become a gap
)

// gap is a window that could not be read whole.
type gap struct {
	Window   string       `json:"window"` // as 'gaps accept' takes it
	State    gapState     `json:"state"`
	Reason   string       `json:"reason"`
	Since    time.Time    `json:"since,omitzero"`
	Rows     int          `json:"rows"` // that came, at the least, and are published
	Accepted time.Time    `json:"accepted,omitzero"`
	By       string       `json:"by,omitempty"`
	Next     time.Time    `json:"next,omitzero"` // of one that fails: when it is tried again, at the earliest
	Failures int          `json:"failures,omitzero"`
	cause    poller.Cause // "" of one that fails
}

// gapsOf returns those that hold completeThrough up, then those that may, then those that were accepted.
func gapsOf(all client.Gaps) (out []gap) {
	var accepted []gap
	known := poller.Coverage{}
	for _, a := range all.Accepted {
		accepted = append(accepted, gap{Window: interval(a.Window), State: gapAccepted, Reason: string(a.Cause), Rows: a.Rows, Accepted: a.At, By: a.By, cause: a.Cause})
		known = known.Add(poller.Stretch{Window: a.Window, ReadAt: a.At})
	}
	for _, w := range all.Gaps {
		g := gap{Window: interval(w.Window), State: gapOpen, Reason: string(w.Cause), Since: w.Since, Rows: w.Rows, cause: w.Cause}
		switch {
		case !w.Accepted:
			out = append(out, g)
		case !known.Covers(w.Window): // of the older ones it is not remembered who accepted them
			g.State = gapAccepted
			accepted = append(accepted, g)
		}
	}
	for _, f := range all.Failing {
		out = append(out, gap{Window: interval(f.Window), State: gapFailing, Reason: f.Category, Since: f.Since, Next: f.Next, Failures: f.Failures})
	}
	return append(out, accepted...)
}

// gapsText has a line a window.
func gapsText(all []gap, now time.Time) string {
	if len(all) == 0 {
		return "there are no gaps: every window could be read whole\n"
	}
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WINDOW\tSTATE\tSINCE\tROWS\tREASON")
	open := 0
	for _, g := range all {
		rows := fmt.Sprint(g.Rows)
		switch g.State {
		case gapOpen:
			open++
		case gapFailing:
			rows = "-"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", g.Window, g.State, cmp.Or(ago(g.Since, now), "-"), rows, g.why(now))
	}
	_ = table.Flush() // into memory
	if open > 0 {
		b.WriteString("completeThrough stops at the first gap; 'convstream gaps accept WINDOW' lets it pass one\n")
	}
	return b.String()
}

// why returns the reason in words, and what became of it.
func (g gap) why(now time.Time) string {
	switch {
	case g.State == gapFailing:
		return fmt.Sprintf("%s: failed %d times, the next try is in %v", g.Reason, g.Failures, max(0, g.Next.Sub(now)).Round(time.Second))
	case g.Accepted.IsZero():
		return g.cause.Explain()
	}
	return fmt.Sprintf("%s; accepted %s by %s", g.cause.Explain(), ago(g.Accepted, now), g.By)
}

func gapsAcceptCommand() *command {
	var o gapsOptions
	c := newCommand("gaps accept", "WINDOW", "lets completeThrough pass the gaps that lie in the window, and says so in progress and /status")
	c.details = "WINDOW is as 'convstream gaps list' shows it, 2026-03-01T10:00:00Z/2026-03-01T10:00:05Z; a wider one accepts all gaps in it.\n" +
		"Rows that could not be read are not in Kafka. The window is read again all the same, as long as others of its age are."
	o.declare(c)
	c.flags.StringVar(&o.by, "by", asker(), "the `NAME` of who accepts, for /status and progress")
	c.run = func(ctx context.Context, args []string, t terminal) error {
		q, err := o.request(args, time.Now())
		if err != nil {
			return fmt.Errorf("gaps accept: %w; %w", err, errUsage)
		}
		workers, err := o.replicas()
		if err != nil {
			return err
		}
		var accepted client.Gaps
		if err := workers.post(ctx, client.GapsPath, client.AcceptPath, q, &accepted); err != nil {
			return fmt.Errorf("gaps accept: %w", err)
		}
		return printLines(show.Safe(t.out), acceptedText(accepted.Accepted))
	}
	return c
}

func (o *gapsOptions) request(args []string, now time.Time) (q client.AcceptRequest, err error) {
	if len(args) != 1 {
		return q, errors.New("expected one window; 'convstream gaps list' shows them")
	}
	start, end, two := strings.Cut(args[0], "/")
	if !two {
		return q, fmt.Errorf("%q is not a window like 2026-03-01T10:00:00Z/2026-03-01T10:00:05Z; 'convstream gaps list' shows them", args[0])
	}
	q.By = o.by
	if q.From, err = client.Instant(start, now); err != nil {
		return q, err
	}
	if q.To, err = client.Instant(end, now); err != nil {
		return q, err
	}
	if !q.From.Before(q.To) {
		return q, fmt.Errorf("the window %s does not end after it begins", args[0])
	}
	return q, nil
}

// acceptedText says what was accepted, and what follows.
func acceptedText(all []poller.Acceptance) string {
	var b strings.Builder
	for _, a := range all {
		fmt.Fprintf(&b, "accepted %s, by %s: %s; %d rows came\n", interval(a.Window), a.By, a.Cause.Explain(), a.Rows)
	}
	b.WriteString("completeThrough passes it; progress and /status say so. The rows that could not be read are not in Kafka. The window is\n" +
		"read again as long as others of its age are (REREAD): what it shows then is published.\n")
	return b.String()
}
