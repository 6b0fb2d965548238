package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/poller/simulator"
)

// failings are the ways in which every request fails that shows a certain second.
var failings = map[string]func(http.ResponseWriter, *http.Request){
	"500": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte(`{"errors":[{"msg":"Internal server error","code":5000}]}`))
	},
	"hang": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	"cut by a proxy": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "4000")
		_, _ = w.Write([]byte(`{"numResults":2,"data":[{"conversationId":"c-cut-in-the-midd`))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	},
}

// breakings are texts in place of a string, with which a page cannot be split into its rows.
var breakings = map[string]string{"stray quote": `"5" pipe"`, "backslash": `"C:\dir\"`, "missing bracket": `["open"`}

// poisoned is where the second lies, and since when it fails.
type poisoned struct {
	second, since time.Duration // from the start of the bubble
	from          time.Duration // START_FROM
}

var poisonedSeconds = map[string]poisoned{
	"live head":   {second: 20 * time.Minute, since: -time.Hour, from: 12 * time.Hour},
	"backlog":     {second: -6 * time.Hour, since: -time.Hour, from: 12 * time.Hour},
	"in coverage": {second: 10 * time.Minute, since: 30 * time.Minute, from: 12 * time.Hour},
}

// TestASecondThatAlwaysFails: one second that the service cannot answer, wherever it lies, costs that second and nothing else.
func TestASecondThatAlwaysFails(t *testing.T) {
	long(t)
	kinds := slices.Concat(slices.Sorted(maps.Keys(failings)), slices.Sorted(maps.Keys(breakings)))
	if raceDetector { // the others differ in what one goroutine reads
		kinds = []string{"500", "stray quote"}
	}
	for place, p := range poisonedSeconds {
		for _, kind := range kinds {
			t.Run(strings.ReplaceAll(place+"/"+kind, " ", "-"), func(t *testing.T) {
				t.Parallel()
				alwaysFails(t, p, kind, 0.5, 95*time.Minute)
			})
		}
		t.Run(strings.ReplaceAll(place+"/500, few rows", " ", "-"), func(t *testing.T) {
			t.Parallel()
			alwaysFails(t, p, "500", 0.03, 4*time.Hour)
		})
	}
}

func alwaysFails(t *testing.T, p poisoned, kind string, perMinute float64, lasts time.Duration) {
	c := simulator.Config{History: 24 * time.Hour, PerMinute: perMinute, LateBy: -1}
	second, since := quiet(t, c, bubble.Add(p.second)), bubble.Add(p.since)
	g := &gateway{}
	text, breaks := breakings[kind]
	if breaks {
		c.Extra = []json.RawMessage{
			fmt.Appendf(nil, `{"sessionId":"s-before","channel":"rtm","sessionStartTime":%q}`, second.Format("2006-01-02T15:04:05")), // bot rows come first
			extra("c-broken", "CLOSED", second, second.Add(time.Minute), `,"note":"@"`),
		}
		g.changes = func(_ pageRequest, _ http.Header, page []byte) []byte {
			if time.Now().Before(since) {
				return page
			}
			return bytes.Replace(page, []byte(`"note":"@"`), []byte(`"note":`+text), 1)
		}
	} else {
		g.answers = func(w http.ResponseWriter, r *http.Request, q pageRequest) bool {
			fails := q.shows(second) && !time.Now().Before(since)
			if fails {
				failings[kind](w, r)
			}
			return fails
		}
	}
	inWorldBehind(t, g, c, frugal(map[string]string{"START_FROM": p.from.String()}), func(w *world) {
		stop := w.start()
		time.Sleep(lasts)
		end := time.Now()
		status := w.stuckStatus()
		w.must(stop())

		w.flows(bubble.Add(-p.from).Add(time.Minute), bubble.Add(time.Minute), second, p.from+lasts) // at all
		w.flows(bubble.Add(5*time.Minute), end.Add(-5*time.Minute), second, 3*time.Minute)
		if n := g.reads(end.Add(-45*time.Minute), end.Add(-35*time.Minute), end); n < 5 {
			t.Errorf("what is 45 minutes old was read again %d times in 35 minutes, its cadence is 5 minutes", n)
		}
		through := status.Poller.CompleteThrough
		if p.since < 0 {
			w.tells(status.Poller.Partial, second)
		} else {
			w.tells(status.Poller.Failing, second)
		}
		if p.since > 0 { // a promise is kept
			if end.Sub(through) > 10*time.Minute {
				t.Errorf("complete through %v, %v ago", through, end.Sub(through))
			}
		} else if through.After(second.Add(time.Second)) || through.Before(second.Add(-5*time.Second)) {
			t.Errorf("complete through %v, want it to stop at %v", through, second)
		}
		if lines := w.alarms(); len(lines) > 6 || len(lines) == 0 {
			t.Errorf("%d lines of the log tell of it, want 1 to 6:\n%s", len(lines), strings.Join(lines[:min(12, len(lines))], "\n"))
		}
		w.verify(onlyAbout(consumersMind...))
		if breaks {
			w.saved(text)
		}
	})
}

