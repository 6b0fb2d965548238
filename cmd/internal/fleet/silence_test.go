package fleet

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/poller/simulator"
)

// TestEmptyPagesWithoutData: however the service says that there is nothing, everything is covered.
func TestEmptyPagesWithoutData(t *testing.T) {
	for name, empty := range map[string]string{
		"null": `{"numResults":0,"data":null}`, "absent": `{"numResults":0}`, "the other way round": `{ "data" : null, "numResults" : 0 }`,
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			g := &gateway{changes: func(_ pageRequest, _ http.Header, page []byte) []byte {
				if bytes.Contains(page, []byte(`"data":[]`)) {
					return []byte(empty)
				}
				return page
			}}
			c := simulator.Config{History: 6 * time.Hour, PerMinute: 0.1}
			inWorldBehind(t, g, c, frugal(map[string]string{"START_FROM": "6h"}), func(w *world) {
				w.run(2 * time.Hour)
				w.fresh(w.verify(w.complete, func(r *verify.Report) { r.CheckClaims(2 * time.Minute) }))
				if lines := w.alarms(); len(lines) > 0 {
					t.Errorf("%d lines of the log warn:\n%s", len(lines), strings.Join(lines[:min(len(lines), 5)], "\n"))
				}
			})
		})
	}
}

// TestNoRowForADay: a worker that looks healthy and reads nothing says so, once, and shows since when.
func TestNoRowForADay(t *testing.T) {
	long(t)
	for name, c := range map[string]simulator.Config{
		"no more":                  {History: 2 * time.Hour, PerMinute: 1, LateBy: -1, SurveyBy: -1, Until: bubble.Add(time.Hour)},
		"none since the beginning": {},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			env := frugal(map[string]string{"START_FROM": "2h", "POLL_INTERVAL": "5m", "REREAD": "1h:10m,48h:6h"})
			inWorld(t, c, env, func(w *world) {
				stop := w.start()
				time.Sleep(20 * time.Hour)
				if lines := w.alarms(); len(lines) > 0 && c.PerMinute > 0 {
					t.Errorf("%d lines of the log warn before a day is over:\n%s", len(lines), strings.Join(lines, "\n"))
				}
				time.Sleep(10 * time.Hour)
				last, exported := w.lastRow()
				w.must(stop())
				if lines := w.alarms(); len(lines) != 1 || !strings.Contains(strings.ToLower(lines[0]), "no new conversations") {
					t.Errorf("%d lines of the log warn, want one that says \"no new conversations\":\n%s", len(lines), strings.Join(lines, "\n"))
				}
				switch {
				case !exported:
					t.Error("there is no metric convstream_last_row_timestamp_seconds")
				case c.PerMinute > 0 && (last.Before(bubble) || last.After(c.Until.Add(3*time.Hour))): // it may have been closed since
					t.Errorf("the metric says that the last row came at %v, none began after %v", last, c.Until)
				}
			})
		})
	}
}

// lastRow is what the metric says of the last row; the zero time for none yet.
func (w *world) lastRow() (at time.Time, exported bool) {
	w.t.Helper()
	_, body := w.get("/metrics")
	for line := range strings.Lines(body) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name, _, _ = strings.Cut(name, "{"); name != "convstream_last_row_timestamp_seconds" {
			continue
		}
		var seconds float64
		if json.Unmarshal([]byte(value), &seconds) == nil && seconds > 0 { // not NaN
			whole, part := math.Modf(seconds)
			at = time.Unix(int64(whole), int64(part*1e9))
		}
		return at, true
	}
	return at, false
}
