package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin/client"
	"github.com/convstream/convstream/cmd/internal/show"
	"github.com/convstream/convstream/poller"
)

// backfillOptions are the flags of the commands about backfills.
type backfillOptions struct {
	activeOptions
	client.BackfillRequest
	from, to     string
	wait, asJSON bool
}

func backfillCommand() *command {
	var o backfillOptions
	c := newCommand("backfill", "", "asks the active worker to read a past range beside live polling, and to publish what is not published yet")
	c.instead = "or is followed by list or cancel"
	c.details = "A TIME is an instant (2026-03-01T10:00:00Z), a date (2026-03-01, midnight UTC) or how long ago (36h, 30d). The backfill survives restarts\n" +
		"and takeovers; asking again for the same range while it is under way begins no second one. With --wait it is followed to its end: exit code 0\n" +
		"if it has finished, 1 if it was cancelled, or nobody could be asked for ten minutes. Interrupting that does not end the backfill."
	o.declare(c)
	c.flags.StringVar(&o.from, "from", "", "where the range begins, a `TIME`")
	c.flags.StringVar(&o.to, "to", "", "where it ends, a `TIME`")
	c.flags.BoolVar(&o.Republish, "republish", false, "publish what is published already, too, as republished")
	c.flags.BoolVar(&o.wait, "wait", false, "show how far it is until it has ended")
	c.flags.StringVar(&o.By, "by", asker(), "the `NAME` of who asks, for /status and progress")
	c.flags.BoolVar(&o.asJSON, "json", false, "the backfill as an object, for jq; with --wait when it has ended")
	c.run = func(ctx context.Context, _ []string, t terminal) error {
		if err := o.check(time.Now()); err != nil {
			return fmt.Errorf("backfill: %w; %w", err, errUsage)
		}
		return o.run(ctx, t)
	}
	return c
}

func (o *backfillOptions) check(now time.Time) error {
	for _, bound := range []struct {
		name, text string
		at         *time.Time
	}{{"--from", o.from, &o.From}, {"--to", o.to, &o.To}} {
		if bound.text == "" {
			return fmt.Errorf("%s is missing: a range has --from and --to", bound.name)
		}
		at, err := client.Instant(bound.text, now)
		if err != nil {
			return fmt.Errorf("%s: %w", bound.name, err)
		}
		*bound.at = at
	}
	if !o.From.Before(o.To) {
		return fmt.Errorf("--from %s is not before --to %s", o.from, o.to)
	}
	return nil
}

func (o *backfillOptions) run(ctx context.Context, t terminal) error {
	workers, err := o.replicas()
	if err != nil {
		return err
	}
	f := newFollower(workers, t)
	pass, err := f.begin(ctx, o.BackfillRequest, o.wait)
	if err != nil {
		return fmt.Errorf("backfill: %w", err)
	}
	if !o.wait {
		return o.print(t.out, pass, begun(pass))
	}
	f.bar.Note(begun(pass))
	if pass, err = f.follow(ctx, pass); err != nil {
		return err
	}
	if err := o.print(t.out, pass, ended(pass)); err != nil || pass.State != poller.PassCancelled {
		return err
	}
	return fmt.Errorf("backfill %d was cancelled; what it had published stays", pass.ID)
}

// print prints the backfill as an object, or the text.
func (o *backfillOptions) print(out io.Writer, pass poller.PassStatus, text string) error {
	if o.asJSON {
		return json.NewEncoder(show.Safe(out)).Encode(pass)
	}
	return printLines(show.Safe(out), text+"\n")
}

func begun(p poller.PassStatus) string {
	if p.State == poller.Finished {
		return fmt.Sprintf("backfill %d of %s: all of it is covered; --republish publishes again what is published", p.ID, interval(p.Window))
	}
	return fmt.Sprintf("backfill %d of %s is under way: 'convstream backfill list' shows how far it is", p.ID, interval(p.Window))
}

// ended says how a backfill has ended.
func ended(p poller.PassStatus) string {
	text := fmt.Sprintf("backfill %d of %s: %s, %d rows with %d requests, %d revisions published", p.ID, interval(p.Window), p.State, p.Rows, p.Requests, p.Published)
	if p.State == poller.Finished {
		text += emptiness(p)
	}
	if n := len(p.Partial); n > 0 {
		text += fmt.Sprintf("\n%d windows could not be read whole: 'convstream gaps list' has them, and why", n)
	}
	return text
}