// saved fails the test where not all of a page that cannot be split into rows is in the topics.
func (w *world) saved(text string) {
	w.t.Helper()
	if _, met := w.firsts()["s-before"]; !met {
		w.t.Error("the row before the break is not published")
	}
	letters := 0
	for _, r := range w.consume("conversations.dead-letter") {
		if bytes.Contains(r.Value, []byte(`"c-broken"`)) && bytes.Contains(r.Value, []byte(text)) {
			letters++
		}
	}
	if letters != 1 {
		w.t.Errorf("%d dead letters hold what stands behind the break, want 1", letters)
	}
}

// stuckStatus is what /status tells of the coverage, and of what stops it.
type stuckStatus struct {
	Poller struct {
		CompleteThrough time.Time    `json:"completeThrough"`
		Partial         []toldWindow `json:"partial"`
		Failing         []toldWindow `json:"failing"`
	} `json:"poller"`
}

type toldWindow struct {
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"`
	Reason string    `json:"reason"`
}

func (w *world) stuckStatus() (s stuckStatus) {
	w.t.Helper()
	var all struct{ Accounts []stuckStatus }
	w.tellsOf(&all)
	return all.Accounts[0]
}

// tells fails the test where the second is not among the windows, without a reason, or they are more than five seconds.
func (w *world) tells(windows []toldWindow, second time.Time) {
	w.t.Helper()
	length, told := time.Duration(0), false
	for _, p := range windows {
		length += p.End.Sub(p.Start)
		told = told || !second.Before(p.Start) && second.Before(p.End) && p.Reason != ""
	}
	if !told || length > 5*time.Second {
		w.t.Errorf("/status: %+v, want the second %v with a reason, and at most five seconds", windows, second)
	}
}

// TestA5xxBehindTheEnd: where a service fails for an offset behind its last row, instead of an empty page, everything is
// covered all the same.
func TestA5xxBehindTheEnd(t *testing.T) {
	for _, pages := range []bool{false, true} {
		t.Run(fmt.Sprint("pages ", pages), func(t *testing.T) {
			t.Parallel()
			g := &gateway{}
			g.answers = func(w http.ResponseWriter, r *http.Request, q pageRequest) bool {
				if q.offset == 0 {
					return false
				}
				behind := !g.hasRows(r)
				if behind {
					failings["500"](w, r)
				}
				return behind
			}
			c := simulator.Config{History: 12 * time.Hour, PerMinute: 0.5, Switches: simulator.Switches{OffsetCountsPages: pages}}
			inWorldBehind(t, g, c, frugal(map[string]string{"START_FROM": "12h"}), func(w *world) {
				w.run(90 * time.Minute)
				w.fresh(w.verify(w.complete, func(r *verify.Report) { r.CheckClaims(2 * time.Minute) }))
			})
		})
	}
}

// hasRows reports whether the service answers the request with a page that holds rows.
func (g *gateway) hasRows(r *http.Request) bool {
	answer := httptest.NewRecorder()
	g.serve(answer, r)
	return answer.Code != http.StatusOK || !bytes.Contains(answer.Body.Bytes(), []byte(`"data":[]`))
}
