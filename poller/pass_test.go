package poller

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/convstream/convstream/poller/smartassist"
)

// withPass is a service with an agenda that has a pass to read, of the hours that end so long before the agenda begins.
func withPass(rows float64, reason Reason, hours, ended time.Duration) *ideal {
	i := newIdeal(rows, 30, time.Hour)
	i.Paging = Paging{Unit: UnitRows, BeyondCap: true}
	i.Passes = []Pass{{ID: 1, Window: Span(t0.Add(-ended-hours), t0.Add(-ended)), Reason: reason, Asked: t0}}
	i.LastPass = 1
	return i
}

// TestAPassIsReadOnce, whole, and nothing else with it; then it has ended, and the coverage has it, if it is a backfill.
func TestAPassIsReadOnce(t *testing.T) {
	for _, reason := range []Reason{Backfill, Audit} {
		i := withPass(0.1, reason, 48*time.Hour, 100*time.Hour)
		pass := i.Passes[0]
		var read time.Duration
		i.run(2*time.Hour, func(task Task) {
			if task.Pass == 0 {
				return
			}
			if read += task.Len(); task.Pass != 1 || task.Reason != reason || task.Start.Before(pass.Start) || task.End.After(pass.End) {
				t.Errorf("%s: %+v", reason, task)
			}
		})
		if !i.ended(i.Passes[0]) || read != pass.Len() {
			t.Errorf("%s: read %v of %v, ended %t", reason, read, pass.Len(), i.ended(i.Passes[0]))
		}
		if covered := i.Coverage.Covers(pass.Window); covered != (reason == Backfill) {
			t.Errorf("%s: in the coverage %t", reason, covered)
		}
		if most := 1.1 * float64(i.Paging.requests(0.1*pass.Len().Seconds())); float64(i.requests[reason]) > most+4 {
			t.Errorf("%s: %d requests, want %.0f at most", reason, i.requests[reason], most)
		}
	}
}

// TestPassesGetATenth of the requests beside the newest rows while live polling wants all of them, and all that is spare else.
func TestPassesGetATenth(t *testing.T) {
	for name, c := range map[string]struct {
		perDay    float64
		from, to  float64 // the share of all requests
		fullDrain bool
	}{"busy": {400_000, 0.02, 0.11, false}, "idle": {1_000, 0.6, 1, true}} {
		i := withPass(c.perDay/86400, Backfill, 90*24*time.Hour, 30*24*time.Hour)
		i.run(3*time.Hour, func(Task) {})
		all := 0
		for _, n := range i.requests {
			all += n
		}
		share := float64(i.requests[Backfill]) / float64(all)
		if i.now.Sub(i.headRead) > 2*time.Minute || share < c.from || share > c.to && !c.fullDrain {
			t.Errorf("%s: %.0f %% of %d requests are the backfill's, %v", name, 100*share, all, i.requests)
		}
	}
}

// TestSpareRequestsAreNotCounted: a pass that has read with what was left over gets its tenth at once when live polling wants the rest.
func TestSpareRequestsAreNotCounted(t *testing.T) {
	idle := withPass(0.01, Backfill, 90*24*time.Hour, 30*24*time.Hour)
	idle.run(time.Hour, func(Task) {})
	busy := withPass(400_000/86400.0, Audit, time.Hour, 30*24*time.Hour)
	busy.run(time.Hour, func(Task) {}) // has learned what there is to read
	busy.Passes[0].Read, busy.passOwed = Coverage{}, idle.passOwed
	began, first := busy.now, time.Duration(0)
	busy.run(time.Hour, func(task Task) {
		if task.Pass != 0 && first == 0 {
			first = busy.now.Sub(began)
		}
	})
	if idle.requests[Backfill] < 500 || first == 0 || first > 5*time.Minute {
		t.Errorf("after %d spare requests the first request of another pass came after %v", idle.requests[Backfill], first)
	}
}

// TestAuditsComeBeforeBackfills: somebody waits for them.
func TestAuditsComeBeforeBackfills(t *testing.T) {
	i := withPass(0.1, Backfill, 300*24*time.Hour, 100*time.Hour)
	i.Passes = append(i.Passes, Pass{ID: 2, Window: Span(t0.Add(-50*time.Hour), t0.Add(-40*time.Hour)), Reason: Audit, Asked: t0})
	var order []int64
	i.run(20*time.Minute, func(task Task) {
		if task.Pass != 0 {
			order = append(order, task.Pass)
		}
	})
	if !slices.Contains(order, 1) || !slices.Contains(order, 2) || slices.Index(order, 1) < slices.Index(order, 2) || !i.ended(i.Passes[1]) {
		t.Errorf("order of passes %v", order)
	}
}

