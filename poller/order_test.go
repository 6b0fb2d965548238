package poller

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/poller/smartassist"
)

// changing is a Source of two conversations a second, of which every tenth says when it was read. It is a Sink that notes what is
// published of those.
type changing struct {
	keeps
	t    *testing.T
	said map[string][]time.Time
}

func (s *changing) Page(_ context.Context, q smartassist.Query) (smartassist.Page, error) {
	page := smartassist.Page{Sent: time.Now(), NumResults: -1}
	time.Sleep(time.Second)
	page.Date = time.Now()
	first := q.Start.Add(time.Duration(q.Offset) * time.Second / 2)
	for n := range q.Limit {
		at := first.Add(time.Duration(n) * time.Second / 2)
		if at.After(q.End) || at.After(time.Now()) {
			break
		}
		status := "CLOSED"
		if at.Unix()%5 == 0 {
			status = time.Now().Format(time.RFC3339)
		}
		page.Rows = append(page.Rows, row(`{"conversationId":"c-%d","sessionStartTime":%q,"finalStatus":%q}`, at.UnixMilli(), at.Format("2006-01-02T15:04:05"), status))
	}
	return page, nil
}

func (s *changing) Commit(_ context.Context, b Bundle) error {
	for _, batch := range b.Batches {
		for _, r := range batch.Fresh {
			id := r.Row.ConversationID
			said, err := time.Parse(time.RFC3339, r.Row.FinalStatus)
			if err != nil {
				continue
			}
			before := s.said[id]
			if n := len(before); int(r.Number) != n+1 || n > 0 && said.Before(before[n-1]) {
				s.t.Errorf("revision %d of %s says %v, after %v", r.Number, id, said, before)
			}
			s.said[id] = append(before, said)
		}
	}
	return nil
}

// TestWhatWasReadLaterIsNewer: of two reads that are under way at once, a conversation's contents are published in the order in
// which they were read, whichever read ends first.
func TestWhatWasReadLaterIsNewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &changing{t: t, said: map[string][]time.Time{}}
		state := &State{Account: "a"}
		state.Paging = Paging{Unit: UnitRows, BeyondCap: true, Largest: 100, Proven: 99, Examined: true}
		cfg := Config{
			StartFrom: time.Hour, PageLimit: 100, Interval: time.Hour, Settle: 10 * time.Second, Deduplicate: ByRevision, Log: zerolog.Nop(),
		}
		p := New(cfg, s, s, state)
		defer p.giveUp()
		step := func() {
			wait, err := p.RunOnce(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(wait)
		}
		for p.agenda.headRead.IsZero() || p.lanes != [2]*reading{} {
			step()
		}
		long := Span(time.Now().Add(-40*time.Minute), time.Now().Add(-20*time.Minute))
		p.lanes[1], p.current = p.reader.begin(Task{Window: long, Reason: Gap}), 1
		for range 3 { // of 24 requests
			step()
		}
		p.lanes[0] = p.reader.begin(Task{Window: Window{long.Start, long.Start.Add(30 * time.Second)}, Reason: Head})
		for p.lanes != [2]*reading{} {
			step()
		}
		if err := p.commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		changed := 0
		for _, said := range s.said {
			if len(said) > 1 {
				changed++
			}
		}
		if changed < 6 {
			t.Errorf("%d conversations changed between the reads: the test shows nothing", changed)
		}
	})
}
