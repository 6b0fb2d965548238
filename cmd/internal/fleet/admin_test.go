package fleet

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
)

// busyHour is a world in which everything that is counted happens: rows of all kinds, late rows, poison, refusals.
func busyHour() simulator.Config {
	c := simulator.Config{History: 2 * time.Hour, PerMinute: 3, Switches: simulator.Switches{VeryLate: 0.1}}
	c.Faults = simulator.Mixed(0.1)
	c.Faults.Poison = 0.1
	return c
}

// TestMetricsAgreeWithTheTopics: after an hour's work, an outage of the brokers in it, every metric is exported and says
// what an independent consumer counts.
func TestMetricsAgreeWithTheTopics(t *testing.T) {
	t.Parallel()
	inWorld(t, busyHour(), map[string]string{"START_FROM": "1h"}, func(w *world) {
		stop := w.start()
		time.Sleep(30*time.Minute + 137*time.Millisecond)
		w.wire.Cut(kafkaAddr)
		time.Sleep(2 * time.Minute)
		w.wire.Mend()
		time.Sleep(28 * time.Minute)
		code, body := w.get("/metrics")
		if code != http.StatusOK {
			t.Fatalf("/metrics: %d", code)
		}
		w.exported(body)
		w.timed()
		topics, results := w.series("convstream_published_total", "topic"), w.series("convstream_rows_total", "result")
		sum := map[string]float64{}
		for _, name := range []string{"requests_total", "reads_total"} {
			for _, v := range w.series("convstream_"+name, map[string]string{"requests_total": "outcome", "reads_total": "reason"}[name]) {
				sum[name] += v
			}
		}
		single := map[string]float64{}
		for _, name := range []string{"late_rows_total", "complete_through_timestamp_seconds", "sequence", "active", "kafka_trouble", "requests_per_minute_budget"} {
			single[name] = w.metric("convstream_" + name)
		}
		transactions := w.metric("convstream_commit_seconds_count")
		sum["served"] = float64(w.service.Stats().Requests)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		r := w.verify(w.complete)
		want := map[string]float64{
			"late_rows_total": float64(r.Late), "complete_through_timestamp_seconds": float64(r.CompleteThrough.UnixMilli()) / 1000, "sequence": float64(r.Commits),
			"active": 1, "kafka_trouble": 0, "requests_per_minute_budget": 30,
		}
		if !maps.Equal(single, want) {
			t.Errorf("metrics say %v\nthe topics  %v", single, want)
		}
		if n := float64(r.Commits); transactions > n || transactions < n/2 {
			t.Errorf("%v transactions for %v committed reads", transactions, n)
		}
		if r.Late == 0 {
			t.Error("no row was late: the test shows nothing of them")
		}
		if sum["requests_total"] != sum["served"] || sum["reads_total"] != float64(r.Commits) {
			t.Errorf("%v requests and %v reads are counted, the service had %v, %d are committed",
				sum["requests_total"], sum["reads_total"], sum["served"], r.Commits)
		}
		w.counted(topics, results, r)
	})
}

// counted holds the counts of rows against what lies in the topics, and against the sums of the commits.
func (w *world) counted(topics, results map[string]float64, r *verify.Report) {
	w.t.Helper()
	inTopics := map[string]float64{}
	for topic, n := range r.ByTopic {
		inTopics[topic] = float64(n)
	}
	if !maps.Equal(topics, inTopics) {
		w.t.Errorf("published_total says %v, the topics hold %v", topics, inTopics)
	}
	sums := map[string]float64{}
	for _, record := range w.consume("conversations.progress") {
		p, err := encoder.DecodeProgress(record.Value)
		if err != nil {
			w.t.Fatal(err)
		}
		sums["published"] += float64(p.Published)
		sums["unchanged"] += float64(p.Unchanged)
		sums["dead_lettered"] += float64(p.DeadLettered)
	}
	if !maps.Equal(results, sums) || sums["dead_lettered"] == 0 || sums["unchanged"] == 0 {
		w.t.Errorf("rows_total says %v, the commits %v", results, sums)
	}
}

// exported fails the test where a metric that the worker knows is not in the text, or without its help and type.
func (w *world) exported(body string) {
	w.t.Helper()
	families, err := w.fleet.gather()
	w.must(err)
	n := 0
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "convstream_") {
			continue
		}
		n++
		if !strings.Contains("\n"+body, "\n# HELP "+f.GetName()+" "+f.GetHelp()+"\n# TYPE "+f.GetName()+" ") {
			w.t.Errorf("/metrics lacks %s (%s)", f.GetName(), f.GetHelp())
		}
	}
	if n < 15 {
		w.t.Errorf("only %d metrics are known", n)
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	w.must(err)
	for _, p := range problems {
		w.t.Errorf("against Prometheus' conventions: %s: %s", p.Metric, p.Text)
	}
}

// timed holds the counts of what was timed against those of what was done.
func (w *world) timed() {
	w.t.Helper()
	requests, commits := 0.0, w.series("convstream_commits_total", "outcome")
	for _, n := range w.series("convstream_requests_total", "outcome") {
		requests += n
	}
	rows := w.series("convstream_rows_total", "result")
	for name, want := range map[string]float64{
		"request_seconds": requests, "commit_seconds": commits["ok"], "publish_delay_seconds": rows["published"], "recovery_seconds": w.metric("convstream_recoveries_total"),
	} {
		if got := w.metric("convstream_" + name + "_count"); got != want || want == 0 {
			w.t.Errorf("%s has timed %v, want %v", name, got, want)
		}
	}
	first, late := w.metric("convstream_freshness_seconds_count"), w.metric("convstream_freshness_seconds_sum")
	if before := w.metric("convstream_first_seen_seconds_count"); first != before || first == 0 || late/first > 60 {
		w.t.Errorf("%v conversations were first seen, and %v committed, after %v s on average", before, first, late/first)
	}
}

