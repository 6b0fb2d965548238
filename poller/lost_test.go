package poller

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/convstream/convstream/poller/smartassist"
)

// TestRecollectionIsTheMemory: rebuilt from what was published, in whatever order partitions are read, the memory judges as
// the one that was lost.
func TestRecollectionIsTheMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bad := map[uint64]bool{}
		by := Deduplication{Mode: ByRevision, Refused: func(_ smartassist.Row, print uint64) error {
			if bad[print] {
				return fmt.Errorf("refused")
			}
			return nil
		}}
		var seen Seen
		var published, dead []Published
		draw := func(label string) smartassist.Row {
			id := rapid.SampledFrom([]string{"c-1", "c-2", "", "broken"}).Draw(t, label)
			session := rapid.SampledFrom([]string{"s1", "s2"}).Draw(t, label)
			status := rapid.SampledFrom([]string{"TRANSIENT_OPEN", "CLOSED", "Dropped"}).Draw(t, label)
			if id == "broken" {
				return row(`{"status":%q`, status)
			}
			return contact(id, session, status)
		}
		for i := range rapid.IntRange(1, 30).Draw(t, "reads") {
			r, now := draw("row"), at(i)
			print := r.Fingerprint(smartassist.Ignore{})
			bad[print] = rapid.IntRange(0, 5).Draw(t, "bad") == 0 || bad[print]
			d := seen.Draft()
			j := d.Judge([]smartassist.Row{r}, by, now, now)
			seen.Apply(d.Changes)
			for _, f := range j.Fresh {
				published = append(published, Published{f.Row, f.Number, f.Fingerprint, now})
			}
			for range j.Dead {
				again := smartassist.ParseRow(r.Raw)
				dead = append(dead, Published{again, 0, again.Fingerprint(smartassist.Ignore{}), now})
			}
		}
		var rebuilt State
		memory := rebuilt.Recollect(at(100))
		for _, p := range append(rapid.Permutation(published).Draw(t, "order"), dead...) {
			memory.Add(p)
		}
		if rebuilt.Seen.Len() != seen.Len() {
			t.Errorf("%d entries, %d before", rebuilt.Seen.Len(), seen.Len())
		}
		for range 10 {
			r := []smartassist.Row{draw("again")}
			a, b := seen.Draft().Judge(r, by, at(100), at(100)), rebuilt.Seen.Draft().Judge(r, by, at(100), at(100))
			if len(a.Fresh) != len(b.Fresh) || len(a.Dead) != len(b.Dead) || len(a.Fresh) > 0 && a.Fresh[0].Number != b.Fresh[0].Number {
				t.Fatalf("%s: fresh %d, dead %d; the memory that was lost says fresh %d, dead %d", r[0].Raw, len(b.Fresh), len(b.Dead), len(a.Fresh), len(a.Dead))
			}
		}
	})
}

// TestResumeAndRestart: numbers go on above every commit that is known, and completeThrough goes back in no selection.
func TestResumeAndRestart(t *testing.T) {
	last := Last{Sequence: 70, Selection: "abc.2", CompleteThrough: at(500)}
	cfg := Config{Selection: "abc", StartFrom: time.Hour}
	for name, state := range map[string]State{
		"gone": {}, "older": {Ledger: Ledger{Sequence: 30, Asked: "abc", Changes: 1, From: at(0), Coverage: Coverage{}.Add(Stretch{Window: Window{at(0), at(9)}})}},
	} {
		resumed, restarted := state, state
		resumed.Resume(last)
		if resumed.Sequence != 70 || resumed.Selection() != "abc.2" || !resumed.From.Equal(at(500)) || len(resumed.Coverage.Stretches()) > 0 {
			t.Errorf("%s: resumed as %+v", name, resumed.Ledger)
		}
		restarted.Restart(last, cfg, at(5000))
		if restarted.Sequence != 70 || restarted.Selection() != "abc.3" || !restarted.From.Equal(at(5000).Add(-time.Hour)) || len(restarted.Coverage.Stretches()) > 0 {
			t.Errorf("%s: restarted as %+v", name, restarted.Ledger)
		}
	}
}

// TestSnapshot: all of it is a state again, and no part of it without the last one is.
func TestSnapshot(t *testing.T) {
	state := State{Account: "a", Ledger: Ledger{Sequence: 7, Asked: "x", From: at(1)}}
	for i := range 25 {
		judgeAndApply(&state.Seen, ByRevision, at(0), contact(fmt.Sprint("c-", i), "s", "CLOSED"))
	}
	state.Letters = Letters{}
	for i := range 15 {
		state.Letters[LetterID{byte(i)}] = Resolution{Fate: LetterSuperseded, At: at(0), Written: at(0)}
	}
	var parts [][]Record
	if err := state.Snapshot(10, func(part []Record) error { parts = append(parts, part); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(parts) != 5 {
		t.Errorf("%d parts of 25 entries, 15 letters and the ledger twice, at most 10 each", len(parts))
	}
	restored := State{Account: "a"}
	for i, part := range parts {
		if len(part) > 10 {
			t.Errorf("part %d has %d records", i+1, len(part))
		}
		for _, r := range part {
			if err := restored.Restore(r); err != nil {
				t.Fatal(err)
			}
		}
		if whole := i == len(parts)-1; restored.Sequence != 7 || restored.Complete() != whole {
			t.Errorf("after part %d: commit %d, complete %v", i+1, restored.Sequence, restored.Complete())
		}
	}
	if restored.Seen.Len() != 25 || len(restored.Letters) != 15 || restored.Remembered != 25 || restored.Asked != "x" {
		t.Errorf("restored %d entries, %+v", restored.Seen.Len(), restored.Ledger)
	}
}
