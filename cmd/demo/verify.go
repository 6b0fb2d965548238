package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
)

// verify reads everything back with another Kafka client and holds it against what the service served.
func (s *stage) verify(out io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	records, err := verify.Consume(ctx, s.cfg.Kafka.Brokers, nil, s.topics.Published())
	if err != nil {
		return fmt.Errorf("read the topics back: %w", err)
	}
	r := verify.Check(records, s.topics, &s.journal)
	r.CheckClaims(settle)
	r.CheckComplete(s.service, settle)
	s.report(out, r)
	if len(r.Problems) > 0 {
		return fmt.Errorf("NOT verified: %d problems (seed %d)", len(r.Problems)+r.More, s.seed)
	}
	if r.Revisions == 0 {
		return fmt.Errorf("NOT verified: nothing was published, so there is nothing to prove; let it run for longer (seed %d)", s.seed)
	}
	fmt.Fprintln(out, "verified: nothing lost, nothing twice")
	return nil
}

func (s *stage) report(out io.Writer, r *verify.Report) {
	stats := s.service.Stats()
	fmt.Fprintf(out, "  %d conversations in %d revisions, %d dead letters, %d commits, %d late rows\n",
		r.Conversations, r.Revisions, r.DeadLetters, r.Commits, r.Late)
	for _, topic := range append(s.topics.Conversations(), s.topics.DeadLetters()) {
		fmt.Fprintf(out, "  %-28s %6d records\n", topic, r.ByTopic[topic])
	}
	fmt.Fprintf(out, "  complete from %s to %s UTC\n", r.CompleteFrom.UTC().Format(time.DateTime), r.CompleteThrough.UTC().Format(time.TimeOnly))
	fmt.Fprintf(out, "  %d requests to the service, at most %d in any minute; %d rows served\n", stats.Requests, stats.MaxPerMinute, stats.Rows)
	if s.faults {
		fmt.Fprintf(out, "  faults: service %v, broker %d, worker torn down %d times\n", stats.Faults, s.outages.brokerFaults.Load(), s.restarts.Load())
	}
	for _, p := range r.Problems {
		fmt.Fprintf(out, "  PROBLEM %s\n", p)
	}
}
