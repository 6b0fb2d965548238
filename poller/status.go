package poller

import "time"

// Status is what the Poller has done and knows, as of the last commit or failure. It holds no personal data.
type Status struct {
	Sequence        int64         `json:"sequence"`
	Selection       string        `json:"selection"`
	CompleteFrom    time.Time     `json:"completeFrom"`
	CompleteThrough time.Time     `json:"completeThrough"`
	HeadRead        time.Time     `json:"headRead"` // when the head was last read up to the present
	Stretches       int           `json:"stretches"`
	Partial         []Window      `json:"partial"` // could not be read whole; what touches is one
	Rereads         []RereadState `json:"rereads"`
	Remembered      int           `json:"remembered"` // entries of the memory
	RowsPerSecond   float64       `json:"rowsPerSecond"`
	Paging          Paging        `json:"paging"`
	Trouble         *Trouble      `json:"trouble"` // null while the service can be read
}

// RereadState is a tier of the re-read schedule as it is wished and as it really is.
type RereadState struct {
	Age    Seconds `json:"age"`
	Every  Seconds `json:"every"`
	Oldest Seconds `json:"oldest"` // how long ago the part of the tier that waits longest was last read
}

// Seconds is a duration that reads as such in JSON ("5m0s"), whole seconds of it.
type Seconds time.Duration

// String gives the duration to the second.
func (s Seconds) String() string { return time.Duration(s).Round(time.Second).String() }

// MarshalText gives the duration to the second.
func (s Seconds) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Trouble says that the service cannot be read.
type Trouble struct {
	Since    time.Time `json:"since"`
	Category string    `json:"category"`
	Error    string    `json:"error"`
	Hint     string    `json:"hint"` // what the operator can do; "" where it is only to wait
	Attempts int       `json:"attempts"`
}

// Status gives the latest status. It may be called from any goroutine.
func (p *Poller) Status() Status { return *p.status.Load() }

func (p *Poller) publishStatus(now time.Time) {
	s := &Status{
		Sequence: p.state.Sequence, Selection: p.state.Selection(),
		CompleteFrom: p.state.From, CompleteThrough: p.state.Coverage.Through(p.state.From),
		HeadRead: p.headRead, Stretches: len(p.state.Coverage.Stretches()), Remembered: p.state.Seen.Len(),
		RowsPerSecond: p.state.Density.Mean, Paging: p.reader.Paging, Partial: []Window{},
	}
	s.Partial = append(s.Partial, p.state.Coverage.Partial()...)
	if !p.trouble.since.IsZero() {
		s.Trouble = &Trouble{p.trouble.since, p.trouble.category, p.trouble.text, p.trouble.hint, p.trouble.attempts}
	}
	s.Rereads = p.rereads(now)
	p.status.Store(s)
}

func (p *Poller) rereads(now time.Time) []RereadState {
	out := make([]RereadState, len(p.cfg.Tiers))
	for i, t := range p.cfg.Tiers {
		out[i] = RereadState{Age: Seconds(t.Age), Every: Seconds(t.Every)}
	}
	for _, piece := range p.plan(now).pieces() {
		r := &out[piece.tier]
		r.Oldest = max(r.Oldest, Seconds(piece.overdue*float64(r.Every)))
	}
	return out
}
