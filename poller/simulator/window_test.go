package simulator

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// One second with 40 rows, asked for through windows that end or begin at it.
func TestBounds(t *testing.T) {
	at := noon.Add(-10 * time.Minute)
	before, after := at.Add(-time.Second), at.Add(time.Second)
	windows := [][2]time.Time{{before, after}, {at, at}, {before, at}, {at, after}}
	for bounds, want := range map[Bounds][]string{
		Inclusive: {"all", "all", "all", "all"},
		Exclusive: {"all", "none", "none", "none"},
		HalfOpen:  {"all", "none", "none", "all"},
		SubSecond: {"all", "none", "none", "all"}, // no row has exactly 0 ms here
	} {
		s := serve(t, Config{Seed: 2, AccountID: account, Burst: []Burst{{at, 40}}, Switches: Switches{Bounds: bounds}})
		for i, w := range windows {
			rows := len(s.do(t, ask{from: w[0], to: w[1], limit: 100}).rows)
			if got := map[int]string{0: "none", 40: "all"}[rows]; got != want[i] {
				t.Errorf("%s, window %d: %d rows, want %s", bounds, i, rows, want[i])
			}
		}
	}
}

// A long conversation is found by the time that the switch names, and by no other.
func TestFilterBy(t *testing.T) {
	row := json.RawMessage(`{"conversationId":"c-1","sessionId":"67c6e8000000000000000000",` +
		`"sessionStartTime":"2025-03-04T11:40:00","sessionEndTime":"2025-03-04T11:50:00"}`)
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	windows := [][2]time.Time{{at(-21), at(-19)}, {at(-16), at(-14)}, {at(-11), at(-9)}, {at(-9), at(-8)}}
	for by, want := range map[FilterBy][]int{
		ByStart: {1, 0, 0, 0}, ByEnd: {0, 0, 1, 0}, ByOverlap: {1, 1, 1, 0},
	} {
		s := serve(t, Config{AccountID: account, Extra: []json.RawMessage{row}, Switches: Switches{FilterBy: by}})
		var got []int
		for _, w := range windows {
			got = append(got, len(s.do(t, ask{from: w[0], to: w[1], limit: 100}).rows))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", by, diff)
		}
	}
}

// Whole-minute windows tile the half hour: under every reading of the filter each
// row of the truth is found in one of them.
func TestWindowsFindEveryRow(t *testing.T) {
	for _, by := range []FilterBy{ByStart, ByEnd, ByOverlap} {
		s := serve(t, world30(9, func(c *Config) { c.Switches.FilterBy, c.PerMinute = by, 4 }))
		got := map[Key]bool{}
		for m := -30; m < 45; m++ {
			from := noon.Add(time.Duration(m) * time.Minute)
			for _, k := range s.do(t, ask{from: from, to: from.Add(59 * time.Second), limit: 100}).keys() {
				got[k] = true
			}
		}
		want := truth(s.Service, noon.Add(-30*time.Minute), noon.Add(45*time.Minute))
		if diff := cmp.Diff(want, got); diff != "" || len(want) < 100 {
			t.Errorf("%s, %d rows: %s", by, len(want), diff)
		}
	}
}

func TestDateOnlyIgnoresTheTimeOfDay(t *testing.T) {
	s := serve(t, world30(5, func(c *Config) { c.Switches.DateOnly = true }))
	minute := s.walk(t, ask{from: noon.Add(5 * time.Hour), to: noon.Add(5*time.Hour + time.Minute), limit: 100}, 100)
	day := truth(s.Service, noon.Add(-30*time.Minute), noon.Add(10*time.Hour))
	if diff := cmp.Diff(day, set(minute)); diff != "" {
		t.Errorf("a minute of the day must bring the day: %s", diff)
	}
	if n := len(s.do(t, ask{from: noon.Add(24 * time.Hour), to: noon.Add(25 * time.Hour), limit: 100}).rows); n != 0 {
		t.Errorf("the next day has %d rows", n)
	}
}

func TestTimesAreLocalToTheOffset(t *testing.T) {
	s := serve(t, world30(5, nil))
	utc := s.do(t, ask{limit: 1})
	india := s.do(t, ask{limit: 1, from: noon.Add(5 * time.Hour), to: noon.Add(330 * time.Minute), body: map[string]any{"timeZoneOffset": -330}})
	times := func(a answer) (start, session string) {
		var row struct{ SessionStartTime, SessionID string }
		if err := json.Unmarshal(a.rows[0], &row); err != nil {
			t.Fatal(err)
		}
		return row.SessionStartTime, row.SessionID
	}
	start1, id1 := times(utc)
	start2, id2 := times(india)
	t1, err1 := time.Parse("2006-01-02T15:04:05", start1)
	t2, err2 := time.Parse("2006-01-02T15:04:05", start2)
	if err1 != nil || err2 != nil || id1 != id2 || t2.Sub(t1) != 330*time.Minute {
		t.Errorf("%s of %s, and %s of %s", start1, id1, start2, id2)
	}
}

func TestFilters(t *testing.T) {
	s := serve(t, world30(5, nil))
	queue := s.cast.queues[0].id
	count := func(body map[string]any, test func(raw string) bool) {
		t.Helper()
		rows := s.do(t, ask{limit: 100, body: body}).rows
		if len(rows) == 0 || len(rows) == 100 {
			t.Errorf("%v: %d rows", body, len(rows))
		}
		for _, raw := range rows {
			if !test(string(raw)) {
				t.Errorf("%v: got %s", body, raw)
			}
		}
	}
	count(map[string]any{"channels": []string{"Telegram", "whatsapp"}}, func(raw string) bool {
		return strings.Contains(raw, `"channel":"telegram"`) || strings.Contains(raw, `"channel":"whatsapp"`)
	})
	count(map[string]any{"queues": []string{queue}}, func(raw string) bool { return strings.Contains(raw, queue) })
	count(map[string]any{"bots": s.cast.bots[:1], "channels": []string{"voice"}}, func(raw string) bool {
		return strings.Contains(raw, `"botId":"`+s.cast.bots[0]) || !strings.Contains(raw, `"botId":"`)
	})
	count(map[string]any{"direction": "Outbound"}, func(raw string) bool { return strings.Contains(raw, `"channel":"campaign"`) })
}

func TestSelectedFieldsComeOnlyWhenAskedFor(t *testing.T) {
	s := serve(t, world30(5, func(c *Config) { c.PerMinute = 20 }))
	without := string(s.do(t, ask{limit: 100}).body)
	body := map[string]any{"selectedFields": selectable}
	var with strings.Builder
	for offset := range 7 {
		with.Write(s.do(t, ask{limit: 100, offset: offset * 100, body: body}).body)
	}
	for _, name := range selectable {
		if strings.Contains(without, `"`+name+`":`) {
			t.Errorf("%s came without being asked for", name)
		}
		if !strings.Contains(with.String(), `"`+name+`":`) {
			t.Errorf("%s was asked for and did not come", name)
		}
	}
	var asked []Row
	for r := range s.RowsAt(time.Now(), noon.Add(-time.Minute), noon, "customerinfo") {
		asked = append(asked, r)
	}
	if !slices.ContainsFunc(asked, func(r Row) bool { return strings.Contains(string(r.Raw), "CustomerPhone") }) {
		t.Error("the truth does not follow the fields that were asked for")
	}
}
