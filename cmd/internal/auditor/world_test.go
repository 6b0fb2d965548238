package auditor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
)

var (
	midnight = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	march1   = poller.Window{Start: midnight, End: midnight.Add(24 * time.Hour)}
)

// account is a worker that is right: what the service shows, what its memory takes for published, and topics, which a test may change
// behind its back.
type account struct {
	rules   Rules
	shows   []smartassist.Row     // of the range, in order
	memory  map[string]remembered // newest content by identity and session
	numbers map[string]int32      // the last one given out, by identity
	topics  []Record
	letters []encoder.Letter
	observe func(Batch)

	unread   []poller.Window // that the service does not answer for
	sessions []error         // how the next ones end, nil or in the middle of the reading
	silent   error           // of Records, while it is set
	counts   map[audit.Result]int
	outcome  Outcome
	restored int
	stopped  int
}

type remembered struct{ content uint64 }

func memoryKey(r smartassist.Row) string { return r.Identity() + " " + r.SessionID }

// knows reports whether the memory takes the row for published as it is.
func (w *account) knows(r smartassist.Row) bool {
	known, ok := w.memory[memoryKey(r)]
	return ok && known.content == r.Fingerprint(w.rules.Ignore)
}

func newAccount() *account {
	return &account{
		rules: Rules{Deduplicate: poller.ByRevision, Retention: poller.ForEver}, memory: map[string]remembered{}, numbers: map[string]int32{}, counts: map[audit.Result]int{},
	}
}

// row is a closed conversation of the range that began at that minute.
func row(id string, minute int, content string) smartassist.Row {
	return sessionRow(id, "s-"+id, minute, content)
}

func sessionRow(id, session string, minute int, content string) smartassist.Row {
	at := midnight.Add(time.Duration(minute) * time.Minute).Format("2006-01-02T15:04:05")
	return smartassist.ParseRow(fmt.Appendf(nil, `{"conversationId":%q,"sessionId":%q,"channel":"voice","sessionStartTime":%q,"finalStatus":"COMPLETED","x":%q}`, id, session, at, content))
}

// publish makes the row the next revision of its identity, in memory and topics.
func (w *account) publish(r smartassist.Row) poller.Revision {
	number := w.numbers[r.Identity()] + 1
	w.numbers[r.Identity()], w.memory[memoryKey(r)] = number, remembered{r.Fingerprint(w.rules.Ignore)}
	w.topics = append(w.topics, Record{
		Row: r, Number: number, At: midnight.Add(time.Duration(len(w.topics)) * time.Second), Start: r.Start, End: r.Start, Key: []byte(r.Identity()),
		Where: audit.Place{Topic: "conversations.voice", Partition: int(r.Identity()[0]) % 3, Offset: int64(len(w.topics))},
	})
	return poller.Revision{Row: r, Number: number, Fingerprint: r.Fingerprint(w.rules.Ignore)}
}

// has shows a row that is published as it is.
func (w *account) has(r smartassist.Row) {
	w.shows = append(w.shows, r)
	w.publish(r)
}

func (w *account) Rules(context.Context) (Rules, error) { return w.rules, nil }

func (w *account) Observe(observe func(Batch)) (stop func()) {
	w.observe = observe
	return func() { w.observe = func(Batch) {} }
}

func (w *account) Records(_ context.Context, _ time.Time, visit func(Record) error) error {
	for _, r := range w.topics {
		if err := visit(r); err != nil {
			return err
		}
	}
	return w.silent
}

func (w *account) Letters(_ context.Context, visit func(encoder.Letter, error) error) error {
	for _, l := range w.letters {
		if err := visit(l, nil); err != nil {
			return err
		}
	}
	return nil
}

func (w *account) Read(_ context.Context, window poller.Window) (Reading, error) {
	r := &reading{account: w, window: window, through: window.Start}
	for i, row := range w.shows {
		if window.Contains(row.Start) {
			r.rows = append(r.rows, i)
		}
	}
	if len(w.sessions) > 0 {
		r.ends, w.sessions = w.sessions[0], w.sessions[1:]
	}
	return r, nil
}

func (w *account) Restore(_ context.Context, rows []smartassist.Row) (published int, err error) {
	b := Batch{At: time.Now()}
	for _, r := range rows {
		if w.knows(r) {
			b.Rows, b.Fresh = append(b.Rows, r), append(b.Fresh, w.publish(r))
		}
	}
	w.observe(b)
	w.restored += len(b.Fresh)
	return len(b.Fresh), nil
}

func (w *account) Count(r audit.Result, n int) { w.counts[r] += n }
func (w *account) Ended(o Outcome)             { w.outcome = o }

// reading reads ten rows a second.
type reading struct {
	*account
	window  poller.Window
	rows    []int // in shows
	through time.Time
	count   int
	ends    error
}

func (r *reading) State() (State, error) {
	if r.ends != nil && r.count >= 10 {
		return State{}, r.ends
	}
	if len(r.rows) == 0 {
		return State{Finished: true, ReadThrough: r.window.End, Requests: r.count/10 + 1, Rows: r.count, Unread: r.unread}, nil
	}
	n := min(10, len(r.rows))
	b := Batch{Audit: true, At: time.Now()}
	for _, i := range r.rows[:n] {
		b.Rows = append(b.Rows, r.shows[i])
	}
	for _, row := range b.Rows {
		if row.Err == nil && !r.knows(row) {
			b.Fresh = append(b.Fresh, r.publish(row))
		}
	}
	r.observe(b)
	r.through, r.rows, r.count = b.Rows[n-1].Start, r.rows[n:], r.count+n
	return State{ReadThrough: r.through, Requests: r.count / 10, Rows: r.count, Left: time.Minute}, nil
}

func (r *reading) Stop(context.Context) error { r.stopped++; return nil }

// audit runs an audit of the range and returns its lines but progress.
func (w *account) audit(t *testing.T) (lines []Line, s Summary, err error) {
	t.Helper()
	a := &Audit{window: march1, begun: midnight.Add(48 * time.Hour)}
	s, err = a.Run(t.Context(), w, zerolog.Nop(), func(l Line) error {
		text, err := json.Marshal(l)
		if err != nil {
			return err
		}
		var back Line // as the one who asked reads it
		if err := json.Unmarshal(text, &back); err != nil {
			return err
		}
		if back.Progress == nil {
			lines = append(lines, back)
		}
		return nil
	})
	return lines, s, err
}

// results are what was found of each identity, sorted.
func results(lines []Line) map[string][]string {
	out := map[string][]string{}
	for _, l := range lines {
		if l.Difference != nil {
			out[l.Identity] = append(out[l.Identity], string(l.Result))
			slices.Sort(out[l.Identity])
		}
	}
	return out
}

func inBubble(t *testing.T, test func(t *testing.T, w *account)) {
	synctest.Test(t, func(t *testing.T) { test(t, newAccount()) })
}

var errBroker = errors.New("kafka: no connection")
