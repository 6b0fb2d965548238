package simulator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// aBadSecond is in the middle of the half hour, and five rows begin in it.
func aBadSecond(kind BadKind, until time.Time) (Config, time.Time) {
	at := noon.Add(-15 * time.Minute)
	return world30(4, func(c *Config) {
		c.Burst = []Burst{{At: at, Rows: 5}}
		c.Faults.BadSeconds = []BadSecond{{At: at.Add(300 * time.Millisecond), Kind: kind, Until: until}}
	}), at
}

// window asks for so many seconds on both sides of the second.
func window(at time.Time, before, after int) ask {
	return ask{from: at.Add(-time.Duration(before) * time.Second), to: at.Add(time.Duration(after) * time.Second), limit: 100}
}

func TestABadSecondFailsEveryRequestThatHoldsIt(t *testing.T) {
	for _, kind := range []BadKind{BadError, BadHang, BadCut} {
		t.Run(string(kind), func(t *testing.T) {
			c, at := aBadSecond(kind, time.Time{})
			s := serve(t, c)
			s.Script(slices.Repeat([]Fault{Healthy}, 100)...)
			for _, a := range []ask{window(at, 600, 600), window(at, 0, 0), window(at, 1, 0), window(at, 0, 1)} {
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				resp, _, err := s.get(t, ctx, a)
				cancel()
				if err == nil && resp.StatusCode == http.StatusOK {
					t.Errorf("%v to %v was answered", a.from, a.to)
				}
			}
			for _, a := range []ask{window(at, 600, -1), window(at, -1, 600)} {
				if got := s.do(t, a); got.status != http.StatusOK || len(got.rows) == 0 {
					t.Errorf("%v to %v: status %d, %d rows", a.from, a.to, got.status, len(got.rows))
				}
			}
			if n := s.Stats().Faults[metBadSecond]; n != 4 {
				t.Errorf("counted %d times", n)
			}
		})
	}
}

func TestABadSecondIsMended(t *testing.T) {
	for _, kind := range AllBadKinds {
		c, at := aBadSecond(kind, time.Now().Add(-time.Minute))
		if got := serve(t, c).do(t, window(at, 0, 0)); got.status != http.StatusOK || len(got.rows) < 5 {
			t.Errorf("%s: status %d, %d rows", kind, got.status, len(got.rows))
		}
	}
}

// TestATornPage: what stands before the row that breaks it can be read, the rest cannot, and the journal says both. A page that
// does not hold the row is whole.
func TestATornPage(t *testing.T) {
	signs := map[BadKind]string{StrayQuote: `{"note":"5" pipe"}`, Backslash: `"C:\dir\"`, NoEndBracket: ""}
	for kind, sign := range signs {
		for _, restyle := range []bool{false, true} {
			t.Run(fmt.Sprint(kind, restyle), func(t *testing.T) {
				c, at := aBadSecond(kind, time.Time{})
				c.Switches.Restyle = restyle
				var told []Answered
				c.Observe = func(a Answered) { told = append(told, a) }
				s, err := New(c)
				if err != nil {
					t.Fatal(err)
				}
				whole := 0
				for offset := range 5 {
					a := window(at, 0, 0)
					a.limit, a.offset = 1, offset
					if json.Valid(directRaw(t, s, a)) {
						whole++
					}
				}
				if whole != 4 {
					t.Errorf("%d of 5 rows can be read, want all but one", whole)
				}
				told = nil
				body := directRaw(t, s, window(at, 300, 300))
				if json.Valid(body) || !strings.Contains(string(body), sign) {
					t.Fatalf("body %s", body)
				}
				tornAsTold(t, told[0], body)
			})
		}
	}
}

// tornAsTold compares a body with what the journal says.
func tornAsTold(t *testing.T, a Answered, body []byte) {
	t.Helper()
	rows, last := a.Rows[:len(a.Rows)-1], a.Rows[len(a.Rows)-1]
	if len(rows) == 0 || len(a.Rest) < 2 || !last.Dead {
		t.Fatalf("%d rows, %d behind the break, marker %+v", len(rows), len(a.Rest), last)
	}
	at := bytes.IndexByte(body, '[') + 1
	for _, row := range rows {
		var raw json.RawMessage
		if err := json.NewDecoder(bytes.NewReader(body[at:])).Decode(&raw); err != nil {
			t.Fatal(err)
		}
		if key, _ := KeyOf(raw); key != row.Key {
			t.Fatalf("row %v, want %v", key, row.Key)
		}
		at += len(raw) + 1
	}
	if sum := sha256.Sum256(body[at:]); hex.EncodeToString(sum[:8]) != last.Key.Session {
		t.Errorf("the rest is not %s: %.100s", last.Key.Session, body[at:])
	}
}

