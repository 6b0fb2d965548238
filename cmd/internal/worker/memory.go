package worker

import (
	"context"
	"time"

	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/producer"
)

// memory is the state as it is read from its topic. Standing by, it is kept up to date with what the active worker commits,
// so that taking over costs no recovery.
type memory struct {
	heart   *heartbeat
	reader  *producer.Reader
	state   *poller.State
	records int
	moved   time.Time // when the last commit was seen
	// followed: it was kept warm for a while, and not read in one go.
	followed bool
}

// memoryStatus is what /status says of a memory that is kept warm.
type memoryStatus struct {
	Sequence        int64     `json:"sequence"` // of the last commit seen
	CompleteThrough time.Time `json:"completeThrough"`
	Remembered      int       `json:"remembered"`
}

func (w *Worker) newMemory() *memory {
	topic := w.cfg.Topics().State()
	return &memory{
		heart: &w.heart, reader: w.producer.NewReader(topic, w.producer.PartitionOf(topic, []byte(w.cfg.AccountID))),
		state: &poller.State{Account: w.cfg.AccountID}, moved: time.Now(),
	}
}

// status is what others are shown of it.
func (m *memory) status() *memoryStatus {
	return &memoryStatus{m.state.Sequence, m.state.Coverage.Through(m.state.From), m.state.Seen.Len()}
}

// warmUp reads what is committed, without waiting for the transaction that the active worker may have open. It takes as long as
// there are records: the reader gives up where none come.
func (m *memory) warmUp(ctx context.Context) error {
	return m.reader.CatchUpStable(ctx, m.visit)
}

// catchUp reads to the end, as warmUp does.
func (m *memory) catchUp(ctx context.Context) error {
	return m.reader.CatchUp(ctx, m.visit)
}

// barrier makes sure that the memory, and what it is compared with, are read to the end: see producer.Barrier. It shows in no
// topic: a progress record would be a commit to its readers, and a state record of a new kind is refused by older versions.
func (s *session) barrier(ctx context.Context) error {
	w := s.worker
	w.heart.beat()
	ctx, cancel := context.WithTimeout(ctx, step)
	defer cancel()
	account := []byte(w.cfg.AccountID)
	return explainRefused(w.producer.Barrier(ctx, []producer.Record{
		{Topic: w.cfg.Topics().State(), Key: poller.StatePrefix(w.cfg.AccountID), PartitionKey: account},
		{Topic: w.cfg.Topics().Progress(), Key: account},
	}))
}

// follow reads what is being committed until the channel is closed; for a while at most.
func (m *memory) follow(ctx context.Context, until <-chan struct{}) error {
	m.heart.beat()
	m.followed = true
	ctx, cancel := context.WithTimeout(ctx, step)
	defer cancel()
	go func() {
		select {
		case <-until:
			cancel()
		case <-ctx.Done():
		}
	}()
	return m.reader.Follow(ctx, m.visit)
}

func (m *memory) visit(r producer.Message) error {
	if m.records++; m.records%10_000 == 0 {
		m.heart.beat()
	}
	before := m.state.Sequence
	if err := m.state.Restore(poller.Record{Key: r.Key, Value: r.Value}); err != nil {
		return &StateError{err}
	}
	if m.state.Sequence != before {
		m.moved = time.Now()
	}
	return nil
}
