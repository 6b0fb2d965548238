package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/producer"
)

// memory is the state as it is read from its topic. Standing by, it is kept up to date with what the active worker commits,
// so that taking over costs no recovery.
//
// It outlives the session. What a session adds to it is what it has committed, and nothing else: the poller changes its state
// after a commit only, except for the ledger, which is read again. So after a commit that failed, whatever became of it, the
// next session goes on from the last commit that is known, and reads only what comes after that. It is the way of a start
// (crash-only), but for where it begins.
//
// It begins with the record of the ledger. That this stands where it stood proves that the log is the one that the memory was
// made from: a topic that was made anew, or set back, has something else there. Then the memory is given up, and the next
// session reads all.
type memory struct {
	heart     *heartbeat
	topic     string
	partition int
	reader    *producer.Reader
	state     *poller.State
	records   int       // read in this session
	moved     time.Time // when the last commit was seen
	// followed: it was kept warm for a while, and not read in one go.
	followed bool

	ledger poller.Record // as the last commit that is known wrote it; the zero value where there is none
	at     int64         // the offset of that record
	known  time.Time     // when nothing came after that, as far as one could read; until then, when the reading began
	kept   bool          // it was not read by this session
	begins bool          // the record that it was kept from comes next
	spoilt bool          // it must not outlive the session
}

// longestKept is for how long the memory is kept while nothing is heard of its topic. Compaction removes what says that an
// entry was deleted, after a day unless somebody has set delete.retention.ms: who comes later would not learn of it.
const longestKept = time.Hour

// recall returns the memory for a session: the one of the session before, as it was committed, or one that knows nothing.
func (w *Worker) recall() *memory {
	m, empty := w.memory, w.newMemory()
	if m == nil || m.partition != empty.partition || !m.lasts() {
		w.memory = empty
		return empty
	}
	m.reader = w.producer.Resume(m.reader, m.at)
	m.records, m.moved = 0, time.Now()
	m.kept, m.begins, m.followed = true, true, false
	return m
}

func (w *Worker) newMemory() *memory {
	topic := w.cfg.Topics().State()
	partition := w.producer.PartitionOf(topic, []byte(w.cfg.AccountID))
	return &memory{
		heart: &w.heart, topic: topic, partition: partition, reader: w.producer.NewReader(topic, partition),
		state: &poller.State{Account: w.cfg.AccountID}, moved: time.Now(), known: time.Now(),
	}
}

// lasts reports whether the memory outlives its session.
func (m *memory) lasts() bool {
	return !m.spoilt && m.ledger.Key != nil && time.Since(m.known) <= longestKept
}

// status is what others are shown of it.
func (m *memory) status() *admin.Memory {
	return &admin.Memory{Sequence: m.state.Sequence, CompleteThrough: m.state.Coverage.Through(m.state.From), Remembered: m.state.Seen.Len()}
}

// warmUp reads what is committed, without waiting for the transaction that the active worker may have open. It takes as long as
// there are records: the reader gives up where none come.
func (m *memory) warmUp(ctx context.Context) error {
	if err := m.read(m.reader.CatchUpStable(ctx, m.visit)); err != nil {
		return err
	}
	m.known = time.Now()
	return nil
}

// catchUp reads to the end, as warmUp does.
func (m *memory) catchUp(ctx context.Context) error {
	if err := m.read(m.reader.CatchUp(ctx, m.visit)); err != nil {
		return err
	}
	if m.begins {
		return m.read(errNotThere)
	}
	m.known = time.Now()
	return nil
}

// errNotThere ends a session that was to go on from a commit which is no longer there.
var errNotThere = fmt.Errorf("%w: the last commit that is known is not where it was; reading the state from the beginning", producer.ErrTruncated)

// read notes what came of reading. Only what says nothing of the memory, such as a broker that is away, leaves it as it was.
func (m *memory) read(err error) error {
	_, unusable := errors.AsType[*StateError](err)
	m.spoilt = m.spoilt || unusable || errors.Is(err, producer.ErrTruncated)
	return err
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
	return m.read(m.reader.Follow(ctx, m.visit))
}

func (m *memory) visit(r producer.Message) error {
	if m.records++; m.records%10_000 == 0 {
		m.heart.beat()
	}
	record := poller.Record{Key: r.Key, Value: r.Value}
	ledger := m.state.IsLedger(record)
	if m.begins {
		if m.begins = false; r.Offset != m.at || !ledger || !bytes.Equal(r.Value, m.ledger.Value) {
			return errNotThere
		}
	}
	before := m.state.Sequence
	if err := m.state.Restore(record); err != nil {
		return &StateError{err}
	}
	if ledger {
		m.ledger, m.at = record, r.Offset
	}
	if m.followed {
		m.known = time.Now()
	}
	if m.state.Sequence != before {
		m.moved = time.Now()
	}
	return nil
}

// committed notes the records of a commit of ours: its notes, and what the poller adds to the state by itself. The last of these
// is the ledger, and lies at the offset; -1: in another partition.
func (m *memory) committed(notes, records []poller.Record, at int64) {
	last := records[len(records)-1]
	if at < 0 || !m.state.IsLedger(last) {
		m.spoilt = true
		return
	}
	m.ledger, m.at, m.known = last, at, time.Now()
	for _, r := range notes {
		m.state.Note = r.Value
	}
}
