package auditor

import (
	"fmt"
	"io"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin/client"
	"github.com/convstream/convstream/poller"
)

// Path is the path of the admin port to which a Request is posted. The response has one Line a line.
const Path = "/audits"

// Request selects a range of time.
type Request struct {
	From string `json:"from"` // as [client.Instant] takes it
	To   string `json:"to"`   // the same; "" means SETTLE ago
}

// earliest is before any conversation, and before what a worker's memory can know: a range that begins earlier is a mistake.
var earliest = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)

// Example returns a request as it is written, for errors.
func (Request) Example() string {
	return `{"from": "2026-01-02T00:00:00Z", "to": "2026-01-03T00:00:00Z"}`
}

// Read reads a Request. Its error is meant for the sender. now is the present, settle how long after its end a range can be relied upon.
func Read(body io.Reader, now time.Time, settle time.Duration) (*Audit, error) {
	var asked Request
	if err := client.Strict(body, &asked); err != nil {
		return nil, err
	}
	w, err := asked.window(now, settle)
	if err != nil {
		return nil, err
	}
	return &Audit{window: w, begun: now}, nil
}

// Check returns what is wrong with how the instants are written.
func (r Request) Check() error {
	now := time.Now()
	from, err := instant("from", r.From, now)
	if err != nil || r.To == "" {
		return err
	}
	to, err := instant("to", r.To, now)
	if err == nil && !from.Before(to) {
		err = fmt.Errorf("from %s is not before --to %s", r.From, r.To)
	}
	return err
}

func (r Request) window(now time.Time, settle time.Duration) (w poller.Window, err error) {
	from, err := instant("from", r.From, now)
	if err != nil {
		return w, err
	}
	latest := now.Add(-settle)
	to := latest
	if r.To != "" {
		if to, err = instant("to", r.To, now); err != nil {
			return w, err
		}
	}
	w = poller.Span(from, to)
	switch {
	case from.Before(earliest):
		return w, fmt.Errorf("from %s is before %d, and the service has nothing as old as that", from.Format(time.RFC3339), earliest.Year())
	case w.End.After(latest):
		return w, fmt.Errorf("to %s is later than %s: a range can be audited once it has ended SETTLE (%v) ago", w.End.Format(time.RFC3339), latest.UTC().Format(time.RFC3339), settle)
	case w.Empty():
		return w, fmt.Errorf("from %s is not before to %s: the range is empty", w.Start.Format(time.RFC3339), w.End.Format(time.RFC3339))
	case w.Len() > poller.LongestPass:
		return w, fmt.Errorf("the range is longer than %d days: audit it in parts", int(poller.LongestPass/(24*time.Hour)))
	}
	return w, nil
}

func instant(name, text string, now time.Time) (time.Time, error) {
	at, err := client.Instant(text, now)
	if err != nil {
		return at, fmt.Errorf("%s %w", name, err)
	}
	return at, nil
}
