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

// memory is the state as it was read from its topic. A standby keeps it up to date with the commits of the active worker,
// so that taking over needs no recovery.
//
// It outlives the session. A session adds only what it has committed: the poller changes its state
// after a commit only, except for the ledger, which is read again. So after a commit that failed, whatever its outcome, the
// next session continues from the last commit that is known, and reads only the records after it. Only where it begins differs from
// a start (crash-only).
//
// It begins with the record of the ledger. If this is still at its offset, the log is the one that the memory was
// read from: a topic that was created again, or truncated, has something else there. Then the memory is dropped, and the next
// session reads the whole topic.
type memory struct {
	heart     *heartbeat
	topic     string
	partition int
	reader    *producer.Reader
	state     *poller.State
	records   int       // read in this session
	moved     time.Time // when the last commit was read
	// followed: it was kept up to date for a while, and not read at once.
	followed bool

	ledger poller.Record // of the last commit that is known; the zero value if there is none
	at     int64         // the offset of that record
	known  time.Time     // when the end of the topic was last reached; before that, when the reading began
	kept   bool          // it is from an earlier session
	begins bool          // the ledger's record is to be read next
	spoilt bool          // it must not outlive the session
}

// longestKept is how long the memory is kept without reading its topic. Compaction removes tombstones, after a day unless
// delete.retention.ms is changed: a later reader would not learn which entries were deleted.
const longestKept = time.Hour

// recall returns the memory for a session: that of the session before, as it was committed, or an empty one.
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

// status returns the memory for /status.
func (m *memory) status() *admin.Memory {
	return &admin.Memory{Sequence: m.state.Sequence, CompleteThrough: m.state.Coverage.Through(m.state.From), Remembered: m.state.Seen.Len()}
}

// warmUp reads what is committed, without waiting for the transaction that the active worker may have open. Its time is not bounded:
// the reader gives up if no records come.
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

// errNotThere ends a session that was to continue from a commit that is gone.
var errNotThere = fmt.Errorf("%w: the last commit that is known is not where it was; reading the state from the beginning", producer.ErrTruncated)

// read returns the error of a read, and notes if the memory cannot be used after it. After an error that has nothing to do with the
// memory, such as an unavailable broker, it can.
func (m *memory) read(err error) error {
	_, unusable := errors.AsType[*StateError](err)
	m.spoilt = m.spoilt || unusable || errors.Is(err, producer.ErrTruncated)
	return err
}

// follow reads what is committed until the channel is closed, for step at most.
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

// committed notes the records of a commit of this session: its notes, and the poller's records. The last of these is the ledger, at that
// offset; -1 means in another partition.
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