// TestCountersBeginAtZero: an alert on the increase of a counter sees the first dead letter only where the series was
// there before.
func TestCountersBeginAtZero(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{}, map[string]string{"START_FROM": "1h", "CHANNEL_TOPICS": "telegram=chat"}, func(w *world) {
		stop := w.start()
		time.Sleep(time.Minute)
		topics := slices.Sorted(maps.Keys(w.series("convstream_published_total", "topic")))
		want := []string{"agentassist", "chat", "dead-letter", "other", "rtm", "voice"}
		for i := range want {
			want[i] = "conversations." + want[i]
		}
		if !slices.Equal(topics, want) {
			t.Errorf("published_total of %v, want %v", topics, want)
		}
		results := slices.Sorted(maps.Keys(w.series("convstream_rows_total", "result")))
		if want := []string{"dead_lettered", "published", "unchanged"}; !slices.Equal(results, want) {
			t.Errorf("rows_total of %v, want %v", results, want)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestStatusAndPage: the role while it starts and while it works, as JSON and for people.
func TestStatusAndPage(t *testing.T) {
	t.Parallel()
	inWorld(t, busyHour(), map[string]string{"START_FROM": "1h"}, func(w *world) {
		w.wire.Cut(kafkaAddr)
		stop := w.start()
		time.Sleep(3 * time.Minute)
		w.told("starting", false)
		w.wire.Mend()
		time.Sleep(time.Hour)
		w.told("active", true)
		s := w.status()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		r := w.verify(w.complete)
		if s.Poller == nil || !s.Poller.CompleteThrough.Equal(r.CompleteThrough) || !s.Poller.CompleteFrom.Equal(r.CompleteFrom) || s.Poller.Sequence != int64(r.Commits) {
			t.Errorf("/status says %+v, the topics %s", s.Poller, describe(r))
		}
	})
}

// told holds /status, / and the probes against the role.
func (w *world) told(role string, ready bool) {
	w.t.Helper()
	_, header, body := w.ask(http.MethodGet, "/status")
	var all struct{ Accounts []map[string]any }
	if err := json.Unmarshal([]byte(body), &all); err != nil || len(all.Accounts) != 1 || !strings.HasPrefix(header.Get("content-type"), "application/json") {
		w.t.Fatalf("/status is %s: %v\n%s", header.Get("content-type"), err, body)
	}
	s := all.Accounts[0]
	if s["role"] != role || s["account"] != accountID || s["ready"] != ready || (s["poller"] != nil) != (role == "active") {
		w.t.Errorf("want role %s, ready %v:\n%s", role, ready, body)
	}
	if budget, _ := s["budget"].(map[string]any); budget["perMinute"] != 30.0 || budget["login"] == "" {
		w.t.Errorf("budget: %v", s["budget"])
	}
	_, header, body = w.ask(http.MethodGet, "/")
	if !strings.HasPrefix(header.Get("content-type"), "text/html") || !strings.Contains(body, "account "+accountID+": "+role) ||
		!strings.HasPrefix(body, "<!doctype html>") || strings.Contains(body, "not ready") == ready || !strings.Contains(body, `href="/status">`) {
		w.t.Errorf("/ is %s, want role %s, ready %v:\n%s", header.Get("content-type"), role, ready, body)
	}
	wants := map[string]int{"/healthz": http.StatusOK, "/readyz": http.StatusOK}
	if !ready {
		wants["/readyz"] = http.StatusServiceUnavailable
	}
	for path, want := range wants {
		if code, _, body := w.ask(http.MethodGet, path); code != want {
			w.t.Errorf("%s: %d %s, want %d", path, code, body, want)
		}
	}
}

// TestWhatTheAdminPortRefuses: there is nothing else to read, and nothing to change.
func TestWhatTheAdminPortRefuses(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{}, nil, func(w *world) {
		stop := w.start()
		time.Sleep(time.Minute)
		for _, path := range []string{"/nothing", "/status/", "/metrics/x", "/index.html", "/debug/pprof/", "/favicon.ico"} {
			if code, _, body := w.ask(http.MethodGet, path); code != http.StatusNotFound {
				t.Errorf("GET %s: %d %.100s, want 404", path, code, body)
			}
		}
		for _, path := range []string{"/", "/status", "/metrics", "/healthz", "/readyz"} {
			for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
				if code, _, body := w.ask(method, path); code != http.StatusMethodNotAllowed {
					t.Errorf("%s %s: %d %.100s, want 405", method, path, code, body)
				}
			}
			if code, _, body := w.ask(http.MethodHead, path); code != http.StatusOK || body != "" {
				t.Errorf("HEAD %s: %d %q", path, code, body)
			}
		}
		if code, _, _ := w.ask(http.MethodPost, "/nothing"); code != http.StatusNotFound {
			t.Errorf("POST /nothing: %d, want 404", code)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

// ask sends any request to the admin port.
func (w *world) ask(method, path string) (status int, header http.Header, body string) {
	w.t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: w.network.DialContext, DisableKeepAlives: true}, Timeout: time.Minute}
	req, err := http.NewRequest(method, "http://"+adminAddr+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	var b lockedBuffer
	if _, err := b.b.ReadFrom(res.Body); err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, res.Header, b.String()
}