func TestFlakyTimes(t *testing.T) {
	all := map[Fault]float64{InternalError: 1}
	f := Faults{Flaky: []Flaky{{From: noon, To: noon.Add(time.Hour), Rate: all}}}
	for after, want := range map[time.Duration]Fault{-time.Second: Healthy, 0: InternalError, time.Hour - 1: InternalError, time.Hour: Healthy} {
		if got := f.draw(1, 1, noon.Add(after)); got != want {
			t.Errorf("after %v: %s", after, got)
		}
	}
	if f.Flaky[0].Rate = map[Fault]float64{"no such": 2}; f.validate() == nil {
		t.Error("wrong rates are accepted")
	}
}

func TestErrorBehindTheEnd(t *testing.T) {
	for name, switches := range map[string]Switches{
		"rows": {}, "pages": {OffsetCountsPages: true}, "per source": {LimitPerSource: true},
	} {
		c := world30(4, func(c *Config) { c.Switches = switches; c.Switches.ErrorBehindEnd = true })
		s := serve(t, c)
		status, rows, offset := http.StatusOK, 0, 0
		for ; status == http.StatusOK; offset++ {
			a := ask{limit: 100, offset: offset}
			if name != "pages" {
				a.offset *= 100
			}
			got := s.do(t, a)
			if status = got.status; status == http.StatusOK && len(got.rows) == 0 {
				t.Errorf("%s: offset %d is empty", name, a.offset)
			}
			rows += len(got.rows)
		}
		if n := len(truth(s.Service, noon.Add(-30*time.Minute), noon.Add(time.Minute))); status != http.StatusInternalServerError || rows < n {
			t.Errorf("%s: status %d after %d rows of %d", name, status, rows, n)
		}
		if got := s.do(t, window(noon.Add(-time.Hour), 1, 1)); got.status != http.StatusOK {
			t.Errorf("%s: an empty window is answered %d", name, got.status)
		}
	}
}

func TestEmptyWindows(t *testing.T) {
	for as, want := range map[EmptyAs]string{"": `{"numResults":0,"data":[]}`, EmptyNull: `{"numResults":0,"data":null}`, EmptyAbsent: `{"numResults":0}`} {
		s := serve(t, world30(4, func(c *Config) { c.Switches.EmptyAs = as }))
		for _, a := range []ask{window(noon.Add(-time.Hour), 1, 1), {limit: 100, offset: 5000}} {
			if got := s.do(t, a); got.status != http.StatusOK || string(got.body) != want {
				t.Errorf("%q: status %d, %s", as, got.status, got.body)
			}
		}
		if got := s.do(t, ask{limit: 100}); len(got.rows) != 100 {
			t.Errorf("%q: %d rows where there are some", as, len(got.rows))
		}
	}
}

func TestTwinBots(t *testing.T) {
	s := serve(t, world30(4, func(c *Config) { c.Switches.TwinBots = 0.5 }))
	bots := map[Key][]string{}
	for row := range s.RowsAt(time.Now(), noon.Add(-time.Hour), noon.Add(time.Hour)) {
		var fields struct{ ConversationID, BotID string }
		if err := json.Unmarshal(row.Raw, &fields); err != nil {
			t.Fatal(err)
		}
		if fields.ConversationID == "" {
			bots[row.Key] = append(bots[row.Key], fields.BotID)
		}
	}
	twins := 0
	for key, ids := range bots {
		if len(ids) > 2 || len(ids) == 2 && ids[0] == ids[1] {
			t.Errorf("%v: bots %q", key, ids)
		}
		twins += len(ids) - 1
	}
	if twins < 10 || twins > len(bots)*2/3 {
		t.Errorf("%d twins of %d", twins, len(bots))
	}
}

// TestNewSwitchesLeaveTheWorldAlone: a seed's conversations are what they were.
func TestNewSwitchesLeaveTheWorldAlone(t *testing.T) {
	plain := serve(t, world30(4, nil))
	other := serve(t, world30(4, func(c *Config) { c.Switches.TwinBots = 0.5 }))
	from, to := noon.Add(-time.Hour), noon.Add(time.Hour)
	all := truth(other.Service, from, to)
	for key := range truth(plain.Service, from, to) {
		if !all[key] {
			t.Fatalf("%v is not there", key)
		}
	}
}
