package poller

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/poller/smartassist"
)

// stage is a Source and a Sink: one conversation begins every 5 s, and a request takes a second.
type stage struct {
	keeps
	down    error // what a request meets
	refuses error // what a commit meets
	bundles []Bundle
}

func (s *stage) Page(_ context.Context, q smartassist.Query) (smartassist.Page, error) {
	time.Sleep(time.Second)
	page := smartassist.Page{Sent: time.Now(), Date: time.Now()}
	if s.down != nil || q.Offset > 0 {
		return page, s.down
	}
	for at := q.Start.Truncate(5 * time.Second); !at.After(q.End) && at.Before(time.Now()); at = at.Add(5 * time.Second) {
		if !at.Before(q.Start) {
			row := fmt.Sprintf(`{"conversationId":"c-%d","sessionStartTime":"%s"}`, at.Unix(), at.Format("2006-01-02T15:04:05"))
			page.Rows = append(page.Rows, smartassist.ParseRow([]byte(row)))
		}
	}
	page.NumResults = len(page.Rows)
	return page, nil
}

// keeps is the part of a Sink that refuses nothing, and keeps letters for so long.
type keeps time.Duration

func (keeps) Refused(smartassist.Row, uint64) error { return nil }
func (k keeps) KeepsLetters() time.Duration         { return time.Duration(k) }

func (s *stage) Commit(_ context.Context, b Bundle) error {
	s.bundles = append(s.bundles, b)
	return s.refuses
}

// onStage returns a poller with three hours to catch up, in virtual time.
func onStage(t *testing.T, f func(t *testing.T, s *stage, p *Poller)) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{keeps: keeps(ForEver)}
		cfg := Config{
			StartFrom: 3 * time.Hour, PageLimit: 100, Interval: 30 * time.Second, Settle: 2 * time.Minute, Tiers: defaultTiers,
			Deduplicate: ByRevision, Log: zerolog.Nop(),
		}
		p := New(cfg, s, s, &State{Account: "a"})
		defer p.giveUp()
		f(t, s, p)
	})
}

// TestReadsOfGapsAreCommittedTogether: in fewer commits than reads, each read with its own number, each row once although
// neighbouring windows both show it, and none held for longer than it may be.
func TestReadsOfGapsAreCommittedTogether(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage, p *Poller) {
		published, sequence := map[string]int{}, int64(0)
		for begun := time.Now(); time.Since(begun) < 90*time.Second; {
			before, committed := len(s.bundles), p.state.Sequence
			wait, err := p.RunOnce(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(s.bundles) == before && p.state.Sequence != committed {
				t.Fatal("the memory moved without a commit")
			}
			time.Sleep(wait)
		}
		for _, b := range s.bundles {
			last := b.Batches[len(b.Batches)-1]
			if held := last.Read.At.Sub(b.Batches[0].Read.At); held > bundleAge+2*time.Second {
				t.Errorf("rows were held for %v", held)
			}
			for i, batch := range b.Batches {
				if sequence++; batch.Sequence != sequence {
					t.Fatalf("read %d has the number %d", sequence, batch.Sequence)
				}
				if batch.Reason != Gap && len(batch.Fresh) > 0 && i < len(b.Batches)-1 {
					t.Errorf("a %s read that brought something was held", batch.Reason)
				}
				for _, r := range batch.Fresh {
					published[r.Row.ConversationID]++
				}
				if got := len(batch.Fresh) + batch.Unchanged; got != len(batch.Read.Rows) {
					t.Errorf("%d of %d rows are accounted for", got, len(batch.Read.Rows))
				}
			}
		}
		if len(published) < 2160 || 2*len(s.bundles) > int(sequence) {
			t.Errorf("%d conversations in %d commits of %d reads", len(published), len(s.bundles), sequence)
		}
		for id, n := range published {
			if n != 1 {
				t.Errorf("%s was published %d times", id, n)
			}
		}
	})
}

// toAnOpenBundle runs the poller until it holds something.
func toAnOpenBundle(t *testing.T, p *Poller) {
	t.Helper()
	for len(p.pending.batches) == 0 {
		wait, err := p.RunOnce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(wait)
	}
}

// TestWhatIsHeldIsCommittedWhenTheServiceFails rather than kept waiting with it.
func TestWhatIsHeldIsCommittedWhenTheServiceFails(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage, p *Poller) {
		toAnOpenBundle(t, p)
		s.down = &smartassist.Error{Kind: smartassist.Temporary, Err: errors.New("down")}
		for began := time.Now(); len(p.pending.batches) > 0; {
			wait, err := p.RunOnce(t.Context())
			if held := time.Since(began); err != nil || held > bundleAge+5*time.Second {
				t.Fatalf("%v; %d reads are held after %v", err, len(p.pending.batches), held)
			}
			time.Sleep(wait)
		}
	})
}

// TestTheMemoryStaysWhenABundleIsNotCommitted: none of its reads has happened.
func TestTheMemoryStaysWhenABundleIsNotCommitted(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage, p *Poller) {
		toAnOpenBundle(t, p)
		s.refuses = errors.New("no brokers")
		sequence, remembered := p.state.Sequence, p.state.Seen.Len()
		var err error
		for err == nil {
			_, err = p.RunOnce(t.Context())
		}
		if !errors.Is(err, s.refuses) || p.state.Sequence != sequence || p.state.Seen.Len() != remembered {
			t.Errorf("%v; commit %d, %d entries, want still %d and %d", err, p.state.Sequence, p.state.Seen.Len(), sequence, remembered)
		}
	})
}
