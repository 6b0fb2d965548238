package worker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/cmd/internal/auditor"
	"github.com/convstream/convstream/cmd/internal/replay"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/producer"
)

// audits implements admin.Audits. Its methods are not for the poller's goroutine.
type audits struct {
	worker  *Worker
	reading *atomic.Pointer[auditReading]  // nil while none is under way
	session *atomic.Pointer[poller.Poller] // in which the last reading began; nil before the first
}

// Audits returns what audits the account.
func (w *Worker) Audits() admin.Audits {
	return audits{w, new(atomic.Pointer[auditReading]), new(atomic.Pointer[poller.Poller])}
}

// AccountID implements admin.Audits.
func (a audits) AccountID() string { return a.worker.cfg.AccountID }

// MayAsk implements admin.Audits.
func (a audits) MayAsk() (code int, reason string) { return a.worker.mayAsk() }

// Settle implements admin.Audits.
func (a audits) Settle() time.Duration { return a.worker.cfg.Settle }

// Rules implements auditor.Account.
func (a audits) Rules(ctx context.Context) (r auditor.Rules, err error) {
	w := a.worker
	r = auditor.Rules{Deduplicate: w.polling.Deduplicate, Ignore: w.polling.Ignore, Retention: poller.ForEver}
	err = a.do(ctx, func(context.Context, *poller.Poller) error { // whose goroutine knows the topics
		for _, topic := range w.cfg.Topics().Conversations() {
			r.Retention = min(r.Retention, w.producer.Retention(topic))
		}
		return nil
	})
	return r, err
}

// Observe implements auditor.Account.
func (a audits) Observe(observe func(auditor.Batch)) (stop func()) {
	return a.worker.observers.add(func(b poller.Batch) {
		r := a.reading.Load()
		observe(auditor.Batch{
			Audit: r != nil && b.Pass == r.id, At: b.Read.At, Rows: b.Read.Rows, Fresh: b.Fresh, Dead: b.Dead,
		})
	})
}

