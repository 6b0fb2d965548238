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
	worker   = "./cmd/internal/worker"
	producer = "./producer"
)

var mutants = []mutant{
	{"no fencing: an error is followed by more of the same epoch", worker, "TestFaultMatrix/cells/Produce", []edit{
		{"producer/producer.go", "*session // nil: Acquire first\n", "*session\n	kept *session\n"},
		{"producer/commit.go", "	p.session = nil // whatever", "	p.kept = s\n	p.session = nil // whatever"},
		{"producer/acquire.go", "	p.session = nil\n", "	if p.session = p.kept; p.session != nil {\n		return nil\n	}\n"},
	}},
	{"sequence numbers begin at 0 with every batch", producer, "Test.*", []edit{
		{"producer/commit.go", "next := t.session.sequence[b.partition]", "next := int32(0)"},
	}},
	{"EndTxn is sent before Produce was acknowledged", worker, "TestFaultMatrix/cells/Produce", []edit{
		{"producer/commit.go", "	return group.Wait()\n}\n\n// pack", "	go group.Wait()\n	return nil\n}\n\n// pack"},
	}},
	{"memory is committed before what it remembers", worker, "TestScenarios/killed-in-commits", []edit{
		{"cmd/internal/worker/sink.go", "	err := s.producer.Commit(s.hard, d.records, func", `	var early []producer.Record
	for _, r := range u.State {
		early = append(early, producer.Record{Topic: s.cfg.TopicPrefix + stateTopic, Key: r.Key, Value: r.Value})
	}
	if err := s.producer.Commit(s.hard, early, nil); err != nil {
		return err
	}
	err := s.producer.Commit(s.hard, d.records, func`},
	}},
	{"recovery takes aborted records for committed ones", worker, "TestFaultMatrix/cells/EndTxn", []edit{
		{"producer/committed.go", "visible := !b.Attributes.Transactional() || !a.open[b.ProducerID]", "visible := true"},
	}},
	{"rows are forgotten two days too early", worker, "TestCrashes", []edit{
		{"poller/bundle.go", "p.state.Seen.Expired(oldest.Add(-24*time.Hour), sweepMost)", "p.state.Seen.Expired(oldest.Add(24*time.Hour+Horizon(p.cfg.Tiers)), sweepMost)"},
	}},
	{"the lease is ignored, every worker is active", worker, "TestStandby", []edit{
		{"cmd/internal/worker/standby.go", "	if w.lease == nil {\n		return ctx,", "	if true {\n		return ctx,"},
		{"cmd/internal/worker/standby.go", "if w.lease == nil || w.lease.Confirmed() {", "if true {"},
	}},
	{"the budget begins anew at a takeover", worker, "TestBudgetAtTakeovers", []edit{
		{"cmd/internal/worker/worker.go", "	w.budget.Restart()\n", ""},
	}},
	{"an epoch is used again although a request to commit may still arrive", producer, "TestACommitThatArrivesLate", []edit{
		{"producer/commit.go", "	if s.doubtful {\n", "	if false {\n"},
	}},
	{"a dead letter is published whenever it is asked for", worker, "TestReplay$", []edit{
		{"poller/replay.go", "	if newest && aside == isAside {\n", "	if newest {\n"},
	}},
	{"the state does not say which contents are dead letters", worker, "TestReplayTakeover", []edit{
		{"poller/state.go", "		b[1] |= flagAside\n", ""},
	}},
	{"progress is claimed for what has not settled", worker, "TestClocksApart", []edit{
		{"poller/bundle.go", "settledUpTo := read.At.Add(-p.cfg.Settle)", "settledUpTo := read.At"},
	}},
}
