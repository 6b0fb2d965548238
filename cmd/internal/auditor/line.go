package auditor

import (
	"cmp"
	"slices"
	"time"

	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/poller"
)

// Line is one line of the response. It has one of its members.
type Line struct {
	Window    *poller.Window  `json:"window,omitempty"`    // in the first line: what is audited
	Retention *poller.Seconds `json:"retention,omitempty"` // there, too, if the topics' retention is shorter than the range is old

	Progress *Progress `json:"progress,omitempty"`
	*Difference
	Unread *poller.Window `json:"unread,omitempty"` // a part of the range that could not be read

	Done  *Summary `json:"done,omitempty"`  // in the last line: the audit has come to its end
	Error string   `json:"error,omitempty"` // in the last line: why it has not; asking again is safe
}

// Progress is how far an audit is.
type Progress struct {
	State       string         `json:"state"`                 // topics or service: what is being read
	Records     int            `json:"records,omitempty"`     // of the topics
	ReadThrough *time.Time     `json:"readThrough,omitempty"` // of the range
	Rows        int            `json:"rows,omitempty"`
	Requests    int            `json:"requests,omitempty"`
	PerMinute   float64        `json:"requestsPerMinute,omitempty"`
	Left        poller.Seconds `json:"left,omitempty"` // estimate
}

// Difference is what was found of a row that is not equal, or of a record. It holds nothing of the row's content.
type Difference struct {
	Result    audit.Result `json:"result"`
	Identity  string       `json:"identity,omitempty"` // omitted where it is not known
	Session   string       `json:"session,omitempty"`
	Revision  int32        `json:"revision,omitempty"`  // the newest one in the topics
	Revisions []int32      `json:"revisions,omitempty"` // all of them, if the result is gone or twice
	Topic     string       `json:"topic,omitempty"`     // where the record of Revision stands
	Partition *int         `json:"partition,omitempty"`
	Offset    *int64       `json:"offset,omitempty"`
	// ObservedAt is when the service was last known to show what the topics hold: it is stale since then at the longest.
	ObservedAt *time.Time `json:"observedAt,omitempty"`
	Published  int32      `json:"published,omitempty"` // the revision as which the content was published by the audit
	Letter     string     `json:"letter,omitempty"`    // id of the dead letter
}

// Summary is the end of an audit.
type Summary struct {
	Counts    map[audit.Result]int `json:"counts"`
	Published int                  `json:"published"` // of what was missing or stale
	Requests  int                  `json:"requests"`
	Unread    int                  `json:"unread"` // windows
	Differs   bool                 `json:"differs"`
}

func (d *Difference) setPlace(p audit.Place) {
	if p.Offset >= 0 && p.Topic != "" {
		d.Topic, d.Partition, d.Offset = p.Topic, &p.Partition, &p.Offset
	}
}

func (d *Difference) setHeld(r audit.Revision[identity, uint32]) {
	d.Revision, d.ObservedAt = r.Number, &r.At
	d.setPlace(r.Where)
}

// place returns where the record stands; false if that is not known.
func (d *Difference) place() (audit.Place, bool) {
	if d.Topic == "" {
		return audit.Place{}, false
	}
	return audit.Place{Topic: d.Topic, Partition: *d.Partition, Offset: *d.Offset}, true
}

func byPlace(a, b finding) int {
	p, _ := a.place()
	q, _ := b.place()
	return cmp.Or(cmp.Compare(p.Topic, q.Topic), cmp.Compare(p.Partition, q.Partition), cmp.Compare(p.Offset, q.Offset))
}

func (a *Audit) summary() Summary {
	s := Summary{Counts: a.counts, Published: a.published, Requests: a.state.Requests, Unread: len(a.state.Unread)}
	for r, n := range a.counts {
		s.Differs = s.Differs || n > 0 && r.Differs()
	}
	return s
}

func (s Summary) outcome() Outcome {
	switch {
	case s.Differs:
		return OutcomeDifferent
	case s.Unread > 0:
		return OutcomeFailed
	}
	return OutcomeEqual
}

// progress sends how far the audit is, not too often.
func (a *Audit) progress(p Progress) error {
	if time.Since(a.shown) < progressEvery {
		return nil
	}
	a.shown = time.Now()
	return a.answer(Line{Progress: &p})
}

// reading returns the progress of reading the range.
func (a *Audit) reading() Progress {
	p := Progress{State: "service", ReadThrough: &a.through, Rows: a.state.Rows, Requests: a.state.Requests, Left: poller.Seconds(a.state.Left)}
	if took := time.Since(a.readingSince); took > 0 && !a.readingSince.IsZero() {
		p.PerMinute = float64(a.state.Requests) / took.Minutes()
	}
	return p
}

// joined sorts windows and joins those that touch.
func joined(windows []poller.Window) (out []poller.Window) {
	windows = slices.DeleteFunc(windows, poller.Window.Empty)
	windows = slices.SortedFunc(slices.Values(windows), func(a, b poller.Window) int { return a.Start.Compare(b.Start) })
	for _, w := range windows {
		if last := len(out) - 1; last >= 0 && !w.Start.After(out[last].End) {
			if w.End.After(out[last].End) {
				out[last].End = w.End
			}
			continue
		}
		out = append(out, w)
	}
	return out
}
