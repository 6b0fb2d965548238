package poller

import (
	"math"
	"time"
)

// Status is what the Poller has done and knows, as of the last commit or failure. It holds no personal data.
type Status struct {
	Sequence        int64           `json:"sequence"`
	Selection       string          `json:"selection"`
	CompleteFrom    time.Time       `json:"completeFrom"`
	CompleteThrough time.Time       `json:"completeThrough"`
	HeadRead        time.Time       `json:"headRead"` // when the head was last read up to the present
	Stretches       int             `json:"stretches"`
	LastRow         time.Time       `json:"lastRow"`  // when a read last brought a new conversation
	Reach           time.Time       `json:"reach"`    // nothing before it is read again: the memory does not reach back further
	Partial         []PartialWindow `json:"partial"`  // could not be read whole; what touches is one
	Failing         []FailingWindow `json:"failing"`  // are tried again; everything else goes on
	Accepted        []Acceptance    `json:"accepted"` // the last partial windows that operators accepted
	Strip           []Part          `json:"strip"`    // how the last days are covered
	Passes          []PassStatus    `json:"passes"`   // backfills and audits, those that have ended among them
	Behind          Seconds         `json:"behind"`   // how far the service's clock is behind this machine's
	Ahead           Seconds         `json:"ahead"`    // or ahead
	Rereads         []RereadState   `json:"rereads"`
	Remembered      int             `json:"remembered"` // entries of the memory
	RowsPerSecond   float64         `json:"rowsPerSecond"`
	Paging          Paging          `json:"paging"`
	Trouble         *Trouble        `json:"trouble"` // null while the service can be read
	// ChangesByAge is at which age rows were found to change, LatenessOfRows how long after its start a row was first seen; both
	// fade with time.
	ChangesByAge   []AgeCount `json:"changesByAge"`
	LatenessOfRows []AgeCount `json:"latenessOfRows"`
	// Advice says in words whether SETTLE and REREAD fit these.
	Advice []string `json:"advice"`
	// Assumptions is what was found out about the service, each with its evidence.
	Assumptions []Assumption `json:"assumptions"`
}

// FailingWindow is a window that could not be read, and is tried again.
type FailingWindow struct {
	Window
	Reason   Reason    `json:"reason"` // of reading it
	Since    time.Time `json:"since"`
	Next     time.Time `json:"next"` // when it is tried again, at the earliest
	Failures int       `json:"failures"`
	Category string    `json:"category"`
}

// AgeCount is a bucket of what was learned.
type AgeCount struct {
	UpTo  Seconds `json:"upTo"` // age; zero for the rest
	Count float64 `json:"count"`
}

// RereadState is a tier of the re-read schedule as configured and as it is.
type RereadState struct {
	Age    Seconds `json:"age"`
	Every  Seconds `json:"every"`
	Oldest Seconds `json:"oldest"` // how long ago the part of the tier that waits longest was last read
}

// Seconds is a duration that reads as such in JSON ("5m0s"), whole seconds of it.
type Seconds time.Duration

// String returns the duration to the second.
func (s Seconds) String() string { return time.Duration(s).Round(time.Second).String() }

// MarshalText returns the duration to the second.
func (s Seconds) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *Seconds) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*s = Seconds(d)
	return err
}

// Trouble is why the service cannot be read.
type Trouble struct {
	Since    time.Time `json:"since"`
	Category string    `json:"category"`
	Error    string    `json:"error"`
	Hint     string    `json:"hint"` // what the operator can do; "" where it is only to wait
	Attempts int       `json:"attempts"`
}

// Gaps returns how many partial windows hold completeThrough up, or would.
func (s Status) Gaps() (n int) {
	for _, p := range s.Partial {
		if !p.Accepted {
			n++
		}
	}
	return n
}

// Status returns the latest status. It may be called from any goroutine.
func (p *Poller) Status() Status { return *p.status.Load() }

func (p *Poller) publishStatus(now time.Time) {
	clock := p.agenda.Clock
	s := &Status{
		Sequence: p.state.Sequence, Selection: p.state.Selection(),
		CompleteFrom: p.state.From, CompleteThrough: p.state.Coverage.Through(p.state.From),
		HeadRead: p.agenda.headRead, Stretches: len(p.state.Coverage.Stretches()), Remembered: p.state.Seen.Len(),
		RowsPerSecond: p.state.Density.Mean, Paging: p.reader.Paging, Partial: []PartialWindow{}, Failing: []FailingWindow{}, Passes: []PassStatus{}, Accepted: append([]Acceptance{}, p.state.Accepted...),
		LastRow: p.state.LastRow, Reach: p.state.Reach,
		Behind: Seconds(max(0, -clock.Ahead)), Ahead: Seconds(max(0, clock.Ahead)),
		ChangesByAge: p.agenda.Learned.Changed.counts(), LatenessOfRows: p.agenda.Learned.Late.counts(),
		Advice:      p.agenda.Learned.Advice(p.agenda.Rules),
		Assumptions: p.agenda.Assumptions.list(p.reader.Paging, clock),
	}
	s.Partial = append(s.Partial, p.state.Coverage.Partial()...)
	for _, f := range p.agenda.Failing {
		s.Failing = append(s.Failing, FailingWindow{f.Window, f.Reason, f.Since, f.NotBefore, f.Failures, f.Category})
	}
	for _, pass := range p.agenda.Passes {
		s.Passes = append(s.Passes, p.agenda.passStatus(pass, now))
	}
	if o := p.outage; !o.began.IsZero() {
		s.Trouble = &Trouble{o.began, o.category, o.text, o.hint, o.attempts}
	}
	s.Strip = p.agenda.strip(now)
	s.Rereads = p.rereads(now)
	p.status.Store(s)
}

func (p *Poller) rereads(now time.Time) []RereadState {
	out := make([]RereadState, len(p.cfg.Tiers))
	for i, t := range p.cfg.Tiers {
		out[i] = RereadState{Age: Seconds(t.Age), Every: Seconds(t.Every)}
	}
	for _, piece := range p.agenda.pieces(p.agenda.Clock.Earlier(now)) {
		r := &out[piece.tier]
		r.Oldest = max(r.Oldest, Seconds(piece.overdue*float64(r.Every)))
	}
	return out
}

// counts returns the buckets that hold anything.
func (h Histogram) counts() []AgeCount {
	out := []AgeCount{}
	for i, n := range h {
		if n < 0.005 {
			continue
		}
		c := AgeCount{Count: math.Round(n*100) / 100}
		if i < ageBuckets-1 {
			c.UpTo = Seconds(ageBounds[i] * float64(time.Second))
		}
		out = append(out, c)
	}
	return out
}