// TestABackfillOverWhatIsCovered reads only what is not, unless it republishes.
func TestABackfillOverWhatIsCovered(t *testing.T) {
	i := withPass(0.1, Backfill, 10*time.Hour, 100*time.Hour)
	half := Window{i.Passes[0].Start.Add(2 * time.Hour), i.Passes[0].Start.Add(7 * time.Hour)}
	i.Coverage = i.Coverage.Add(Stretch{Window: half, ReadAt: t0})
	for republish, want := range map[bool]time.Duration{false: 5 * time.Hour, true: 10 * time.Hour} {
		again := *i
		again.requests = map[Reason]int{}
		again.Passes = slices.Clone(i.Passes)
		again.Passes[0].Republish = republish
		var read time.Duration
		again.run(time.Hour, func(task Task) {
			if task.Pass != 0 {
				read += task.Len()
			}
		})
		if read != want || !again.ended(again.Passes[0]) {
			t.Errorf("republish %t: %v read, want %v", republish, read, want)
		}
	}
}

// TestASecondOfAPassThatFails is partial in the end; the pass ends, live polling goes on, and the second is left to nobody who would
// read it when what stands beside it is forgotten.
func TestASecondOfAPassThatFails(t *testing.T) {
	i := withPass(0.1, Backfill, 48*time.Hour, 300*time.Hour)
	bad := i.Passes[0].Start.Add(5 * time.Hour)
	i.fails = func(asked Window) bool { return asked.Contains(bad) }
	i.Reach, i.Passes[0].Recalled = t0.Add(-200*time.Hour), true
	stale := time.Duration(0)
	i.run(3*time.Hour, func(Task) {
		if !i.headRead.IsZero() {
			stale = max(stale, i.now.Sub(i.headRead))
		}
	})
	status := i.passStatus(i.Passes[0], i.now)
	if status.State != Finished || len(status.Partial) != 1 || !status.Partial[0].Contains(bad) || status.Partial[0].Len() > 10*time.Second {
		t.Fatalf("%+v", status)
	}
	if stale > 2*time.Minute {
		t.Errorf("the newest rows were read %v ago", stale)
	}
	i.end(1, i.now, false)
	i.dropFailing(i.now)
	for _, f := range i.Failing {
		if f.Pass != 0 || f.Start.Before(i.Reach) {
			t.Errorf("%+v is tried again after the end", f)
		}
	}
}

// TestWhatAPassHasToReadIsRemembered: entries are kept from a day before where it is, and the memory's reach stands where the pass began
// within it.
func TestWhatAPassHasToReadIsRemembered(t *testing.T) {
	i := withPass(0.1, Backfill, 48*time.Hour, 100*time.Hour)
	pass := i.Passes[0]
	i.Reach = t0.Add(-400 * time.Hour)
	if at := i.keeps(); !at.Equal(i.Reach) {
		t.Errorf("kept from %v, want the reach", at)
	}
	if at := i.forgettable(t0); !at.Equal(pass.Start.Add(-24 * time.Hour)) {
		t.Errorf("forgettable up to %v, want a day before the pass", at)
	}
	i.Reach = t0
	if at := i.keeps(); !at.Equal(pass.Start.Add(-24*time.Hour)) || !i.waits(pass) {
		t.Errorf("kept from %v, waits %t", at, i.waits(pass))
	}
	if task, due := i.nextPass(t0); due {
		t.Errorf("%+v is read before the topics' records are recalled", task)
	}
	i.Passes[0].Recalled = true
	i.Passes[0].Read = Coverage{}.Add(Stretch{Window: Window{pass.Start, pass.Start.Add(30 * time.Hour)}, ReadAt: t0})
	if at := i.keeps(); !at.Equal(pass.Start.Add(6*time.Hour)) || !i.keepsLetters().Equal(pass.Start.Add(-24*time.Hour)) {
		t.Errorf("kept from %v, letters from %v", at, i.keepsLetters())
	}
	i.end(1, t0, true)
	if at := i.keeps(); !at.Equal(t0) {
		t.Errorf("kept from %v after the end, want the reach", at)
	}
}

// TestPassesBeginAnew where something else is asked for, or the state was lost: what they have read may be forgotten, and is recalled.
func TestPassesBeginAnew(t *testing.T) {
	for name, change := range map[string]func(*State){
		"another selection": func(s *State) { s.reselect(time.Hour, at(0)) },
		"a lost state":      func(s *State) { s.Resume(Last{Sequence: 9, CompleteThrough: at(0)}) },
	} {
		read := Coverage{}.Add(Stretch{Window: window(-900, -800), ReadAt: at(0)})
		ended := Pass{ID: 1, Window: window(-900, -800), Reason: Backfill, Recalled: true, Read: read, Ended: at(-1)}
		under := Pass{ID: 2, Window: window(-900, -700), Reason: Backfill, Recalled: true, Read: read}
		s := State{Ledger: Ledger{From: at(-100), Reach: at(-500), Passes: []Pass{ended, under}}}
		kept := s.Passes
		change(&s)
		a := Agenda{Ledger: s.Ledger}
		if !a.waits(a.Passes[1]) || len(a.Passes[1].Read.Stretches()) > 0 || len(a.Passes[0].Read.Stretches()) == 0 || !kept[1].Recalled {
			t.Errorf("after %s: %+v", name, a.Passes)
		}
	}
}

// TestEndedBackfillsAreForgotten but for the last ones; audits at once.
func TestEndedBackfillsAreForgotten(t *testing.T) {
	var a Agenda
	for id := range int64(mostEnded + 5) {
		a.Passes = append(a.Passes, Pass{ID: id + 1, Window: window(0, 10), Reason: Backfill})
	}
	a.Passes = append(a.Passes, Pass{ID: 99, Window: window(0, 10), Reason: Audit}, Pass{ID: 100, Window: window(0, 10), Reason: Backfill})
	for id := range int64(mostEnded + 5) {
		a.end(id+1, at(5), false)
	}
	a.end(99, at(5), true)
	if n := len(a.Passes); n != mostEnded+1 || a.Passes[0].ID != 6 || a.Passes[n-1].ID != 100 {
		t.Errorf("%d passes are remembered, the first is %d", n, a.Passes[0].ID)
	}
}

// TestRepublish: every content that was published is published once more by a backfill that republishes, and one that is new then is not
// published twice by it.
func TestRepublish(t *testing.T) {
	var s Seen
	judge := func(republish int64, rows ...smartassist.Row) Judgement {
		d := s.Draft()
		j := d.Judge(rows, Deduplication{Mode: ByRevision, Republish: republish}, at(0), at(0))
		s.Apply(d.Changes)
		return j
	}
	rows := []smartassist.Row{contact("c-1", "s1", "CLOSED"), contact("c-1", "s2", "CLOSED"), contact("c-2", "s1", "CLOSED"), contact("c-2", "s1", "Dropped")}
	judge(0, rows...)
	later := append(slices.Clone(rows), contact("c-3", "s3", "CLOSED"))
	j := judge(7, later...)
	var got []string
	for _, r := range j.Fresh {
		got = append(got, r.Row.Identity()+" "+r.Change)
	}
	want := "c-1 republished, c-1 republished, c-2 republished, c-2 republished, c-3 new"
	if strings.Join(got, ", ") != want || j.Fresh[1].Number != 4 || j.New != 1 {
		t.Errorf("published %q, want %q", strings.Join(got, ", "), want)
	}
	if j = judge(7, later...); len(j.Fresh) > 0 || j.Unchanged != len(later) {
		t.Errorf("the same backfill publishes %d again", len(j.Fresh))
	}
	if j = judge(0, later...); len(j.Fresh) > 0 {
		t.Errorf("live polling publishes %d again", len(j.Fresh))
	}
	if j = judge(8, later...); len(j.Fresh) != len(later) {
		t.Errorf("another backfill publishes %d of %d", len(j.Fresh), len(later))
	}
}

// TestRecallIsTheMemory: where some of the memory was forgotten and is recalled from what was published, in whatever order, nothing is
// published again, and what was not forgotten is as it was.
func TestRecallIsTheMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var seen Seen
		var traces []Trace
		last := map[rowKey]smartassist.Row{}
		for i := range rapid.IntRange(1, 30).Draw(t, "reads") {
			r := contact(rapid.SampledFrom([]string{"c-1", "c-2", "c-3", ""}).Draw(t, "id"), rapid.SampledFrom([]string{"s1", "s2"}).Draw(t, "session"),
				rapid.SampledFrom([]string{"TRANSIENT_OPEN", "CLOSED", "Dropped"}).Draw(t, "status"))
			for _, f := range judgeAndApply(&seen, ByRevision, at(i), r).Fresh {
				traces = append(traces, Published{f.Row, f.Number, f.Fingerprint, at(i)}.Trace())
			}
			last[keyOfRow(r)] = r
		}
		kept := map[Key]Entry{}
		for _, shard := range seen.shards {
			for _, e := range slices.Clone(shard) {
				if rapid.Bool().Draw(t, "forgotten") {
					seen.Apply([]Remembered{{Key: e.key, Forget: true}})
				} else {
					kept[e.key] = e.entry
				}
			}
		}
		d := seen.Draft()
		r := Recollection{lookup: d.lookup, apply: d.change, held: map[Key]heldContent{}, known: func(k Key) bool { _, known := kept[k]; return known }}
		for _, trace := range rapid.Permutation(traces).Draw(t, "order") {
			r.add(trace)
		}
		seen.Apply(d.Changes)
		for k, before := range kept {
			now, _ := seen.lookup(k)
			if now.hash() != before.hash() || now.session != before.session || now.revision < before.revision {
				t.Fatalf("%+v is %+v now", before, now)
			}
		}
		for key, row := range last {
			if j := judgeAndApply(&seen, ByRevision, at(99), row); len(j.Fresh) > 0 {
				t.Fatalf("%v is published again, as revision %d", key, j.Fresh[0].Number)
			}
		}
	})
}
