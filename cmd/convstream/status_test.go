package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/poller"
)

// TestStatusText: what is well takes a line an account; what is wrong is said, and with what to do where that is known.
func TestStatusText(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	before := func(d time.Duration) time.Time { return now.Add(-d) }
	s := admin.Status{
		Name: "pod-1", Started: before(3 * time.Hour), NotReady: "account two: starting", Group: &admin.Group{ID: "conversations.convstream-lease", Joined: true},
		Wrong: []admin.WrongFile{{File: "three.env", Error: "REREAD: no such tier"}},
		Accounts: []admin.Account{
			{Account: "one", Role: admin.Active, Ready: true, Lease: &admin.Lease{Holder: "pod-1", Standby: "pod-2"}, Budget: admin.Budget{PerMinute: 30, Requests: 512},
				Poller: &poller.Status{CompleteThrough: before(3 * time.Minute), HeadRead: before(9 * time.Second),
					Partial: []poller.PartialWindow{{Window: poller.Span(before(2*time.Hour), before(2*time.Hour-time.Second)), Cause: poller.Unanswered, Since: before(time.Hour)},
						{Window: poller.Span(before(4*time.Hour), before(4*time.Hour-time.Second)), Cause: poller.Capped, Accepted: true}},
					Accepted: []poller.Acceptance{{Window: poller.Span(before(4*time.Hour), before(4*time.Hour-time.Second)), At: before(time.Hour), By: "anna"}},
					Passes: []poller.PassStatus{
						{ID: 1, Reason: poller.Backfill, Window: poller.Span(before(9*time.Hour), before(8*time.Hour)), State: poller.PassCancelled, Ended: before(3 * time.Hour)},
						{ID: 2, Reason: poller.Backfill, Window: poller.Span(before(9*time.Hour), before(8*time.Hour)), State: poller.Finished, Ended: before(2 * time.Hour), Rows: 9, Published: 7},
						{ID: 3, Reason: poller.Backfill, Window: poller.Span(before(8*time.Hour), before(6*time.Hour)), State: poller.Reading, ReadThrough: before(7 * time.Hour), Left: poller.Seconds(time.Minute)},
						{ID: 4, Reason: poller.Audit, Window: poller.Span(before(8*time.Hour), before(6*time.Hour)), State: poller.Recalling, ReadThrough: before(8 * time.Hour)}},
					Trouble: &poller.Trouble{Since: before(time.Minute), Error: "status 503", Hint: "wait", Attempts: 4}}},
			{Account: "two", Role: admin.Standby, NotYet: "standing by, and could not take over", Memory: &admin.Memory{CompleteThrough: before(time.Hour)},
				Kafka: &admin.Outage{Since: before(2 * time.Minute), Error: "no broker answers", Attempts: 7}, Budget: admin.Budget{PerMinute: 30}},
			{Account: "three", Role: admin.Idle, Ended: "its state is lost", Settings: "no such tier", Ready: true},
		},
	}
	got := statusText(s, now)
	for _, text := range []string{
		"pod-1: not ready: account two: starting, started 3h0m0s ago\n  three.env is not used as it is now: REREAD: no such tier\nACCOUNT",
		"\none      active   pod-1   pod-2    2026-03-01 11:57:00 UTC, 3m0s ago",
		"9s ago            512 (30 a minute)  1        0\n",
		"one: the service cannot be read, since 1m0s ago (4 attempts): status 503; wait\n",
		"one: partial: 2026-03-01 10:00:00 to 10:00:01, the service fails whenever it is asked for it, since 1h0m0s ago\n" +
			"one: backfill 3 of 2026-03-01 04:00:00 to 06:00:00: reading, 50%, 1m0s left\none: audit of 2026-03-01 04:00:00 to 06:00:00: recalling, 0%\n" +
			"one: backfill 2 of 2026-03-01 03:00:00 to 04:00:00: finished 2h0m0s ago, 9 rows, 7 published\n" +
			"one: 1 partial windows accepted, the last 2026-03-01 08:00:00 to 08:00:01, 1h0m0s ago by anna\n",
		"two: not ready: standing by, and could not take over\n",
		"two: nothing can be committed, since 2m0s ago (7 attempts): no broker answers\n",
		"three: ended: its state is lost\n", "three: its file is not used as it is now: no such tier\n",
	} {
		if !strings.Contains(got, text) {
			t.Errorf("%s\nlacks %q", got, text)
		}
	}
}

// TestStatus: the command shows what a worker says, of one account where it is asked for, and the same as JSON.
func TestStatus(t *testing.T) {
	s := admin.Status{Name: "pod-1", Ready: true, Accounts: []admin.Account{
		{Account: "one", Role: admin.Active, Ready: true, Poller: &poller.Status{Behind: poller.Seconds(5 * time.Minute), Rereads: []poller.RereadState{{Age: poller.Seconds(time.Hour)}}}},
		{Account: "two", Role: admin.Standby, Ready: true},
	}}
	worker := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(rw).Encode(s) }))
	defer worker.Close()
	code, stdout, stderr := convstream(t, nil, "status", "--admin", worker.URL)
	if code != exitDone || !strings.Contains(stdout, "\none ") || !strings.Contains(stdout, "\ntwo ") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	code, stdout, stderr = convstream(t, nil, "status", "--json", "--account", "one", "--admin", worker.URL)
	var back admin.Status
	if err := json.Unmarshal([]byte(stdout), &back); code != exitDone || err != nil {
		t.Fatalf("exit %d, %v\n%s%s", code, err, stdout, stderr)
	}
	if diff := cmp.Diff(s.Accounts[:1], back.Accounts, cmpopts.IgnoreUnexported(poller.Paging{})); diff != "" {
		t.Error(diff)
	}
	if code, _, stderr = convstream(t, nil, "status", "--account", "none", "--admin", worker.URL); code != exitFailed || !strings.Contains(stderr, "it has one, two") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	if code, _, stderr = convstream(t, nil, "status", "--admin", "http://127.0.0.1:1"); code != exitFailed || !strings.Contains(stderr, "ADMIN_ADDR") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}
