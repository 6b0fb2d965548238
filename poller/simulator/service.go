package simulator

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Service is the simulated service. It is an http.Handler; its methods may be
// called at any time, also while it serves.
type Service struct {
	config Config
	world  *world
	cast   *cast

	skew atomic.Int64 // of the clock, in nanoseconds

	mu     sync.Mutex
	script []Fault
	frozen time.Time
	stats  Stats
	recent []time.Time // requests of the last minute
	memory memory
}

// Stats counts what the service did since it was made.
type Stats struct {
	Requests     int           // all of them, also the refused ones
	Pages        int           // pages that were served
	Rows         int           // rows on them, repetitions included
	Bytes        int64         // bodies of pages
	MaxPerMinute int           // the most requests in any sliding minute
	Faults       map[Fault]int // by kind
	Refused      map[int]int   // requests that were wrong, by status
}

// New makes a service. An error names everything that is wrong with the
// configuration.
func New(c Config) (*Service, error) {
	c = c.withDefaults(time.Now())
	if err := c.validate(); err != nil {
		return nil, err
	}
	s := &Service{
		config: c,
		world:  newWorld(c),
		cast:   newCast(c.Seed, c.AccountID),
		stats:  Stats{Faults: map[Fault]int{}, Refused: map[int]int{}},
		memory: newMemory(),
	}
	s.SetSkew(c.Skew)
	return s, nil
}

// Script makes the next requests meet these faults, one each, in this order;
// Healthy lets one pass. While a script lasts nothing is drawn.
func (s *Service) Script(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, faults...)
}

// Freeze ends all change: from now on the service answers as it would have
// answered at this instant. Its clock, and so the Date header, goes on.
func (s *Service) Freeze(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = at
}

// Settled is the instant from which on nothing changes any more: the zero time
// when neither Config.Until nor Freeze ends the world.
func (s *Service) Settled() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.world.settled(); s.frozen.IsZero() || !t.IsZero() && t.Before(s.frozen) {
		return t
	}
	return s.frozen
}

// Stats is a copy of the counts.
func (s *Service) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Faults, stats.Refused = maps.Clone(stats.Faults), maps.Clone(stats.Refused)
	return stats
}

// MaxPerMinute is the most requests there were in any sliding minute.
func (s *Service) MaxPerMinute() int { return s.Stats().MaxPerMinute }

// clock is the service's own.
func (s *Service) clock() time.Time { return time.Now().Add(time.Duration(s.skew.Load())) }

// SetSkew changes how far the service's clock is ahead of ours, as Config.Skew
// sets it at the start.
func (s *Service) SetSkew(d time.Duration) { s.skew.Store(int64(d)) }

// instant is the one whose world is shown.
func (s *Service) instant() int64 {
	now := s.clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.frozen.IsZero() && s.frozen.Before(now) {
		now = s.frozen
	}
	return now.UnixMilli()
}

const maxBody = 1 << 20

// ServeHTTP answers one request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.clock().UTC().Format(http.TimeFormat))
	// The server notices that a client has gone only once the body is read.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, refusal{http.StatusRequestEntityTooLarge, codeArgument, "Request is too large"})
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	fault := s.admit()
	if s.config.Intercept != nil && s.config.Intercept(w, r) {
		s.count(interceptedRequest)
		return
	}
	if fault != Healthy {
		s.count(fault)
	}
	if fault == RateLimited {
		s.throttle(w, Throttled)
		return
	}
	if s.fail(w, r, fault) {
		return
	}
	s.answer(w, r, body, fault)
}

// admit counts a request and decides its fault.
func (s *Service) admit() Fault {
	now := time.Now() // a minute is one also where the service's clock is set
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Requests++
	past := 0
	for past < len(s.recent) && now.Sub(s.recent[past]) >= time.Minute {
		past++
	}
	s.recent = append(s.recent[:0], s.recent[past:]...)
	s.recent = append(s.recent, now)
	s.stats.MaxPerMinute = max(s.stats.MaxPerMinute, len(s.recent))
	switch {
	case len(s.script) > 0:
		fault := s.script[0]
		s.script = s.script[1:]
		return fault
	case s.config.RateLimit > 0 && len(s.recent) > s.config.RateLimit:
		return RateLimited
	}
	return s.config.Faults.draw(s.config.Seed, s.stats.Requests, s.clock())
}

func (s *Service) count(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Faults[f]++
}

// answer serves a page, or says what is wrong with the request.
func (s *Service) answer(w http.ResponseWriter, r *http.Request, body []byte, fault Fault) {
	q, no := s.understand(r, body)
	var rows []*row
	var total int
	var torn tear
	now := s.instant()
	if no == nil {
		bad := s.config.Faults.bad(q, s.clock())
		if bad != nil && !bad.Kind.Tears() {
			s.count(metBadSecond)
			if s.fail(w, r, Fault(bad.Kind)) {
				return
			}
			fault = CutBody
		}
		f := s.find(q, now)
		torn = s.tears(bad, f, now)
		rows, total, no = s.page(q, f)
	}
	if no != nil {
		s.mu.Lock()
		s.stats.Refused[no.status]++
		s.mu.Unlock()
		refuse(w, *no)
		return
	}
	p := s.write(rows, total, q.view, now, fault, torn)
	if p.rest != nil {
		s.count(metBadSecond)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(p.body)))
	s.remember(&p, q.view, now)
	if fault == CutBody {
		_, _ = w.Write(p.body[:p.cut])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // the documented way to drop the connection
	}
	_, _ = w.Write(p.body)
	if s.config.Observe != nil {
		s.config.Observe(p.answered(q, s.clock()))
	}
}

// stageAt is how far a row has come.
func (s *Service) stageAt(r *row, now int64) stage {
	if r.kind == poisonRow || r.kind == extraRow {
		return queued // these never change
	}
	return s.world.timeline(r).at(now)
}

// rowText is the row's JSON.
func (s *Service) rowText(r *row, v view, st stage) []byte {
	if r.kind == extraRow {
		return s.config.Extra[r.extra]
	}
	t := text{b: make([]byte, 0, 3072), seed: r.id, shift: -int64(v.offset) * minute}
	switch r.kind {
	case contactRow:
		s.cast.writeContact(&t, r, v, st, s.world.timeline(r))
	case poisonRow:
		s.cast.writePoison(&t, r, s.config.Faults.PoisonKinds)
	default:
		s.cast.writeBot(&t, r, st)
	}
	return t.b
}
