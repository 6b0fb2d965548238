package poller

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/convstream/convstream/poller/smartassist"
)

// replayWorld is a memory, what was published and put aside with it, and what a reader of the topics would hold against it.
type replayWorld struct {
	t         *rapid.T
	by        Deduplication
	state     State
	refused   map[uint64]bool
	read      map[string]string   // identity and session -> newest content read
	changes   map[string]int      // how often the content changed from one read to the next
	last      map[string]int      // of the content published last, how many changes there were then
	published map[string][]string // the contents published
	revisions map[string]int32
	contents  []Published
	dead      []Published
	letters   []Letter
}

func newReplayWorld(t *rapid.T) *replayWorld {
	w := &replayWorld{
		t: t, refused: map[uint64]bool{}, read: map[string]string{}, changes: map[string]int{}, last: map[string]int{},
		published: map[string][]string{}, revisions: map[string]int32{},
	}
	w.by = Deduplication{Mode: ByRevision, Refused: func(_ smartassist.Row, print uint64) error {
		if w.refused[print] {
			return errors.New("refused")
		}
		return nil
	}}
	return w
}

func nameOf(row smartassist.Row) string { return row.Identity() + " " + row.SessionID }

func (w *replayWorld) publish(fresh []Revision, at time.Time) {
	for _, f := range fresh {
		name := nameOf(f.Row)
		if w.revisions[f.Row.Identity()]++; f.Number != w.revisions[f.Row.Identity()] {
			w.t.Fatalf("%s: revision %d, want %d", name, f.Number, w.revisions[f.Row.Identity()])
		}
		if w.last[name] == w.changes[name] {
			w.t.Fatalf("%s: %s is published twice", name, f.Row.FinalStatus)
		}
		w.last[name] = w.changes[name]
		w.published[name] = append(w.published[name], f.Row.FinalStatus)
		when := at
		if !f.ObservedAt.IsZero() {
			when = f.ObservedAt
			if w.read[name] != f.Row.FinalStatus {
				w.t.Fatalf("%s: %s is replayed after %s was read", name, f.Row.FinalStatus, w.read[name])
			}
		}
		w.contents = append(w.contents, Published{f.Row, f.Number, f.Fingerprint, when})
	}
}

func (w *replayWorld) readRow(row smartassist.Row, now time.Time) {
	if name := nameOf(row); w.read[name] != row.FinalStatus {
		w.read[name] = row.FinalStatus
		w.changes[name]++
	}
	d := w.state.Seen.Draft()
	j := d.Judge([]smartassist.Row{row}, w.by, now, now)
	w.state.Seen.Apply(d.Changes)
	w.publish(j.Fresh, now)
	for range j.Dead {
		sum := sha256.Sum256(row.Raw)
		again := smartassist.ParseRow(row.Raw)
		w.letters = append(w.letters, Letter{ID: LetterID(sum[:8]), Row: again, At: now})
		w.dead = append(w.dead, Published{again, 0, again.Fingerprint(smartassist.Ignore{}), now})
	}
}

func (w *replayWorld) replay(letters []Letter, now time.Time) []Replayed {
	r := replay{judge: judge{Draft: w.state.Seen.Draft(), Deduplication: w.by, now: now}, known: w.state.Letters, resolved: Letters{}}
	out := r.all(letters)
	w.state.Seen.Apply(r.Changes)
	w.state.Letters.apply(r.resolved, nil)
	w.publish(r.Fresh, now)
	if len(r.rows) != len(r.Fresh)+r.Unchanged {
		w.t.Fatalf("%d letters resolved, %d published and %d not", len(r.rows), len(r.Fresh), r.Unchanged)
	}
	return out
}

// forget loses the state: the memory is rebuilt from the topics, what became of letters is not known any more.
func (w *replayWorld) forget(now time.Time) {
	w.state = State{}
	memory := w.state.Recollect(now)
	for _, p := range append(w.contents, w.dead...) {
		memory.Add(p)
	}
}

