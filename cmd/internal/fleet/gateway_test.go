package fleet

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

// gateway stands before the simulated service: it notes every request, may answer it in the service's place, and may change
// the service's answers on their way. The service counts a request twice whose answer may be changed.
type gateway struct {
	answers func(http.ResponseWriter, *http.Request, pageRequest) bool        // in the service's place; nil: never
	changes func(q pageRequest, header http.Header, page []byte) (new []byte) // of what the service answered; nil: as it is

	service *simulator.Service
	mu      sync.Mutex
	noted   []pageRequest
}

// pageRequest is a request as it was sent.
type pageRequest struct {
	from, to      time.Time // startDate and endDate
	limit, offset int
	at            time.Time
}

// shows reports whether the request asks for the second, were the bounds inclusive.
func (q pageRequest) shows(second time.Time) bool {
	return !q.from.After(second) && !q.to.Before(second)
}

// inWorldBehind is inWorld with a gateway before the service.
func inWorldBehind(t *testing.T, g *gateway, c simulator.Config, env map[string]string, test func(*world)) {
	c.Intercept = g.intercept
	inWorld(t, c, env, func(w *world) {
		g.service = w.service
		test(w)
	})
}

func (g *gateway) intercept(w http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get(behindTheGateway) != "" {
		return false
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err) // it was read before
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	q := askedBy(r, body)
	g.mu.Lock()
	g.noted = append(g.noted, q)
	g.mu.Unlock()
	if g.answers != nil && g.answers(w, r, q) {
		return true
	}
	if g.changes == nil {
		return false
	}
	answer := httptest.NewRecorder()
	g.serve(answer, r)
	header := answer.Header().Clone()
	page := answer.Body.Bytes()
	if answer.Code == http.StatusOK {
		page = g.changes(q, header, page)
	}
	header.Del("Content-Length")
	maps.Copy(w.Header(), header)
	w.WriteHeader(answer.Code)
	_, _ = w.Write(page)
	return true
}

const behindTheGateway = "X-Behind-The-Gateway"

// serve lets the service answer.
func (g *gateway) serve(answer *httptest.ResponseRecorder, r *http.Request) {
	again := r.Clone(r.Context())
	again.Header.Set(behindTheGateway, "1")
	g.service.ServeHTTP(answer, again)
}

func askedBy(r *http.Request, body []byte) pageRequest {
	var b struct{ StartDate, EndDate string }
	_ = json.Unmarshal(body, &b) // what cannot be read asks for nothing
	q := pageRequest{at: time.Now()}
	q.from, _ = time.Parse(time.DateTime, b.StartDate)
	q.to, _ = time.Parse(time.DateTime, b.EndDate)
	q.limit, _ = strconv.Atoi(r.URL.Query().Get("limit"))
	q.offset, _ = strconv.Atoi(r.URL.Query().Get("offset"))
	return q
}

// asked returns the requests so far.
func (g *gateway) asked() []pageRequest {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.noted)
}

// reads counts the first pages that were asked for between two instants and show the second.
func (g *gateway) reads(second, from, to time.Time) (n int) {
	for _, q := range g.asked() {
		if q.offset == 0 && q.shows(second) && !q.at.Before(from) && q.at.Before(to) {
			n++
		}
	}
	return n
}

// firstAfter returns when the first request after the instant came; false: none did.
func (g *gateway) firstAfter(at time.Time) (time.Time, bool) {
	for _, q := range g.asked() {
		if q.at.After(at) {
			return q.at, true
		}
	}
	return time.Time{}, false
}

// quiet returns the first second, from the given one on, around which the service shows no row for ten seconds.
func quiet(t *testing.T, c simulator.Config, at time.Time) time.Time {
	t.Helper()
	c.AccountID, c.Start = accountID, bubble
	if c.Seed == 0 {
		c.Seed = 1 // as inWorld does
	}
	s, err := simulator.New(c)
	if err != nil {
		t.Fatal(err)
	}
search:
	for ; ; at = at.Add(time.Second) {
		for range s.RowsAt(at.Add(24*time.Hour), at.Add(-10*time.Second), at.Add(11*time.Second)) {
			continue search
		}
		return at
	}
}

// firsts is when each identity was first published: the times of the records of their first revisions.
func (w *world) firsts() map[string]time.Time {
	w.t.Helper()
	out := map[string]time.Time{}
	for _, s := range w.stored() {
		if at, met := out[s.ID]; !met || s.time.Before(at) {
			out[s.ID] = s.time
		}
	}
	return out
}

// flows fails the test where a row that began between two instants, and not within two seconds of the one left out, is not
// published, or was later than that after the service could show it (its start, or the start of the world of the test).
func (w *world) flows(from, to, except time.Time, within time.Duration) {
	w.t.Helper()
	firsts, rows, missing, late, worst := w.firsts(), 0, 0, 0, time.Duration(0)
	for row := range w.service.RowsAt(time.Now(), from, to) {
		if row.Dead || row.Start.Sub(except).Abs() <= 3*time.Second {
			continue
		}
		rows++
		at, met := firsts[row.Key.Identity]
		if !met {
			missing++
			continue
		}
		took := at.Sub(row.Start)
		if worst = max(worst, took); took > within {
			late++
		}
	}
	if missing > 0 || late > 0 {
		w.t.Errorf("of %d rows that began between %v and %v %d are not published, %d later than %v; the latest took %v",
			rows, from.Format(time.DateTime), to.Format(time.DateTime), missing, late, within, worst)
	}
	if rows < 3 {
		w.t.Errorf("%d rows: the test shows nothing", rows)
	}
}

// alarms returns the lines of the log that are warnings or worse, and those that take one back.
func (w *world) alarms() (lines []string) {
	for line := range bytes.Lines([]byte(w.log.String())) {
		var l struct{ Level, Message string }
		if json.Unmarshal(line, &l) == nil && (l.Level == "warn" || l.Level == "error") || bytes.Contains(line, []byte("can be read again")) {
			lines = append(lines, string(bytes.TrimSpace(line)))
		}
	}
	return lines
}

// consumersMind are the problems of a report that say something where a gateway has changed what the service answered, or an
// answer did not arrive.
var consumersMind = []string{"has revisions", "says the same", "goes back", "is there twice", "lost: "}

// frugal adds to the settings what makes a world cheap: without heartbeats, and with little for the brokers to tell, a simulated day
// costs a third.
func frugal(env map[string]string) map[string]string {
	env["LEASE"], env["TOPIC_PARTITIONS"] = "off", "1"
	return env
}
