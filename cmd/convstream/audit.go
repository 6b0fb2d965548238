package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/cmd/internal/auditor"
	"github.com/convstream/convstream/cmd/internal/show"
	"github.com/convstream/convstream/poller"
)

// auditOptions are the flags of audit.
type auditOptions struct {
	auditor.Request
	activeOptions
	asJSON bool
}

func auditCommand() *command {
	var o auditOptions
	c := newCommand("audit", "", "reads a past range from the service anew and compares it with what the topics hold")
	c.details = "Asks the active worker, which does it beside live polling, within its budget. What is missing or stale is published at once.\n" +
		"Exit code 0 if all is there, 1 if anything is missing, stale or extra, or could not be read."
	o.declare(c)
	c.flags.StringVar(&o.From, "from", "", "where the range begins: an instant (2026-03-01T10:00:00Z), a date (2026-03-01, midnight UTC) or how long ago (36h, 30d); a `TIME` is needed")
	c.flags.StringVar(&o.To, "to", "", "where it ends, a `TIME` too; SETTLE ago if it is left out")
	c.flags.BoolVar(&o.asJSON, "json", false, "an object a line, for jq: what differs, progress, and at last the counts")
	c.run = func(ctx context.Context, _ []string, t terminal) error {
		if err := o.Check(); err != nil {
			return fmt.Errorf("audit: --%w; %w", err, errUsage)
		}
		return o.run(ctx, t)
	}
	return c
}

func (o auditOptions) run(ctx context.Context, t terminal) error {
	workers, err := o.replicas()
	if err != nil {
		return err
	}
	worker, err := workers.find(ctx)
	if err != nil {
		return err
	}
	answer, err := auditor.Client(worker).Ask(ctx, o.Request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	return o.follow(answer, t)
}

// follow prints the answer as it arrives.
func (o auditOptions) follow(answer io.Reader, t terminal) error {
	p := auditPrinter{out: show.Safe(t.out), bar: show.NewBar(t.err)}
	visit := p.line
	if o.asJSON {
		visit = func(text []byte, _ auditor.Line) error {
			_, err := p.out.Write(text)
			return err
		}
	}
	s, err := auditor.Follow(answer, visit)
	p.bar.Hide()
	if err != nil {
		return err
	}
	return found(s)
}

// found returns an error if the range is not in the topics as it must be.
func found(s auditor.Summary) error {
	var what []string
	for _, r := range audit.Results() {
		if n := s.Counts[r]; n > 0 && r.Differs() {
			what = append(what, fmt.Sprintf("%d %s", n, r))
		}
	}
	if s.Unread > 0 {
		what = append(what, fmt.Sprintf("%d windows could not be read", s.Unread))
	}
	if len(what) == 0 {
		return nil
	}
	return fmt.Errorf("audit: %s", strings.Join(what, ", "))
}

// auditPrinter prints the answer for people.
type auditPrinter struct {
	out    io.Writer
	bar    *show.Bar
	window poller.Window
	headed bool // the table has its head
}

const auditColumns = "%-12s %-38s %8s  %-32s %-9s %s\n"

func (p *auditPrinter) line(_ []byte, l auditor.Line) error {
	if l.Progress != nil {
		p.progress(*l.Progress)
		return nil
	}
	p.bar.Hide()
	switch {
	case l.Window != nil:
		p.begin(l)
	case l.Difference != nil:
		return p.difference(*l.Difference)
	case l.Unread != nil:
		_, err := fmt.Fprintf(p.out, "%v could not be read from the service: nothing is said of it\n", l.Unread)
		return err
	case l.Done != nil:
		return p.summary(*l.Done)
	}
	return nil
}

func (p *auditPrinter) begin(l auditor.Line) {
	p.window = *l.Window
	p.bar.Note(fmt.Sprintf("audit of %v UTC", l.Window))
	if l.Retention != nil {
		p.bar.Note(fmt.Sprintf("the topics keep records for %v: what is older may be gone by that; it is missing then, and is published again", *l.Retention))
	}
}

func (p *auditPrinter) difference(d auditor.Difference) error {
	if !p.headed {
		p.headed = true
		if _, err := fmt.Fprintf(p.out, auditColumns, "RESULT", "IDENTITY", "REVISION", "RECORD", "AGE", ""); err != nil {
			return err
		}
	}
	revision, record, age := "-", "-", "-"
	if d.Revision > 0 {
		revision = fmt.Sprint(d.Revision)
	}
	if d.Topic != "" {
		record = fmt.Sprintf("%s-%d@%d", d.Topic, *d.Partition, *d.Offset)
	}
	if d.ObservedAt != nil {
		age = time.Since(*d.ObservedAt).Truncate(time.Second).String()
	}
	_, err := fmt.Fprintf(p.out, auditColumns, d.Result, cmp.Or(d.Identity, "-"), revision, record, age, auditNote(d))
	return err
}

// auditNote says what became of a difference, or more of it.
func auditNote(d auditor.Difference) string {
	switch {
	case d.Published > 0:
		return fmt.Sprintf("published as revision %d", d.Published)
	case d.Result == audit.DeadLetter:
		return "letter " + d.Letter
	case d.Result == audit.Missing && d.Letter != "":
		return "cannot be a conversation; its letter " + d.Letter + " is not there"
	case d.Result == audit.Missing || d.Result == audit.Stale:
		return "not published: it has changed since, or a dead letter has newer content"
	case len(d.Revisions) > 0:
		return "there are " + strings.Trim(fmt.Sprint(d.Revisions), "[]")
	}
	return ""
}

func (p *auditPrinter) summary(s auditor.Summary) error {
	total := 0
	for _, n := range s.Counts {
		total += n
	}
	if _, err := fmt.Fprintf(p.out, "%d compared, with %d requests\n", total, s.Requests); err != nil {
		return err
	}
	for _, r := range audit.Results() {
		if n := s.Counts[r]; n > 0 {
			if _, err := fmt.Fprintf(p.out, "%8d %s\n", n, r); err != nil {
				return err
			}
		}
	}
	if s.Published == 0 {
		return nil
	}
	_, err := fmt.Fprintf(p.out, "%d published, of what was missing or stale\n", s.Published)
	return err
}

func (p *auditPrinter) progress(g auditor.Progress) {
	if g.ReadThrough == nil {
		p.bar.Show(-1, fmt.Sprintf("reading the topics: %d records", g.Records))
		return
	}
	text := fmt.Sprintf("%d rows, %d requests, %.0f a minute", g.Rows, g.Requests, g.PerMinute)
	if g.Left > 0 {
		text += fmt.Sprintf(", %v left", g.Left)
	}
	part := 0.0
	if all := p.window.Len(); all > 0 {
		part = g.ReadThrough.Sub(p.window.Start).Seconds() / all.Seconds()
	}
	p.bar.Show(part, text)
}
