package cadence

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
)

const commitTakes = 40 * time.Millisecond

// meter compares what is committed with the account. It is the poller's Sink, and keeps no bundle.
type meter struct {
	account *account // used by the poller's goroutine, and after its end

	mu      sync.Mutex // the poller's goroutine writes what follows, another looks at it
	spans   []*span
	through time.Time // CompleteThrough of the last commit
	wrong   []string  // what must not happen: the first few

	first, end int       // the backlog: indices of the conversations that started before the run
	unread     int       // of them not published
	readAt     time.Time // when the last of them was published
}

// span is a part of the run and what was measured in it.
type span struct {
	name     string
	from, to time.Time

	sent, rows int                       // requests, and rows on their pages
	efforts    map[poller.Reason]*effort // of the committed reads
	firstInGap int                       // conversations first published by a read of a gap
	fresh      []time.Duration           // from when a row showed to its publication
	changes    [4][]time.Duration        // from a change to its publication, by the row's age at the change
	lag        []time.Duration           // of CompleteThrough
	worst      []float64                 // the tier that is furthest behind, in units of its cadence
	most       []float64                 // of each tier, how far behind it ever was, likewise
	open       int                       // of fresh and changes: not published when the run ended, and counted as published then
}

// effort is the reads made for one reason.
type effort struct {
	requests, rows int // rows of a read count once, on however many of its pages they stand
}

func newSpan(name string, from, to time.Time) *span {
	return &span{name: name, from: from, to: to, efforts: map[poller.Reason]*effort{}}
}

// effort is that for the reason.
func (s *span) effort(reason poller.Reason) *effort {
	e := s.efforts[reason]
	if e == nil {
		e = &effort{}
		s.efforts[reason] = e
	}
	return e
}

// ages are the upper bounds of the ages by which changes are told apart.
var ages = [4]time.Duration{time.Hour, 6 * time.Hour, 48 * time.Hour, 168 * time.Hour}

func (m *meter) at(t time.Time) *span {
	for _, s := range m.spans {
		if !t.Before(s.from) && t.Before(s.to) {
			return s
		}
	}
	return newSpan("not measured", t, t)
}

func (m *meter) atMilli(ms int64) *span { return m.at(time.UnixMilli(ms)) }

// request notes that a request was sent and how many rows it returned.
func (m *meter) request(at time.Time, rows int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.at(at)
	s.sent++
	s.rows += rows
}

// Refused implements poller.Sink.
func (m *meter) Refused(smartassist.Row, uint64) error { return nil }

// KeepsLetters implements poller.Sink.
func (m *meter) KeepsLetters() time.Duration { return poller.ForEver }

// Commit publishes the bundle.
func (m *meter) Commit(_ context.Context, b poller.Bundle) error {
	time.Sleep(commitTakes)
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for _, batch := range b.Batches {
		s := m.at(batch.Read.At)
		e := s.effort(batch.Reason)
		e.requests += batch.Read.Requests
		e.rows += len(batch.Read.Rows)
		for _, revision := range batch.Fresh {
			id, content, err := rendered(revision.Row)
			if err != nil {
				return err
			}
			if m.publish(id, content, now) && batch.Reason == poller.Gap {
				s.firstInGap++
			}
		}
		m.through = batch.CompleteThrough
	}
	return nil
}

// publish notes that the content was published, and reports whether it is the conversation's first.
func (m *meter) publish(id, content int, now time.Time) (first bool) {
	c := &m.account.rows[id]
	known := int(c.published)
	if content <= known {
		m.complain("conversation %d: content %d published after %d", id, content, known)
		return false
	}
	c.published = int8(content)
	if known == unpublished {
		if id >= m.first && id < m.end {
			m.unread--
			m.readAt = now
		}
		m.published(c, now)
		return true
	}
	for k := known; k < content; k++ {
		m.seen(c, k, now)
	}
	return false
}

func (m *meter) complain(format string, args ...any) {
	if len(m.wrong) < 10 {
		m.wrong = append(m.wrong, fmt.Sprintf(format, args...))
	}
}

// published notes the first publication.
func (m *meter) published(c *conversation, now time.Time) {
	s := m.atMilli(c.shown())
	s.fresh = append(s.fresh, now.Sub(time.UnixMilli(c.shown())))
}

// seen notes that the k-th change was published.
func (m *meter) seen(c *conversation, k int, now time.Time) {
	s := m.atMilli(c.changed(k))
	for i, most := range ages {
		if int64(c.changes[k]) < most.Milliseconds() {
			s.changes[i] = append(s.changes[i], now.Sub(time.UnixMilli(c.changed(k))))
			return
		}
	}
}

// sample notes how far behind the poller is, and where tiers is true also how far its re-reads are.
func (m *meter) sample(now time.Time, status poller.Status, tiers bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.at(now)
	s.lag = append(s.lag, now.Sub(m.through))
	if !tiers {
		return
	}
	worst := 0.0
	for i, r := range status.Rereads {
		behind := float64(r.Oldest) / float64(r.Every)
		worst = max(worst, behind)
		if i == len(s.most) {
			s.most = append(s.most, 0)
		}
		s.most[i] = max(s.most[i], behind)
	}
	s.worst = append(s.worst, worst)
}

// behind is the number of conversations of the backlog that are not published.
func (m *meter) behind() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.unread
}

// finish counts what was to be published and is not as if it were now, and looks for what is lost.
func (m *meter) finish(now time.Time) {
	for i := m.first; i < len(m.account.rows); i++ {
		c := &m.account.rows[i]
		if c.published == unpublished {
			m.missing(i, now)
			continue
		}
		for k := int(c.published); k < c.contentAt(now.UnixMilli()); k++ {
			m.atMilli(c.changed(k)).open++
			m.seen(c, k, now)
		}
	}
}

// missing notes that the conversation was not published.
func (m *meter) missing(id int, now time.Time) {
	c := &m.account.rows[id]
	if c.start < m.through.UnixMilli() {
		m.complain("conversation %d is not published: it started before completeThrough", id)
	}
	if c.shown() < now.UnixMilli() {
		m.atMilli(c.shown()).open++
		m.published(c, now)
	}
}
