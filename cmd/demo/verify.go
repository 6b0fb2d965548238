package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/poller/simulator"
)

// outcome is what is in the topics of an account, held against what its service served.
type outcome struct {
	*tenant
	*verify.Report
}

// verify reads everything back with another Kafka client and holds each account's part of it against what its service served.
func (s *stage) verify(out io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	records, err := verify.Consume(ctx, s.cfg.Kafka.Brokers, nil, s.topics.Published())
	if err != nil {
		return fmt.Errorf("read the topics back: %w", err)
	}
	bySource := map[string][]*kgo.Record{}
	for _, r := range records {
		bySource[source(r)] = append(bySource[source(r)], r)
	}
	outcomes := make([]outcome, len(s.tenants))
	for i, t := range s.tenants {
		r := verify.Check(bySource[t.source()], s.topics, &t.journal)
		r.CheckClaims(settle)
		r.CheckComplete(t.service, settle)
		outcomes[i] = outcome{t, r}
		delete(bySource, t.source())
	}
	s.report(out, outcomes)
	if err := s.judge(outcomes, bySource); err != nil {
		return err
	}
	fmt.Fprintln(out, "verified: nothing lost, nothing twice"+map[bool]string{true: ", in each account by itself"}[s.accounts > 1])
	return nil
}

// source is the value of the header that says of which account a record is.
func source(r *kgo.Record) string {
	for _, h := range r.Headers {
		if h.Key == "ce_source" {
			return string(h.Value)
		}
	}
	return ""
}

func (t *tenant) source() string { return "/smartassist/" + t.id }

// judge returns why the demonstration does not hold. strangers are records of none of its accounts.
func (s *stage) judge(outcomes []outcome, strangers map[string][]*kgo.Record) error {
	problems := 0
	for _, o := range outcomes {
		problems += len(o.Problems) + o.More
	}
	for name, records := range strangers {
		return fmt.Errorf("NOT verified: %d records of %q, which is none of the accounts (seed %d)", len(records), name, s.seed)
	}
	if problems > 0 {
		return fmt.Errorf("NOT verified: %d problems (seed %d)", problems, s.seed)
	}
	for _, o := range outcomes {
		if o.Revisions == 0 {
			return fmt.Errorf("NOT verified: nothing was published%s, so there is nothing to prove; let it run for longer (seed %d)", s.of(o), s.seed)
		}
	}
	return nil
}

// of names the account where there are several.
func (s *stage) of(o outcome) string {
	if s.accounts == 1 {
		return ""
	}
	return " of account " + o.id
}

const mostLines = 10 // about accounts: more are many, of which there is a total, and the worst

func (s *stage) report(out io.Writer, outcomes []outcome) {
	total := total(outcomes)
	stats := s.served()
	switch {
	case len(outcomes) > mostLines:
		worst := slices.MinFunc(outcomes, func(a, b outcome) int {
			return cmp.Or(len(b.Problems)-len(a.Problems), a.CompleteThrough.Compare(b.CompleteThrough))
		})
		fmt.Fprintf(out, "  the worst of %d accounts:\n", len(outcomes))
		reportAccount(out, worst)
	case len(outcomes) > 1:
		for _, o := range outcomes {
			reportAccount(out, o)
		}
	}
	fmt.Fprintf(out, "  %d conversations in %d revisions, %d dead letters, %d commits, %d late rows\n",
		total.Conversations, total.Revisions, total.DeadLetters, total.Commits, total.Late)
	for _, topic := range append(s.topics.Conversations(), s.topics.DeadLetters()) {
		fmt.Fprintf(out, "  %-28s %6d records\n", topic, total.ByTopic[topic])
	}
	switch {
	case total.CompleteThrough.IsZero():
		fmt.Fprintln(out, "  complete: nothing yet")
	case total.CompleteThrough.Before(total.CompleteFrom):
		fmt.Fprintln(out, "  complete in all accounts at the same time: nothing yet")
	default:
		fmt.Fprintf(out, "  complete from %s to %s UTC\n", total.CompleteFrom.UTC().Format(time.DateTime), total.CompleteThrough.UTC().Format(time.TimeOnly))
	}
	fmt.Fprintf(out, "  %d requests to the service, at most %d in any minute%s; %d rows served\n", stats.Requests, stats.MaxPerMinute,
		map[bool]string{true: " for an account"}[s.accounts > 1], stats.Rows)
	if s.faults {
		fmt.Fprintf(out, "  faults: service %v, broker %d, %s torn down %d times%s\n", stats.Faults, s.brokerFaults.Load(), s.victims(), s.restarts, s.moved())
	}
	for _, o := range outcomes {
		for _, p := range o.Problems {
			fmt.Fprintf(out, "  PROBLEM%s %s\n", s.of(o), p)
		}
	}
}

// reportAccount prints an account's line.
func reportAccount(out io.Writer, o outcome) {
	stats := o.service.Stats()
	fmt.Fprintf(out, "  %s %5d conversations in %5d revisions, %d dead letters, %d commits, %d late rows, complete through %s, at most %d requests in any minute\n", o.id,
		o.Conversations, o.Revisions, o.DeadLetters, o.Commits, o.Late, o.CompleteThrough.UTC().Format(time.TimeOnly), stats.MaxPerMinute)
}

// victims is what was torn down, one at a time.
func (s *stage) victims() string {
	if s.replicas == 1 {
		return "worker"
	}
	return "replicas"
}

func (s *stage) moved() string {
	if s.replicas == 1 {
		return ""
	}
	return fmt.Sprintf(", accounts moved %d times", s.moves)
}

// total is the sum over the accounts; it is complete where all of them are, which may be nowhere: then it ends before it begins.
func total(outcomes []outcome) verify.Report {
	sum := verify.Report{ByTopic: map[string]int64{}, CompleteFrom: outcomes[0].CompleteFrom, CompleteThrough: outcomes[0].CompleteThrough}
	for _, o := range outcomes {
		sum.Conversations += o.Conversations
		sum.Revisions += o.Revisions
		sum.DeadLetters += o.DeadLetters
		sum.Commits += o.Commits
		sum.Late += o.Late
		for topic, n := range o.ByTopic {
			sum.ByTopic[topic] += n
		}
		if o.CompleteFrom.After(sum.CompleteFrom) {
			sum.CompleteFrom = o.CompleteFrom
		}
		if o.CompleteThrough.Before(sum.CompleteThrough) {
			sum.CompleteThrough = o.CompleteThrough
		}
	}
	return sum
}

// served is the sum of what the services count; the most in any minute is that of one of them.
func (s *stage) served() simulator.Stats {
	sum := simulator.Stats{Faults: map[simulator.Fault]int{}}
	for _, t := range s.tenants {
		stats := t.service.Stats()
		sum.Requests += stats.Requests
		sum.Rows += stats.Rows
		sum.MaxPerMinute = max(sum.MaxPerMinute, stats.MaxPerMinute)
		for fault, n := range stats.Faults {
			sum.Faults[fault] += n
		}
	}
	return sum
}