// TestReplayInAnyOrder: however reads, refusals, replays and lost states follow upon each other, no content is published twice
// or after a newer one, revisions have no hole, and once nothing is refused the newest content of everything is there.
func TestReplayInAnyOrder(t *testing.T) {
	published := 0
	rapid.Check(t, func(t *rapid.T) {
		w := newReplayWorld(t)
		for i := range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch step := rapid.IntRange(0, 9).Draw(t, "step"); {
			case step < 6:
				row := contact(rapid.SampledFrom([]string{"c-1", "c-2"}).Draw(t, "id"), rapid.SampledFrom([]string{"s1", "s2"}).Draw(t, "session"),
					rapid.SampledFrom([]string{"TRANSIENT_OPEN", "CLOSED", "Dropped"}).Draw(t, "status"))
				w.refused[row.Fingerprint(smartassist.Ignore{})] = rapid.IntRange(0, 2).Draw(t, "bad") == 0
				w.readRow(row, at(i))
			case step < 9 && len(w.letters) > 0:
				clear(w.refused)
				for _, o := range w.replay(rapid.SliceOfN(rapid.SampledFrom(w.letters), 1, 4).Draw(t, "letters"), at(i)) {
					if o.Fate == LetterPublished {
						published++
					}
				}
			default:
				w.forget(at(i))
			}
		}
		clear(w.refused)
		w.replay(w.letters, at(100))
		for _, o := range w.replay(w.letters, at(101)) {
			if !o.Before {
				t.Fatalf("replayed again: %+v", o)
			}
		}
		for name, status := range w.read {
			if list := w.published[name]; len(list) == 0 || list[len(list)-1] != status {
				t.Fatalf("%s: published %v, the newest is %s", name, list, status)
			}
		}
	})
	if published == 0 {
		t.Error("nothing was replayed")
	}
}

// TestLettersThatCannotBePublished: a row that is no conversation, one whose conversation is forgotten, one behind another letter.
func TestLettersThatCannotBePublished(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newReplayWorld(t)
		old, newer := contact("c-1", "s1", "CLOSED"), contact("c-1", "s1", "Dropped")
		for _, r := range []smartassist.Row{old, newer} {
			w.refused[r.Fingerprint(smartassist.Ignore{})] = true
			w.readRow(r, at(0))
		}
		w.refused[newer.Fingerprint(smartassist.Ignore{})] = rapid.Bool().Draw(t, "refused")
		letters := []Letter{{LetterID{1}, row(`42`), at(0)}, {LetterID{2}, contact("c-9", "s1", "CLOSED"), at(0)}, w.letters[0]}
		for i, reason := range []string{"object", "REREAD", "a newer content"} {
			if o := w.replay(letters, at(1))[i]; o.Fate != LetterDead || o.Err == nil || !strings.Contains(o.Err.Error(), reason) {
				t.Errorf("letter %d: %+v", i, o)
			}
		}
		if w.state.Letters != nil {
			t.Errorf("remembered %v", w.state.Letters)
		}
	})
}

// TestLettersAreRemembered in the state, for as long as the topic keeps them and not in any number.
func TestLettersAreRemembered(t *testing.T) {
	state := State{Account: "a", Letters: Letters{{1}: {LetterPublished, 7, at(0), at(0)}, {2}: {LetterSuperseded, 0, at(5), at(100)}}}
	restored := State{Account: "a"}
	for _, r := range state.Letters.records("a") {
		if account, id, res, ok := LetterRecord(r); !ok || account != "a" || res != state.Letters[id] {
			t.Errorf("%s is of %q: %v %v", r.Key, account, res, ok)
		}
		if err := restored.Restore(r); err != nil {
			t.Fatal(err)
		}
	}
	if fmt.Sprint(restored.Letters) != fmt.Sprint(state.Letters) {
		t.Errorf("restored %v, want %v", restored.Letters, state.Letters)
	}
	p := &Poller{sink: &keepsBundle{keeps: keeps(time.Hour)}, state: &state}
	if got := p.forgetLetters(nil, at(0).Add(1000*time.Hour)); got != nil {
		t.Errorf("forgets %v though nothing is added", got)
	}
	gone := p.forgetLetters(Letters{{3}: {}}, at(50).Add(time.Hour+letterSlack))
	if _, ok := gone[LetterID{1}]; !ok || len(gone) != 1 {
		t.Errorf("forgets %v, want the first", gone)
	}
	state.Letters.apply(Letters{{3}: {}}, gone)
	for _, r := range gone.deletions("a") {
		if err := restored.Restore(r); err != nil {
			t.Fatal(err)
		}
	}
	if len(restored.Letters) != 1 || len(state.Letters) != 2 {
		t.Errorf("left %v", restored.Letters)
	}
	for i := range mostLetters {
		state.Letters[LetterID{9, byte(i), byte(i >> 8), byte(i >> 16)}] = Resolution{Written: at(200)}
	}
	gone = p.forgetLetters(Letters{{4}: {}}, at(0))
	_, second := gone[LetterID{2}]
	if _, third := gone[LetterID{3}]; len(gone) != 3 || !second || !third {
		t.Errorf("forgets %d of %d", len(gone), len(state.Letters))
	}
	if err := restored.Restore(Record{[]byte("a/letter/0123"), []byte(`{}`)}); err == nil || !strings.Contains(err.Error(), "STATE_LOST=resume") {
		t.Errorf("damaged key: %v", err)
	}
}
