package main

// mutant is a bug that somebody might make.
type mutant struct {
	name  string
	in    string // the package of the test
	test  string // that is meant to find it
	edits []edit
}

// edit replaces a text that a file holds once.
type edit struct{ file, old, new string }

const (
	fleet    = "./cmd/internal/fleet"
	worker   = "./cmd/internal/worker"
	producer = "./producer"
	poller   = "./poller"
)

var mutants = []mutant{
	{"a backfill does not wait for what the topics hold of its range", fleet, "TestBackfill$", []edit{
		{"poller/pass.go", "return !p.Recalled && p.Start.Before(a.Reach)", "return false && p.Start.Before(a.Reach)"},
	}},
	{"a backfill republishes a content with each window that shows it", poller, "TestRepublish", []edit{
		{"poller/judge.go", "p.e.republished != uint16(j.Republish) && j.published", "j.published"},
	}},
	{"an accepted gap is not passed", fleet, "TestAGapIsAccepted", []edit{
		{"poller/coverage.go", "if s.Partial != \"\" && !s.Accepted {", "if s.Partial != \"\" {"},
	}},
	{"no fencing: an error is followed by more of the same epoch", fleet, "TestFaultMatrix/cells/Produce", []edit{
		{"producer/producer.go", "*session // nil before Acquire\n", "*session\n	kept       *session\n"},
		{"producer/commit.go", "	p.session = nil // any", "	p.kept = s\n	p.session = nil // any"},
		{"producer/acquire.go", "	p.session = nil\n", "	if p.session = p.kept; p.session != nil {\n		return nil\n	}\n"},
	}},
	{"sequence numbers begin at 0 with every batch", producer, "Test.*", []edit{
		{"producer/commit.go", "next := t.session.sequence[b.partition]", "next := int32(0)"},
	}},
	{"EndTxn is sent before Produce was acknowledged", fleet, "TestFaultMatrix/cells/Produce", []edit{
		{"producer/commit.go", "	return group.Wait()\n}\n\n// pack", "	go group.Wait()\n	return nil\n}\n\n// pack"},
	}},
	{"memory is committed before what it remembers", fleet, "TestScenarios/killed-in-commits", []edit{
		{"cmd/internal/worker/sink.go", "	err := s.producer.Commit(ctx, d.records, func", `	var early []producer.Record
	for _, r := range u.State {
		early = append(early, producer.Record{Topic: s.cfg.Topics().State(), Key: r.Key, Value: r.Value})
	}
	if err := s.producer.Commit(ctx, early, nil); err != nil {
		return err
	}
	err := s.producer.Commit(ctx, d.records, func`},
	}},
	{"recovery takes aborted records for committed ones", fleet, "TestFaultMatrix/cells/EndTxn", []edit{
		{"producer/committed.go", "visible := !b.Attributes.Transactional() || !a.open[b.ProducerID]", "visible := true"},
	}},
	{"memory has what a commit would have remembered, although it failed", worker, "TestKeptMemory", []edit{
		{"poller/bundle.go", "	if err := p.sink.Commit(ctx, Bundle{", "	p.state.Seen.Apply(changes)\n	if err := p.sink.Commit(ctx, Bundle{"},
	}},
	{"the broker is believed where a topic ends", fleet, "TestABrokerThatIsCutOff", []edit{
		{"producer/recover.go", "return max(end, r.producer.behindBarrier(r.at.partition)), nil", "return end, nil"},
	}},
	{"rows are forgotten two days too early", fleet, "TestCrashes", []edit{
		{"poller/bundle.go", "Seen.Expired(a.keeps(), a.keepsLetters(), sweepMost)", "Seen.Expired(a.keeps().Add(48*time.Hour+Horizon(p.cfg.Tiers)), a.keepsLetters().Add(48*time.Hour+Horizon(p.cfg.Tiers)), sweepMost)"},
	}},
	{"the lease is ignored, every worker is active", fleet, "TestStandby", []edit{
		{"cmd/internal/worker/session.go", "	if e.off() {\n		return ctx,", "	if true {\n		return ctx,"},
		{"cmd/internal/worker/election.go", "	if e.confirmed() {\n", "	if true {\n"},
	}},
	{"the budget begins anew at a takeover", fleet, "TestBudgetAtTakeovers", []edit{
		{"cmd/internal/worker/session.go", "	w.budget.Restart()\n", ""},
	}},
	{"an epoch is used again although a request to commit may still arrive", producer, "TestACommitThatArrivesLate", []edit{
		{"producer/commit.go", "	if s.requestPending {\n", "	if false {\n"},
	}},
	{"a dead letter is published whenever it is asked for", fleet, "TestReplay$", []edit{
		{"poller/replay.go", "	if newest && aside == isAside {\n", "	if newest {\n"},
	}},
	{"the state does not say which contents are dead letters", fleet, "TestReplayTakeover", []edit{
		{"poller/state.go", "		b[1] |= flagAside\n", ""},
	}},
	{"progress is claimed for what has not settled", fleet, "TestClocksApart", []edit{
		{"poller/agenda.go", "earlier(r.End, r.First.Add(-a.Settle).Truncate(time.Second))", "earlier(r.End, r.First.Truncate(time.Second))"},
	}},
	{"gaps do not pass over what fails", fleet, "TestASecondThatAlwaysFails/backlog/500$", []edit{
		{"poller/agenda.go", "		covered = covered.Add(Stretch{Window: f.Window})\n", "		_ = f\n"},
	}},
	{"a window that fails is never partial", fleet, "TestASecondThatAlwaysFails/backlog/500$", []edit{
		{"poller/failing.go", "		f.Partial, f.Reason = true, Reread //", "		f.Partial, f.Reason = false, Reread //"},
	}},
	{"what could not be read of a page goes nowhere", fleet, "TestASecondThatAlwaysFails/backlog/stray-quote", []edit{
		{"poller/bundle.go", "rows.add(append(slices.Clone(broken.Rows), smartassist.Unsplittable(broken.Rest)))", "rows.add(broken.Rows)"},
	}},
	{"a request that failed is not made again", fleet, "TestALongWalkOfAFlakyService", []edit{
		{"poller/reading.go", "	tries = 5\n", "	tries = 1\n"},
		{"poller/reading.go", "	triesAlone = 12\n", "	triesAlone = 1\n"},
		{"poller/reading.go", "	triesAgain = 2\n", "	triesAgain = 1\n"},
	}},
	{"memory is forgotten by our clock alone", poller, "TestReplayWithAClockAhead", []edit{
		{"poller/bundle.go", "at := earlier(p.pending.batches[len(p.pending.batches)-1].Read.At, a.Clock.Earlier(now))", "at := now"},
	}},
	{"a horizon that was lowered counts at once", poller, "TestAHorizonFallsAfterADay", []edit{
		{"poller/horizon.go", "	case at.Sub(k.Lower) >= 24*time.Hour:\n", "	default:\n"},
	}},
	{"what memory does not reach back to is read again", fleet, "TestRereadRaised", []edit{
		{"poller/agenda.go", "	w.Start = later(w.Start, a.Reach)\n", ""},
	}},
	{"rows that are withheld do not keep their window in the schedule", fleet, "TestWithheldConversationsAreNotForgotten", []edit{
		{"poller/bundle.go", "	read.Withheld = r.withheld\n", ""},
	}},
	{"fingerprints of another list are not compared", fleet, "TestIgnoredMembersChange", []edit{
		{"poller/judge.go", "	return int(e.list) < len(d.prints.lists) && e.hash() == row.Fingerprint(d.prints.lists[e.list])\n", "	return false\n"},
	}},
	{"rows are judged in the order in which reads end", poller, "TestWhatWasReadLaterIsNewer", []edit{
		{"poller/poller.go", "				p.bundlePart(p.lanes[p.current]) // what it has read is older than what comes now\n", ""},
	}},
}