// Records implements auditor.Account, on connections of its own.
func (a audits) Records(ctx context.Context, since time.Time, visit func(auditor.Record) error) error {
	w := a.worker
	o := wholly(since)
	o.Topics = w.cfg.Topics().Conversations()
	return w.tail(ctx, o, func(m producer.Message) error {
		r := auditor.Record{Key: m.Key, Where: audit.Place{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset}}
		c, revision, err := w.codec.plain.ReadRecord(ctx, w.codec.decoder, MessageOf(m))
		switch missing := schemaMissing(m.Topic, err); {
		case errors.Is(err, encoder.ErrOtherAccount):
			return nil
		case missing != nil:
			if _, final := errors.AsType[*StateError](missing); !final {
				return missing
			}
			r.Err = err
		case err != nil:
			r.Err = err
		default:
			r.Row, r.Number, r.At, r.Supersedes = revision.Row, revision.Number, revision.ObservedAt, revision.Supersedes
			r.Republished = revision.Change == poller.Republished
			r.Start, r.End = timeOf(c.SessionStartTime), timeOf(c.SessionEndTime)
		}
		return visit(r)
	})
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// Letters implements auditor.Account.
func (a audits) Letters(ctx context.Context, visit func(encoder.Letter, error) error) error {
	return a.worker.readLetters(ctx, wholly(time.Time{}), visit)
}

// wholly returns how topics are read to the end of all that was written before: what is committed later is observed.
func wholly(since time.Time) producer.TailOptions {
	return producer.TailOptions{Since: since, Whole: true, Patience: tailPatience}
}

// Read implements auditor.Account.
func (a audits) Read(ctx context.Context, window poller.Window) (auditor.Reading, error) {
	r := &auditReading{audits: a}
	err := a.do(ctx, func(ctx context.Context, p *poller.Poller) (err error) {
		r.poller = p
		if r.id, err = p.StartAudit(ctx, window); err == nil {
			a.reading.Store(r) // before anything is read
			a.session.Store(p)
		}
		return err
	})
	a.worker.recallSoon()
	return r, err
}

// Restore implements auditor.Account. What was compared in another session may not be in the topics, or be there already.
func (a audits) Restore(ctx context.Context, rows []smartassist.Row) (published int, err error) {
	same := true
	err = a.do(ctx, func(ctx context.Context, p *poller.Poller) (err error) {
		if s := a.session.Load(); s != nil && s != p {
			same = false
			return nil
		}
		published, err = p.Restore(ctx, rows)
		return err
	})
	if err == nil && !same {
		return 0, auditor.ErrSession
	}
	return published, err
}

// Count implements auditor.Account.
func (a audits) Count(r audit.Result, rows int) {
	a.worker.metrics.auditRows.WithLabelValues(string(r)).Add(float64(rows))
}

// Ended implements auditor.Account.
func (a audits) Ended(o auditor.Outcome) {
	a.worker.metrics.audits.WithLabelValues(string(o)).Inc()
}

// do is Worker.do with the errors of an auditor.Account.
func (a audits) do(ctx context.Context, f poller.Errand) error {
	err := a.worker.do(ctx, f)
	switch {
	case poller.Refused(err):
		return &auditor.FinalError{Err: err}
	case errors.Is(err, replay.ErrNotActive):
		return auditor.ErrNotActive
	case err != nil && errors.Is(a.worker.ending(err), replay.ErrEnds):
		return auditor.ErrEnds
	}
	return err
}

// auditReading implements auditor.Reading.
type auditReading struct {
	audits
	poller *poller.Poller // of the session in which it began
	id     int64
	active time.Time // when the worker last was the active one
}

// unsureFor is how long a worker may not know whether it is the active one until the reading counts as ended.
const unsureFor = 30 * time.Second

// State implements auditor.Reading.
func (r *auditReading) State() (s auditor.State, err error) {
	switch role := r.worker.Role(); {
	case role == admin.Active || r.active.IsZero():
		r.active = time.Now()
	case role == admin.Standby || role == admin.Idle:
		return s, auditor.ErrNotActive
	case time.Since(r.active) > unsureFor:
		return s, auditor.ErrSession
	}
	if r.worker.shown.poller.Load() != r.poller {
		return s, auditor.ErrSession
	}
	status := r.poller.Status()
	i := slices.IndexFunc(status.Passes, func(p poller.PassStatus) bool { return p.ID == r.id })
	if i < 0 {
		return s, auditor.ErrSession
	}
	p := status.Passes[i]
	s = auditor.State{Finished: p.State == poller.Finished, ReadThrough: p.ReadThrough, Requests: p.Requests, Rows: p.Rows, Left: time.Duration(p.Left)}
	for _, gap := range p.Partial {
		s.Unread = append(s.Unread, gap.Window)
	}
	for _, f := range status.Failing { // what live polling knows to fail is not tried once more
		if w := f.Intersect(p.Window); !w.Empty() {
			s.Unread = append(s.Unread, w)
		}
	}
	return s, nil
}

// Stop implements auditor.Reading.
func (r *auditReading) Stop(ctx context.Context) error {
	r.reading.Store(nil)
	return r.do(ctx, func(ctx context.Context, p *poller.Poller) error {
		if p != r.poller { // it ended with its session
			return nil
		}
		return p.StopAudit(ctx, r.id)
	})
}

// observers are told of committed batches. The zero value has none.
type observers struct {
	mu   sync.Mutex
	all  map[int]func(poller.Batch)
	next int
}

// add adds an observer until stop is called. It is called in the poller's goroutine.
func (o *observers) add(observe func(poller.Batch)) (stop func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = map[int]func(poller.Batch){}
	}
	id := o.next
	o.next++
	o.all[id] = observe
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.all, id)
	}
}

func (o *observers) committed(u poller.Bundle) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, observe := range o.all {
		for _, b := range u.Batches {
			observe(b)
		}
	}
}
