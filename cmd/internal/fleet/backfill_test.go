package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin/client"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/simulator"
)

// command posts a command to an admin port, with the token, and returns the answer.
func (w *world) command(addr, path string, command any) (code int, text string) {
	w.t.Helper()
	body, err := json.Marshal(command)
	w.must(err)
	c := http.Client{Transport: &http.Transport{DialContext: w.network.DialContext, DisableKeepAlives: true}}
	req, err := http.NewRequest(http.MethodPost, "http://"+addr+path, bytes.NewReader(body))
	w.must(err)
	req.Header.Set("authorization", "Bearer "+adminToken1)
	res, err := c.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	w.must(err)
	return res.StatusCode, strings.TrimSpace(string(answer))
}

// backfill asks for a backfill, which must be accepted.
func (w *world) backfill(addr string, q client.BackfillRequest) (pass poller.PassStatus) {
	w.t.Helper()
	code, text := w.command(addr, client.BackfillsPath, q)
	if code != http.StatusOK {
		w.t.Fatalf("backfill: %d %s", code, text)
	}
	w.must(json.Unmarshal([]byte(text), &pass))
	return pass
}

// lastPass is the account's last backfill as an admin port tells it; none while its worker is not the active one.
func (w *world) lastPass(addr string) (last poller.PassStatus) {
	w.t.Helper()
	var all client.Backfills
	code, text := w.getFrom(addr, client.BackfillsPath)
	switch code {
	case http.StatusServiceUnavailable:
		return last
	case http.StatusOK:
		w.must(json.Unmarshal([]byte(text), &all))
		return all.Backfills[len(all.Backfills)-1]
	}
	w.t.Fatalf("backfills: %d %s", code, text)
	return last
}

// backfilled waits until the last backfill has ended.
func (w *world) backfilled(addr string, most time.Duration) poller.PassStatus {
	w.t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Second) {
		last := w.lastPass(addr)
		if !last.Ended.IsZero() {
			w.t.Logf("backfill %d of %v: %s after %v, %d rows with %d requests, %d published", last.ID, last.Window, last.State, time.Since(began), last.Rows, last.Requests, last.Published)
			return last
		}
		if time.Since(began) > most {
			w.t.Fatalf("backfill after %v: %+v\n%s", most, last, w.log.tail())
		}
	}
}

// events counts the events of a kind in the progress topic.
func events(r *verify.Report, kind poller.EventKind) (n int) {
	for _, e := range r.Events {
		if e.Kind == string(kind) {
			n++
		}
	}
	return n
}

// TestBackfill covers a past range beside live polling, that is asked for once more when the memory has forgotten it, and then
// republished, by a worker that is killed at once, and whose successor loses the brokers.
func TestBackfill(t *testing.T) {
	long(t)
	t.Parallel()
	c := simulator.Config{History: 12 * 24 * time.Hour, PerMinute: 0.3, SurveyBy: -1}
	env := frugal(map[string]string{"START_FROM": "2h", "POLL_INTERVAL": "20m", "REREAD": "2h:1h", "ADMIN_TOKEN": adminToken1})
	inWorld(t, c, env, func(w *world) {
		began := time.Now().UTC()
		from, to := began.Add(-10*24*time.Hour), began.Add(-9*24*time.Hour)
		stop := w.start()
		time.Sleep(time.Minute)
		q := client.BackfillRequest{From: from, To: to, By: "an operator"}
		first := w.backfill(adminAddr, q)
		if again := w.backfill(adminAddr, q); again.ID != first.ID {
			t.Errorf("asked twice: %d and %d", first.ID, again.ID)
		}
		done := w.backfilled(adminAddr, time.Hour)
		if done.Published < 400 || done.Published != done.Rows {
			t.Errorf("%d of %d rows published, want some 432", done.Published, done.Rows)
		}
		r := w.once(400)
		r.CheckNewest(w.service, from, to)

		time.Sleep(40 * time.Hour) // the memory forgets
		before := w.worker.Status().Poller.Remembered
		w.must(stop())
		stop = w.start()
		time.Sleep(time.Minute)
		wider := client.BackfillRequest{From: from.Add(-12 * time.Hour), To: to.Add(12 * time.Hour), By: "an operator"}
		w.backfill(adminAddr, wider)
		done = w.backfilled(adminAddr, time.Hour)
		if done.Published < 400 || done.Published > 500 || done.Rows < 400 {
			t.Errorf("%d of %d rows published, want those of the two halves of a day that were not covered", done.Published, done.Rows)
		}
		w.once(1000).CheckNewest(w.service, wider.From, wider.To)
		t.Logf("%d entries were remembered before", before)

		q.Republish = true
		w.backfill(adminAddr, q)
		w.wire.Cut("") // before the topics are read back
		_ = stop()
		stop = w.start()
		time.Sleep(3 * time.Second)
		w.wire.CutBrokers() // while they are
		time.Sleep(90 * time.Second)
		w.wire.Mend()
		done = w.backfilled(adminAddr, time.Hour)
		if done.Published < 400 || done.Published > 500 {
			t.Errorf("%d of %d rows republished, want those of a day, each once", done.Published, done.Rows)
		}
		w.must(stop())
		r = w.once(1000)
		if r.Republished != done.Published {
			t.Errorf("%d revisions are republished in the topics, the backfill says %d", r.Republished, done.Published)
		}
		if n, m := events(r, poller.BackfillStarted), events(r, poller.BackfillFinished); n != 3 || m != 3 {
			t.Errorf("%d backfills started, %d finished in progress, want 3", n, m)
		}
		w.freshWithin(20*time.Minute, r)
	})
}

