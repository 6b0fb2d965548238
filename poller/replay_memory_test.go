package poller

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

func refuseAll(smartassist.Row, uint64) error { return errors.New("refused") }

// replayOnce replays letters with the memory and makes what comes of it part of the memory.
func replayOnce(s *State, by Deduplication, letters ...Letter) []Replayed {
	by.Mode = ByRevision
	r := replay{judge: judge{Draft: s.Seen.Draft(), Deduplication: by, now: at(50)}, known: s.Letters, resolved: Letters{}}
	out := r.all(letters)
	s.Seen.Apply(r.Changes)
	s.Letters.apply(r.resolved, nil)
	return out
}

// readOnce reads a row and makes what comes of it part of the memory.
func readOnce(s *State, refused func(smartassist.Row, uint64) error, r smartassist.Row) Judgement {
	d := s.Seen.Draft()
	j := d.Judge([]smartassist.Row{r}, Deduplication{Mode: ByRevision, Refused: refused}, at(0), at(0))
	s.Seen.Apply(d.Changes)
	return j
}

// asFormat1 makes the memory one that was written before entries told what was put aside, and restores it. As often as told, it is
// written and restored by this version after that.
func asFormat1(t *testing.T, s *State, again int) (restored State) {
	t.Helper()
	restored.Account = "a"
	for _, shard := range s.Seen.shards {
		for _, e := range shard {
			value := e.entry.encode()
			value[0], value[1] = 1, value[1]&flagBot
			for range again + 1 {
				if err := restored.Restore(Record{entryKey("a", e.key), value}); err != nil {
					t.Fatal(err)
				}
				now, _ := restored.Seen.lookup(e.key)
				value = now.encode()
			}
		}
	}
	return restored
}

// TestReplayAfterAnEarlyVersion: its memory did not tell what was put aside from what was published. Nothing is resolved by
// guessing; only what cannot have been published is.
func TestReplayAfterAnEarlyVersion(t *testing.T) {
	first, second, third := contact("c-1", "s1", "TRANSIENT_OPEN"), contact("c-1", "s1", "CLOSED"), contact("c-1", "s1", "Dropped")
	for again := range 2 {
		var s State
		readOnce(&s, refuseAll, first)
		old := asFormat1(t, &s, again)
		if out := replayOnce(&old, Deduplication{}, Letter{LetterID{1}, first, at(0)}); out[0].Fate != LetterPublished || out[0].Revision != 1 {
			t.Errorf("an identity without a revision: %+v", out[0])
		}
		readOnce(&s, nil, second)
		readOnce(&s, refuseAll, third)
		old = asFormat1(t, &s, again)
		for i, o := range replayOnce(&old, Deduplication{}, Letter{LetterID{1}, first, at(0)}, Letter{LetterID{2}, third, at(0)}) {
			if o.Fate != LetterDead || !errors.Is(o.Err, errDoubt) {
				t.Errorf("letter %d: %+v", i, o)
			}
		}
		readOnce(&old, nil, second)
		if out := replayOnce(&old, Deduplication{}, Letter{LetterID{2}, third, at(0)}); out[0].Fate != LetterSuperseded {
			t.Errorf("once a newer content was published: %+v", out[0])
		}
	}
}

// keepsBundle is a Sink that takes everything.
type keepsBundle struct {
	keeps
	Bundle
}

func (s *keepsBundle) Commit(_ context.Context, b Bundle) error {
	s.Bundle = b
	return nil
}

