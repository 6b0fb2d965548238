package main

import (
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

// TestABackfillAsUsersAskForIt: an hour long before the first start is read beside live polling, followed to its end by who asked, and listed.
func TestABackfillAsUsersAskForIt(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a real worker for some seconds")
	}
	t.Parallel()
	w := newWorld(t, simulator.Config{Seed: 11, History: 4 * time.Hour, PerMinute: 2, LateBy: time.Second, SurveyBy: -1}, map[string]string{"START_FROM": "1m", "REREAD": "1m:30s,5m:1m", "REREAD_SPARE": "false", "ADMIN_ADDR": freePort(t)})
	p := start(t, w.env)
	w.awaitComplete(time.Now().Add(-30 * time.Second))
	to := time.Now().UTC().Truncate(time.Second).Add(-2 * time.Hour)
	from := to.Add(-time.Hour)
	url := "http://" + w.env["ADMIN_ADDR"]
	code, stdout, stderr := convstream(t, nil, "backfill", "--from", rfc3339(from), "--to", rfc3339(to), "--wait", "--json", "--by", "anna", "--admin", "http://127.0.0.1:1,"+url)
	if code != exitDone || !strings.Contains(stdout, `"state":"finished"`) || !strings.Contains(stderr, "backfill 1 of ") {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	if code, stdout, _ := convstream(t, nil, "backfill", "list", "--admin", url); code != exitDone || !strings.Contains(stdout, "finished") || !strings.Contains(stdout, "anna") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	if code, stdout, _ := convstream(t, nil, "status", "--admin", url); code != exitDone || !strings.Contains(stdout, ": backfill 1 of ") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	w.drain(p)
	r := w.report()
	r.CheckNewest(w.service, from, to)
	complain(t, r)
	if r.Conversations < 60 {
		t.Errorf("%d conversations, want some 120 of an hour", r.Conversations)
	}
}
