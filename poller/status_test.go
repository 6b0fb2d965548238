package poller

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// TestNoNewRowsAreLogged once after a day, and once more when there are some again.
func TestNoNewRowsAreLogged(t *testing.T) {
	onBench(t, &State{}, func(t *testing.T, b *bench) {
		r := contact("c-1", "s1", "CLOSED")
		b.page = func(smartassist.Query) (smartassist.Page, error) {
			return smartassist.Page{Rows: []smartassist.Row{r}}, nil
		}
		b.play(23 * time.Hour)
		if n := len(b.logged("no new conversations")); n != 0 {
			t.Fatalf("%d lines of the log before a day is over", n)
		}
		b.play(6 * time.Hour)
		if lines := b.logged("no new conversations"); len(lines) != 1 || lines[0]["last_row"] == nil || lines[0]["hint"] == nil {
			t.Errorf("logged %v", lines)
		}
		r = contact("c-2", "s2", "CLOSED")
		b.play(10 * time.Minute)
		if n := len(b.logged("new conversations again")); n != 1 {
			t.Errorf("%d lines say that there are some again", n)
		}
	})
}

func TestWithoutRows(t *testing.T) {
	covered := Coverage{}.Add(Stretch{Window: window(0, 86_400), ReadAt: at(86_400)})
	for name, c := range map[string]struct {
		ledger Ledger
		at     time.Time
		want   bool
	}{
		"nothing is known":            {Ledger{}, at(86_400), false},
		"none ever, all read":         {Ledger{From: at(0), Coverage: covered}, at(86_400), true},
		"none ever, in the first":     {Ledger{From: at(0), Coverage: covered}, at(3599), false},
		"none ever, not yet all read": {Ledger{From: at(0), Coverage: Coverage{}.Add(Stretch{Window: window(0, 3600)})}, at(86_400), false},
		"some today":                  {Ledger{From: at(0), LastRow: at(1)}, at(86_400), false},
		"none for a day":              {Ledger{From: at(0), LastRow: at(1)}, at(86_401), true},
	} {
		if got := c.ledger.withoutRows(c.at, time.Minute); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestStatusIsThatOfTheLastCommit, and can be read as JSON.
func TestStatusIsThatOfTheLastCommit(t *testing.T) {
	onBench(t, &State{}, func(t *testing.T, b *bench) {
		b.page = func(q smartassist.Query) (smartassist.Page, error) {
			return smartassist.Page{Rows: []smartassist.Row{contact("c-1", "s1", "CLOSED")}}, nil
		}
		b.play(15 * time.Minute)
		s := b.Status()
		if s.Sequence != b.state.Sequence || s.Remembered != 1 || s.Selection != "s" || len(s.Rereads) != len(defaultTiers) || s.LastRow.IsZero() {
			t.Errorf("%+v", s)
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{`"partial":[]`, `"failing":[]`, `"trouble":null`, `"age":"1h0m0s","every":"5m0s"`, `"behind":"0s"`, `"unit":""`} {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s is not in %s", part, text)
			}
		}
	})
}

// TestFailingWindowsInStatus carry the reason for which they were to be read.
func TestFailingWindowsInStatus(t *testing.T) {
	onBench(t, &State{}, func(t *testing.T, b *bench) {
		b.agenda.Failing = []Failing{{Window: window(3, 4), Reason: Gap, Since: at(5), NotBefore: at(9), Failures: 2, Category: "timeout"}}
		b.publishStatus(at(10))
		text, err := json.Marshal(b.Status().Failing)
		const want = `[{"start":"2026-03-01T00:00:03Z","end":"2026-03-01T00:00:04Z","reason":"gap","since":"2026-03-01T00:00:05Z","next":"2026-03-01T00:00:09Z","failures":2,"category":"timeout"}]`
		if err != nil || string(text) != want {
			t.Errorf("%s, %v\nwant %s", text, err, want)
		}
	})
}