// longEmpty is how long the beginning of a range must be without a row for that to be said.
const longEmpty = 24 * time.Hour

// emptiness says from where on no row came, and why: the service has none, unless a part was not read, or not whole.
func emptiness(p poller.PassStatus) string {
	text, before := "no row came", p.End
	switch {
	case p.Requests == 0:
		return "\nall of it was read before"
	case p.Rows > 0 && p.Oldest.Sub(p.Start) <= longEmpty:
		return ""
	case p.Rows > 0:
		text, before = "no row came from before "+rfc3339(p.Oldest), p.Oldest
	}
	switch {
	case slices.ContainsFunc(p.Partial, func(w poller.PartialWindow) bool { return w.Start.Before(before) }):
		return "\n" + text
	case p.Republish:
		return "\n" + text + ": the service shows none"
	}
	return "\n" + text + ": the service shows none, or it was read before" // what was is not read again
}

func backfillListCommand() *command {
	var o backfillOptions
	c := newCommand("backfill list", "", "the backfills that are under way, and the last that have ended")
	o.declare(c)
	c.flags.BoolVar(&o.asJSON, "json", false, "an object a backfill, for jq")
	c.run = func(ctx context.Context, _ []string, t terminal) error {
		workers, err := o.replicas()
		if err != nil {
			return err
		}
		var all client.Backfills
		if err := workers.get(ctx, client.BackfillsPath, &all); err != nil {
			return fmt.Errorf("backfill list: %w", err)
		}
		return o.list(t.out, all.Backfills, time.Now())
	}
	return c
}

func (o *backfillOptions) list(out io.Writer, all []poller.PassStatus, now time.Time) error {
	if o.asJSON {
		return eachAsJSON(show.Safe(out), all)
	}
	if len(all) == 0 {
		return printLines(show.Safe(out), "there were none: 'convstream backfill --from T --to T' asks for one\n")
	}
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tRANGE\tSTATE\tREAD\tROWS\tREQUESTS\tPUBLISHED\tPARTIAL\tLEFT\tASKED\tBY")
	for _, p := range all {
		state, left := string(p.State), "-"
		if !p.Ended.IsZero() {
			state += " " + ago(p.Ended, now)
		} else if p.Left > 0 {
			left = p.Left.String()
		}
		if p.Republish {
			state += ", republishes"
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%d%%\t%d\t%d\t%d\t%d\t%s\t%s\t%s\n",
			p.ID, interval(p.Window), state, int(client.Share(p)*100), p.Rows, p.Requests, p.Published, len(p.Partial), left, minute(p.Asked), p.By)
	}
	_ = table.Flush() // into memory
	return printLines(show.Safe(out), b.String())
}

func backfillCancelCommand() *command {
	var o backfillOptions
	c := newCommand("backfill cancel", "ID", "ends a backfill; what it has published stays")
	o.declare(c)
	c.flags.StringVar(&o.By, "by", asker(), "the `NAME` of who asks, for progress")
	c.run = func(ctx context.Context, ids []string, t terminal) error {
		id, err := oneID(ids)
		if err != nil {
			return fmt.Errorf("backfill cancel: %w; %w", err, errUsage)
		}
		workers, err := o.replicas()
		if err != nil {
			return err
		}
		var all client.Backfills
		if err := workers.post(ctx, client.BackfillsPath, client.CancelPath, client.CancelRequest{ID: id, By: o.By}, &all); err != nil {
			return fmt.Errorf("backfill cancel: %w", err)
		}
		for _, p := range all.Backfills {
			if p.ID == id {
				return printLines(show.Safe(t.out), ended(p)+"\n")
			}
		}
		return nil // it is forgotten already: of those that have ended, only the last are remembered
	}
	return c
}

func oneID(args []string) (int64, error) {
	if len(args) != 1 {
		return 0, errors.New("expected the ID of one backfill; 'convstream backfill list' shows them")
	}
	id, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil || id < 1 {
		return 0, fmt.Errorf("%q is not the ID of a backfill; 'convstream backfill list' shows them", args[0])
	}
	return id, nil
}

// eachAsJSON prints an object a line.
func eachAsJSON[T any](out io.Writer, all []T) error {
	lines := json.NewEncoder(out)
	for _, one := range all {
		if err := lines.Encode(one); err != nil {
			return err
		}
	}
	return nil
}

// interval returns the window as it can be given to commands.
func interval(w poller.Window) string { return rfc3339(w.Start) + "/" + rfc3339(w.End) }

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }
