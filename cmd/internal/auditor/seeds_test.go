package auditor

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/simulator"
	"github.com/convstream/convstream/poller/smartassist"
)

// TestSeeds: topics of simulated worlds, from which records are taken away, to which foreign ones are added, and whose newest revisions are
// dropped. Every difference is found, and none is invented.
func TestSeeds(t *testing.T) {
	total := map[audit.Result]int{}
	for seed := uint64(1); seed <= 50; seed++ {
		synctest.Test(t, func(t *testing.T) {
			w, window := played(t, seed)
			want := w.tamper(rand.New(rand.NewPCG(seed, 7)), window)
			for id, rows := range w.unseen() {
				if !slices.Contains(want[id], "stale") && !slices.Contains(want[id], "missing") {
					want[id] = append(want[id], slices.Repeat([]string{"stale"}, rows)...)
				}
			}
			lines := w.auditOf(t, window)
			got := results(lines)
			for id := range got {
				if id == "" {
					delete(got, id) // dead letters
				}
			}
			for id := range want {
				slices.Sort(want[id])
			}
			for _, id := range slices.Sorted(maps.Keys(merged(got, want))) {
				if !slices.Equal(got[id], want[id]) {
					t.Errorf("seed %d: %s is %v, want %v", seed, id, got[id], want[id])
				}
			}
			for r, n := range w.counts {
				total[r] += n
			}
			for _, l := range w.auditOf(t, window) {
				if l.Difference != nil && (l.Result == audit.Missing || l.Result == audit.Stale) {
					t.Errorf("seed %d: afterwards %s is %s", seed, l.Identity, l.Result)
				}
			}
		})
	}
	t.Logf("%v", total)
	for _, r := range []audit.Result{audit.Equal, audit.Missing, audit.Stale, audit.Extra, audit.Gone, audit.Twice, audit.DeadLetter} {
		if total[r] < 20 {
			t.Errorf("only %d times %s in all", total[r], r)
		}
	}
}

func merged(a, b map[string][]string) map[string][]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// played is a worker that has published what a simulated service showed twice, and what it shows a third time.
func played(t *testing.T, seed uint64) (*account, poller.Window) {
	t.Helper()
	service, err := simulator.New(simulator.Config{
		AccountID: "a", JWT: "a.to.ken", Seed: seed, History: 3 * time.Hour, PerMinute: 0.7,
		Switches: simulator.Switches{TwinSessions: 0.05}, Faults: simulator.Faults{Poison: 0.05},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := newAccount()
	now := time.Now().UTC()
	window := poller.Window{Start: now.Add(-3 * time.Hour), End: now.Add(-30 * time.Minute)}
	for _, ago := range []time.Duration{2 * time.Hour, time.Hour, 20 * time.Minute} {
		for shown := range service.RowsAt(now.Add(-ago), window.Start, window.End) {
			w.take(smartassist.ParseRow(shown.Raw))
		}
	}
	for shown := range service.RowsAt(now, window.Start, window.End) {
		w.shows = append(w.shows, smartassist.ParseRow(shown.Raw))
	}
	for i := range w.shows { // what has no time is read as well
		if !window.Contains(w.shows[i].Start) {
			w.shows[i].Start = window.Start
		}
	}
	return w, window
}

// take publishes a row if it is new or has changed; what cannot be published is put aside.
func (w *account) take(r smartassist.Row) {
	switch {
	case r.Err != nil:
		w.letters = append(w.letters, encoder.Letter{ID: letterID(r), Row: r.Raw})
	case !w.knows(r):
		w.publish(r)
	}
}

// unseen are the identities of which the service shows rows that are not as the memory knows them, and how many.
func (w *account) unseen() map[string]int {
	out := map[string]int{}
	for _, r := range w.shows {
		if _, known := w.memory[memoryKey(r)]; r.Err == nil && known && !w.knows(r) {
			out[r.Identity()]++
		}
	}
	return out
}

// tamper changes the topics behind the worker's back, and returns what an audit must find of each identity.
func (w *account) tamper(dice *rand.Rand, window poller.Window) map[string][]string {
	want := map[string][]string{}
	records, sessions, shown := map[string][]Record{}, map[string]map[string]bool{}, map[string]bool{}
	for _, r := range w.shows {
		shown[r.Identity()] = true
		if _, known := w.memory[memoryKey(r)]; r.Err == nil && !known {
			want[r.Identity()] = []string{"missing"} // it showed only now
		}
	}
	for _, r := range w.topics {
		id := r.Row.Identity()
		records[id] = append(records[id], r)
		if sessions[id] == nil {
			sessions[id] = map[string]bool{}
		}
		sessions[id][r.Row.SessionID] = true
	}
	w.topics = nil
	for _, id := range slices.Sorted(maps.Keys(records)) {
		list := records[id]
		if shown[id] && len(sessions[id]) == 1 {
			list = alter(dice, id, list, want)
		}
		w.topics = append(w.topics, list...)
	}
	for n := range dice.IntN(4) {
		id := fmt.Sprint("foreign-", n)
		at := window.Start.Add(time.Duration(dice.Int64N(int64(window.Len()))))
		row := smartassist.ParseRow(fmt.Appendf(nil, `{"conversationId":%q,"channel":"voice","sessionStartTime":%q}`, id, at.Format("2006-01-02T15:04:05")))
		w.topics = append(w.topics, Record{
			Row: row, Number: 1, At: at, Start: row.Start, End: row.Start, Key: []byte(id), Where: audit.Place{Topic: "conversations.rtm", Offset: int64(n)},
		})
		want[id] = []string{"extra"}
	}
	return want
}

// alter returns what is left of the records of an identity.
func alter(dice *rand.Rand, id string, list []Record, want map[string][]string) []Record {
	last := len(list) - 1
	switch dice.IntN(8) {
	case 0:
		want[id] = []string{"missing"}
		return nil
	case 1:
		if last > 0 {
			want[id] = []string{"stale"}
			return list[:last]
		}
	case 2:
		if last > 0 {
			want[id] = []string{"gone"}
			at := dice.IntN(last)
			return slices.Delete(slices.Clone(list), at, at+1)
		}
	case 3:
		again := list[dice.IntN(len(list))]
		again.Where.Offset += 1_000_000
		want[id] = []string{"twice"}
		return append(slices.Clone(list), again)
	case 4: // a foreign revision that is newer than all
		foreign := list[last]
		foreign.Number++
		foreign.Where.Offset += 1_000_000
		foreign.Row = smartassist.ParseRow(slices.Concat(foreign.Row.Raw[:len(foreign.Row.Raw)-1], []byte(`,"foreign":1}`)))
		foreign.At = foreign.At.Add(time.Hour)
		want[id] = []string{"stale"}
		return append(slices.Clone(list), foreign)
	}
	return list
}

// auditOf runs an audit of a range and returns its lines.
func (w *account) auditOf(t *testing.T, window poller.Window) (lines []Line) {
	t.Helper()
	w.counts = map[audit.Result]int{}
	a := &Audit{window: window, begun: time.Now()}
	if _, err := a.Run(t.Context(), w, zerolog.Nop(), func(l Line) error { lines = append(lines, l); return nil }); err != nil {
		t.Fatal(err)
	}
	return lines
}
