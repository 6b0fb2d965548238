package auditor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
)

// TestResults: every kind of difference is found, each where it is, and what is missing or stale is there afterwards.
func TestResults(t *testing.T) {
	for name, c := range map[string]struct {
		prepare   func(*account)
		want      map[string][]string
		published int
	}{
		"nothing": {func(*account) {}, nil, 0},
		"all equal": {func(w *account) {
			for n := range 35 {
				w.has(row(fmt.Sprint("c-", n), n, "1"))
			}
		}, nil, 0},
		"the memory does not know it": {func(w *account) { w.shows = append(w.shows, row("c", 1, "1")) }, map[string][]string{"c": {"missing"}}, 1},
		"it changed unseen": {func(w *account) {
			w.publish(row("c", 1, "1"))
			w.shows = append(w.shows, row("c", 1, "2"))
		}, map[string][]string{"c": {"stale"}}, 1},
		"its record is gone": {func(w *account) {
			w.has(row("c", 1, "1"))
			w.topics = nil
		}, map[string][]string{"c": {"missing"}}, 1},
		"its newest revision is gone": {func(w *account) {
			w.publish(row("c", 1, "1"))
			w.has(row("c", 1, "2"))
			w.topics = w.topics[:1]
		}, map[string][]string{"c": {"stale"}}, 1},
		"it came back to what it was, and that is gone": {func(w *account) {
			w.publish(row("c", 1, "1"))
			w.publish(row("c", 1, "2"))
			w.has(row("c", 1, "1"))
			w.topics = w.topics[:2]
		}, map[string][]string{"c": {"stale"}}, 1},
		"an older revision is gone": {func(w *account) {
			w.publish(row("c", 1, "1"))
			w.publish(row("c", 1, "2"))
			w.has(row("c", 1, "3"))
			w.topics = slices.Delete(w.topics, 1, 2)
		}, map[string][]string{"c": {"gone"}}, 0},
		"a revision is there twice": {func(w *account) {
			w.has(row("c", 1, "1"))
			again := w.topics[0]
			again.Where.Offset = 9
			w.topics = append(w.topics, again)
		}, map[string][]string{"c": {"twice"}}, 0},
		"the service does not show it": {func(w *account) { w.publish(row("c", 1, "1")) }, map[string][]string{"c": {"extra"}}, 0},
		"not shown, and not of the range": {func(w *account) {
			w.publish(row("before", -1, "1"))
			w.publish(row("after", 24*60, "1"))
			w.publish(row("long before", -20*24*60, "1"))
		}, nil, 0},
		"not shown, and still open": {func(w *account) {
			w.publish(row("c", 1, "1"))
			w.topics[0].End = time.Time{}
		}, nil, 0},
		"a bot's session out of which a conversation grew": {func(w *account) {
			w.publish(smartassist.ParseRow([]byte(`{"sessionId":"s-c","channel":"rtm","sessionStartTime":"2026-03-01T00:01:00"}`)))
			w.has(row("c", 1, "1"))
		}, nil, 0},
		"which is known of it from the topics": {func(w *account) {
			w.publish(smartassist.ParseRow([]byte(`{"sessionId":"s-c","channel":"rtm","sessionStartTime":"2026-03-01T00:01:00"}`)))
			w.publish(row("c", 25*60, "1"))
			w.topics[1].Supersedes = "s-c"
		}, nil, 0},
		"two sessions": {func(w *account) {
			w.has(sessionRow("c", "one", 1, "1"))
			w.has(sessionRow("c", "two", 1, "2"))
			w.shows = w.shows[:1]
		}, map[string][]string{"c": {"extra"}}, 0},
		"twins": {func(w *account) {
			w.has(row("c", 1, "1"))
			w.has(row("c", 1, "2"))
			w.topics[1].At = w.topics[0].At
			w.shows = w.shows[:1] // the other one is on another page
			w.memory[memoryKey(w.shows[0])] = remembered{w.shows[0].Fingerprint(smartassist.Ignore{})}
		}, nil, 0},
		"a record that cannot be read": {func(w *account) {
			w.topics = append(w.topics, Record{Err: errors.New("no Avro"), Key: []byte("c"), Where: audit.Place{Topic: "conversations.voice", Offset: 3}})
		}, map[string][]string{"c": {"unreadable"}}, 0},
		"a dead letter, and one whose letter is gone": {func(w *account) {
			for _, text := range []string{`{"no":1}`, `{"no":2}`} {
				w.shows = append(w.shows, smartassist.ParseRow([]byte(text)))
				w.shows[len(w.shows)-1].Start = midnight
			}
			w.letters = []encoder.Letter{{ID: letterID(w.shows[0]), Row: []byte(`{"no":1}`)}}
		}, map[string][]string{"": {"dead-letter", "missing"}}, 0},
		"a content that a broker refuses": {func(w *account) {
			w.has(row("c", 1, "1"))
			w.letters = []encoder.Letter{{ID: "00", Row: w.shows[0].Raw}}
			w.topics = nil
		}, map[string][]string{"c": {"dead-letter"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *account) {
				c.prepare(w)
				lines, s, err := w.audit(t)
				if got := results(lines); !maps.EqualFunc(got, c.want, slices.Equal) || err != nil {
					t.Errorf("%v, want %v: %v", got, c.want, err)
				}
				differs := false
				for _, all := range c.want {
					differs = differs || slices.ContainsFunc(all, func(r string) bool { return audit.Result(r).Differs() })
				}
				if s.Published != c.published || s.Differs != differs || (w.outcome == OutcomeDifferent) != differs || !maps.Equal(s.Counts, w.counts) || w.stopped == 0 {
					t.Errorf("%+v, counted %v, %s, stopped %d times", s, w.counts, w.outcome, w.stopped)
				}
				w.repaired(t)
			})
		})
	}
}

// repaired audits once more: nothing is missing or stale any more.
func (w *account) repaired(t *testing.T) {
	t.Helper()
	lines, _, err := w.audit(t)
	for _, l := range lines {
		if l.Difference != nil && l.Letter == "" && (l.Result == audit.Missing || l.Result == audit.Stale) {
			t.Errorf("afterwards %s is %s", l.Identity, l.Result)
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// TestByConversation: with DEDUPLICATE=conversation an id that is there is equal whatever it says, and one that is open waits.
func TestByConversation(t *testing.T) {
	inBubble(t, func(t *testing.T, w *account) {
		w.rules.Deduplicate = poller.ByConversation
		w.publish(sessionRow("there", "one", 1, "1"))
		open := fmt.Appendf(nil, `{"conversationId":"open","sessionStartTime":%q,"finalStatus":"TRANSIENT_OPEN"}`, time.Now().Add(-time.Hour).UTC().Format("2006-01-02T15:04:05"))
		w.shows = []smartassist.Row{sessionRow("there", "two", 1, "2"), smartassist.ParseRow(open)}
		w.shows[1].Start = midnight
		c := newComparison(march1, w.rules, nil)
		for _, r := range w.topics {
			if err := c.addRecord(r); err != nil {
				t.Fatal(err)
			}
		}
		c.open()
		w.shows[1].Start = time.Now().Add(-time.Hour)
		c.observe(Batch{Audit: true, At: time.Now(), Rows: w.shows})
		c.observe(Batch{Audit: true, At: time.Now().Add(24 * time.Hour), Rows: []smartassist.Row{smartassist.ParseRow([]byte(`{"conversationId":"old","finalStatus":"TRANSIENT_OPEN"}`))}})
		found, rows := c.take()
		if len(found) != 2 || found[0].Result != audit.Withheld || found[1].Result != audit.Missing || len(rows) != 1 || c.equal != 1 {
			t.Errorf("%+v, %d to be published, %d equal", found, len(rows), c.equal)
		}
	})
}

// TestLivePolling: what is published while the topics are read, and beside the audit, is neither missing nor twice nor extra.
func TestLivePolling(t *testing.T) {
	inBubble(t, func(t *testing.T, w *account) {
		for n := range 30 {
			w.has(row(fmt.Sprint("c-", n), n, "1"))
		}
		a := &Audit{window: march1, begun: time.Now()}
		committed := 0
		_, err := a.Run(t.Context(), w, zerolog.Nop(), func(l Line) error {
			switch {
			case l.Window != nil: // before the topics are read: the next Observe has it, and the topics, too
				defer func() { w.topics = slices.Clip(w.topics) }()
			case l.Progress != nil && committed == 0:
				fresh := row("late", 2, "1")
				b := Batch{At: time.Now(), Rows: []smartassist.Row{fresh, row("c-29", 29, "2")}}
				for _, r := range b.Rows {
					b.Fresh = append(b.Fresh, w.publish(r))
				}
				w.shows[29] = b.Rows[1]
				w.observe(b)
				committed++
			case l.Difference != nil:
				t.Errorf("%s: %s", l.Identity, l.Result)
			}
			return nil
		})
		if err != nil || committed != 1 {
			t.Errorf("%d commits beside it, %v", committed, err)
		}
	})
}

// TestBesideTheReading of the topics: a commit reaches the audit before it has read the topics, and is in them or not.
func TestBesideTheReading(t *testing.T) {
	for _, read := range []bool{true, false} {
		inBubble(t, func(t *testing.T, w *account) {
			c := newComparison(march1, w.rules, nil)
			r := row("c", 1, "1")
			c.observe(Batch{At: time.Now(), Rows: []smartassist.Row{r}, Fresh: []poller.Revision{w.publish(r)}})
			if read {
				if err := c.addRecord(w.topics[0]); err != nil {
					t.Fatal(err)
				}
			}
			c.open()
			c.observe(Batch{Audit: true, At: time.Now(), Rows: []smartassist.Row{r}})
			found, _ := c.take()
			if rest := c.rest(); len(found)+len(rest) > 0 || c.equal != 1 {
				t.Errorf("in the topics %t: %+v, %+v, %d equal", read, found, rest, c.equal)
			}
		})
	}
}

// TestSessionsEnd: the worker recovers in the middle, once or all the time. Each row is counted once all the same.
func TestSessionsEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, w *account) {
		for n := range 35 {
			w.has(row(fmt.Sprint("c-", n), n, "1"))
		}
		w.topics = slices.DeleteFunc(w.topics, func(r Record) bool { return string(r.Key) == "c-3" || string(r.Key) == "c-33" })
		w.sessions = []error{ErrSession, errBroker}
		lines, s, err := w.audit(t)
		if got := results(lines); err != nil || len(got) != 2 || s.Counts[audit.Missing] != 2 || s.Counts[audit.Equal] != 33 || s.Published != 2 {
			t.Errorf("%v, %+v, %v", got, s, err)
		}
	})
}

// TestEndsEarly: what cannot get better, or does not for too long, ends the audit with an error that says what to do.
func TestEndsEarly(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*account)
		says    string
		within  time.Duration
	}{
		"a takeover":      {func(w *account) { w.sessions = []error{ErrNotActive} }, "no longer the active one", time.Minute},
		"the worker ends": {func(w *account) { w.sessions = []error{ErrEnds} }, "ask the active one again", time.Minute},
		"refused":         {func(w *account) { w.sessions = []error{&FinalError{errors.New("not that far back")}} }, "not that far back", time.Minute},
		"no topic":        {func(w *account) { w.silent = errBroker }, "no progress for 5m0s: kafka: no connection", 6 * time.Minute},
	} {
		inBubble(t, func(t *testing.T, w *account) {
			for n := range 25 {
				w.has(row(fmt.Sprint("c-", n), n, "1"))
			}
			c.prepare(w)
			began := time.Now()
			_, _, err := w.audit(t)
			if err == nil || !strings.Contains(err.Error(), c.says) || w.outcome != OutcomeFailed || time.Since(began) > c.within {
				t.Errorf("%s: %v after %v, %s", name, err, time.Since(began), w.outcome)
			}
		})
	}
}

// TestClientGone: the audit ends, and the poller reads no further.
func TestClientGone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *account) {
		for n := range 100 {
			w.has(row(fmt.Sprint("c-", n), n, "1"))
		}
		gone := errors.New("client gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(3*time.Second, func() { cancel(gone) })
		_, err := (&Audit{window: march1, begun: time.Now()}).Run(ctx, w, zerolog.Nop(), func(Line) error { return nil })
		if !errors.Is(err, gone) || w.stopped != 1 {
			t.Errorf("%v, stopped %d times", err, w.stopped)
		}
		_, err = (&Audit{window: march1, begun: time.Now()}).Run(t.Context(), w, zerolog.Nop(), func(l Line) error {
			if l.Progress != nil {
				return gone
			}
			return nil
		})
		if !errors.Is(err, gone) || w.stopped != 2 {
			t.Errorf("%v, stopped %d times", err, w.stopped)
		}
	})
}

// TestUnread: a window that could not be read is named, and nothing is said of what may have been shown in it.
func TestUnread(t *testing.T) {
	inBubble(t, func(t *testing.T, w *account) {
		w.publish(row("in it", 1, "1"))
		w.publish(row("behind it", 30, "1"))
		w.unread = []poller.Window{{Start: midnight, End: midnight.Add(10 * time.Minute)}, {Start: midnight.Add(10 * time.Minute), End: midnight.Add(20 * time.Minute)}}
		lines, s, err := w.audit(t)
		if got := results(lines); err != nil || len(got) != 1 || !slices.Equal(got["behind it"], []string{"extra"}) || s.Unread != 1 {
			t.Errorf("%v, %+v, %v", got, s, err)
		}
		w.topics = nil
		lines, s, err = w.audit(t)
		unread := lines[len(lines)-1].Unread
		if err != nil || s.Differs || w.outcome != OutcomeFailed || unread == nil || unread.Len() != 20*time.Minute {
			t.Errorf("%+v, %+v, %s, %v", unread, s, w.outcome, err)
		}
	})
}

// TestRetention: who asks for what retention may have deleted is told.
func TestRetention(t *testing.T) {
	for keeps, told := range map[time.Duration]bool{24 * time.Hour: true, poller.ForEver: false, 49 * time.Hour: false} {
		inBubble(t, func(t *testing.T, w *account) {
			w.rules.Retention = keeps
			if lines, _, err := w.audit(t); err != nil || (lines[0].Retention != nil) != told {
				t.Errorf("%v: %+v, %v", keeps, lines[0], err)
			}
		})
	}
}