// TestReplayOfALetterLongResolved: it was resolved so long ago that this is to be forgotten, and was put aside once more. What
// becomes of it now is remembered, and not deleted with the same commit.
func TestReplayOfALetterLongResolved(t *testing.T) {
	r, id, now := contact("c-1", "s1", "CLOSED"), LetterID{7}, time.Now()
	long := now.Add(-30 * 24 * time.Hour)
	s := &State{Account: "a", Ledger: Ledger{Sequence: 5}, Letters: Letters{id: {LetterPublished, 1, long, long}, {8}: {LetterPublished, 1, long, long}}}
	readOnce(s, refuseAll, r)
	sink := keepsBundle{keeps: keeps(7 * 24 * time.Hour)}
	p := New(Config{Deduplicate: ByRevision, Tiers: []Tier{{time.Hour, time.Minute}}, PageLimit: 100}, nil, &sink, s)
	out, err := p.Replay(t.Context(), []Letter{{id, r, now}})
	if err != nil || out[0].Fate != LetterPublished {
		t.Fatal(out, err)
	}
	restored := State{Account: "a", Letters: Letters{{8}: {}}}
	for _, record := range sink.State {
		if err := restored.Restore(record); err != nil {
			t.Fatal(err)
		}
	}
	for name, letters := range map[string]Letters{"memory": s.Letters, "state": restored.Letters} {
		if res := letters[id]; len(letters) != 1 || res.Written.Before(now.Truncate(time.Millisecond)) {
			t.Errorf("the %s has %v", name, letters)
		}
	}
}

// TestReplayUnderAnotherIgnore: with another DEDUPLICATE_IGNORE a letter is not recognised as the newest content. The answer names
// that reason.
func TestReplayUnderAnotherIgnore(t *testing.T) {
	var s State
	r := contact("c-1", "s1", "CLOSED")
	readOnce(&s, refuseAll, r)
	ignore, err := smartassist.ParseIgnore([]string{"/sessionStartTime"})
	if err != nil {
		t.Fatal(err)
	}
	if o := replayOnce(&s, Deduplication{Ignore: ignore}, Letter{LetterID{1}, r, at(0)})[0]; o.Fate != LetterDead || !strings.Contains(o.Err.Error(), "DEDUPLICATE_IGNORE has changed") {
		t.Errorf("%+v", o)
	}
	if o := replayOnce(&s, Deduplication{}, Letter{LetterID{1}, r, at(0)})[0]; o.Fate != LetterPublished {
		t.Errorf("with the value of then: %+v", o)
	}
}

// TestReplayOfARowOfAnOlderVersion: to that it was no conversation, to this one it is. It is published once, by reading it again or
// by replaying it, also when the memory has forgotten the conversation.
func TestReplayOfARowOfAnOlderVersion(t *testing.T) {
	r := contact("c-1", "s1", "CLOSED")
	rejected := r
	rejected.Err = errors.New("no conversation")
	letter := Letter{LetterID{1}, r, at(0)}
	for name, publish := range map[string]func(*State) bool{
		"read":     func(s *State) bool { return len(readOnce(s, nil, r).Fresh) == 1 },
		"replayed": func(s *State) bool { return replayOnce(s, Deduplication{}, letter)[0].Fate == LetterPublished },
	} {
		var s State
		readOnce(&s, nil, rejected)
		if !publish(&s) {
			t.Fatalf("%s: not published", name)
		}
		if s.Seen.Len() != 1 {
			t.Errorf("%s: %d entries of one conversation", name, s.Seen.Len())
		}
		s.Seen.Apply([]Remembered{{Key: identityKey("c-1"), Forget: true}})
		s.Letters = nil
		if o := replayOnce(&s, Deduplication{}, letter)[0]; o.Fate != LetterDead || !errors.Is(o.Err, errForgotten) {
			t.Errorf("%s, then forgotten: %+v", name, o)
		}
	}
}

// TestDraftForgetsAndRemembers: within one draft a row may be put aside, be forgotten by its bytes and be met again.
func TestDraftForgetsAndRemembers(t *testing.T) {
	r := contact("c-1", "s1", "CLOSED")
	rejected := r
	rejected.Err = errors.New("no conversation")
	var s State
	d := s.Seen.Draft()
	for i, rows := range [][]smartassist.Row{{rejected}, {r}, {rejected}, {rejected}} {
		j := d.Judge(rows, Deduplication{Mode: ByRevision}, at(0), at(0))
		if want := []int{1, 0, 1, 0}[i]; len(j.Dead) != want {
			t.Errorf("step %d: %d dead letters, want %d", i, len(j.Dead), want)
		}
	}
	if n := s.Seen.lenWith(d.Changes); n != 2 {
		t.Errorf("%d entries, want that of the conversation and that of the bytes", n)
	}
	if s.Seen.Apply(d.Changes); s.Seen.Len() != 2 {
		t.Errorf("%d entries are remembered", s.Seen.Len())
	}
}
