package fleet

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/convstream/convstream/cmd/internal/drift"
	"github.com/convstream/convstream/poller/simulator"
)

// TestDrift: the service changes its format while the worker runs. What differs shows with its first sight within a poll, is logged
// once, and is known to the standby and after a takeover and a restart.
func TestDrift(t *testing.T) {
	changed := func(minute int, members string) json.RawMessage {
		start := time.Date(2000, 1, 1, 1, minute, 0, 0, time.UTC).Format("2006-01-02T15:04:05")
		return json.RawMessage(fmt.Sprintf(`{"conversationId":"c-%d","sessionStartTime":%q,"sessionEndTime":%[2]q%s}`, minute, start, members))
	}
	c := simulator.Config{PerMinute: 15, History: 30 * time.Minute, Until: bubble.Add(time.Hour), LateBy: -1, SurveyBy: -1, Extra: []json.RawMessage{
		changed(1, `,"channel":"telegraph"`),
		changed(2, `,"mood":"7 of 9"`),
		changed(9, `,"mood":"8 of 9","csatScore":{"of":5}`),
		changed(40, `,"mood":"1 of 9"`),
		json.RawMessage(`{"sessionStartTime":"2000-01-01T01:05:00","sessionEndTime":"2000-01-01T01:05:30","note":"of nobody"}`),
	}}
	finding := func(kind drift.Kind, field, typ, pointer string, first, last int, count int64) drift.Finding {
		at := func(minute int) time.Time { return bubble.Add(time.Hour + time.Duration(minute)*time.Minute) }
		return drift.Finding{Kind: kind, Field: field, Type: typ, Pointer: pointer, First: at(first), Last: at(last), Count: count}
	}
	inWorld(t, c, map[string]string{"START_FROM": "30m"}, func(w *world) {
		one := w.replica()
		w.awaitActive(time.Minute, one)
		two := w.replica()
		time.Sleep(time.Hour)
		if r := w.driftOf(one.addr); r.Since.IsZero() || len(w.news(r)) != 0 {
			t.Errorf("before anything changed: %+v", r)
		}
		time.Sleep(20 * time.Minute)
		want := []drift.Finding{
			finding(drift.Value, "csatScore", "object", "/csatScore", 9, 9, 1),
			finding(drift.Row, "row has neither conversationId nor sessionId", "", "", 5, 5, 1),
			finding(drift.Member, "mood", "string", "/mood", 2, 9, 2),
			finding(drift.NewValue, "channel", "", "", 1, 1, 1),
		}
		shows := func(addr string, want []drift.Finding) {
			t.Helper()
			if diff := cmp.Diff(want, w.news(w.driftOf(addr))); diff != "" {
				t.Error(diff)
			}
		}
		shows(one.addr, want)
		shows(two.addr, want) // standing by
		if n := w.metric(`convstream_drift_findings_total{kind="new value"}`); n != 1 {
			t.Errorf("%v new values are counted, want 1", n)
		}
		w.must(one.stop())
		w.awaitActive(time.Minute, two)
		time.Sleep(30 * time.Minute)
		want[2].Last, want[2].Count = want[2].First.Add(38*time.Minute), 3
		shows(two.addr, want)
		w.must(two.stop())
		last := w.replica()
		time.Sleep(10 * time.Minute)
		shows(last.addr, want)
		w.must(last.stop())
		w.logged(`member mood (string)"`, 1)
		w.logged(`of 9`, 0)
		w.logged(`telegraph`, 0)
		w.verify(w.complete)
	})
}

// driftOf is the drift that a process shows.
func (w *world) driftOf(addr string) drift.Report {
	w.t.Helper()
	_, body := w.getFrom(addr, "/status")
	var s struct {
		Accounts []struct{ Drift *drift.Report }
	}
	w.must(json.Unmarshal([]byte(body), &s))
	if len(s.Accounts) != 1 || s.Accounts[0].Drift == nil {
		w.t.Fatalf("no drift in the status of %s", addr)
	}
	return *s.Accounts[0].Drift
}

// news are the findings of what began in the second hour, with times to the minute: what the service's ordinary rows hold is older.
func (w *world) news(r drift.Report) (out []drift.Finding) {
	for _, f := range r.Findings {
		if f.First.Before(bubble.Add(time.Hour)) {
			continue
		}
		f.First, f.Last = f.First.Truncate(time.Minute), f.Last.Truncate(time.Minute)
		out = append(out, f)
	}
	return out
}