// TestBackfillsThatCannotBe each have an answer that says why and what to do.
func TestBackfillsThatCannotBe(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: 12 * time.Hour, PerMinute: 0.3}, frugal(map[string]string{"START_FROM": "2h", "ADMIN_TOKEN": adminToken1}), func(w *world) {
		stop := w.start()
		time.Sleep(time.Minute)
		now := time.Now().UTC()
		ago := func(hours int) time.Time { return now.Add(-time.Duration(hours) * time.Hour) }
		under := w.backfill(adminAddr, client.BackfillRequest{From: ago(3000), To: ago(3)})
		for name, c := range map[string]struct {
			path    string
			command any
			code    int
			text    string
		}{
			"in the future":      {client.BackfillsPath, client.BackfillRequest{From: ago(1), To: ago(-1)}, http.StatusBadRequest, "has not settled"},
			"of no length":       {client.BackfillsPath, client.BackfillRequest{From: ago(1), To: ago(1)}, http.StatusBadRequest, "--to must be later"},
			"backwards":          {client.BackfillsPath, client.BackfillRequest{From: ago(1), To: ago(2)}, http.StatusBadRequest, "--to must be later"},
			"without bounds":     {client.BackfillsPath, client.BackfillRequest{}, http.StatusBadRequest, "from and to are missing"},
			"of ten years":       {client.BackfillsPath, client.BackfillRequest{From: now.AddDate(-10, 0, 0), To: ago(3)}, http.StatusBadRequest, "in parts"},
			"older than all":     {client.BackfillsPath, client.BackfillRequest{From: now.AddDate(-40, 0, 0), To: now.AddDate(-40, 1, 0)}, http.StatusBadRequest, "nothing from before 1999"},
			"an overlapping one": {client.BackfillsPath, client.BackfillRequest{From: ago(3010), To: ago(2990)}, http.StatusConflict, fmt.Sprintf("backfill %d", under.ID)},
			"no such backfill":   {client.CancelPath, client.CancelRequest{ID: 17}, http.StatusNotFound, "no backfill 17"},
			"no such gap":        {client.AcceptPath, client.AcceptRequest{From: ago(2), To: ago(1)}, http.StatusNotFound, "no gap"},
			"a typo":             {client.BackfillsPath, map[string]string{"form": "x"}, http.StatusBadRequest, "form"},
		} {
			if code, text := w.command(adminAddr, c.path, c.command); code != c.code || !strings.Contains(text, c.text) {
				t.Errorf("%s: %d %s; want %d %s", name, code, text, c.code, c.text)
			}
		}
		if code, text := w.command(adminAddr, client.CancelPath, client.CancelRequest{ID: under.ID, By: "me"}); code != http.StatusOK || !strings.Contains(text, `"cancelled"`) {
			t.Errorf("cancel: %d %s", code, text)
		}
		if code, text := w.command(adminAddr, client.CancelPath, client.CancelRequest{ID: under.ID}); code != http.StatusConflict || !strings.Contains(text, "ended already") {
			t.Errorf("cancel twice: %d %s", code, text)
		}
		w.must(stop())
		if r := w.verify(); events(r, poller.BackfillCancelled) != 1 {
			t.Errorf("progress does not tell of the cancel: %d events", len(r.Events))
		}
	})
}
