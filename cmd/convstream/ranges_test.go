package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/poller"
	tokens "github.com/convstream/convstream/poller/smartassist/secret"
)

// past is the backfills and gaps of an account, which its replicas share.
type past struct {
	mu     sync.Mutex
	holder string // the active replica; "" while there is none
	status poller.Status
	asked  string // what was asked for last
	fails  error  // what the next command is answered with
}

// set changes it.
func (p *past) set(change func(*past)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

// pastReplica is what one of the replicas has of the account.
type pastReplica struct {
	*past
	name string
}

// pastProcess is its process, of which nothing else is asked for.
type pastProcess struct {
	admin.Process
	replica pastReplica
}

func (pastProcess) Letters(string) (admin.Letters, error) {
	return nil, errors.New("this process has no dead letters")
}

func (p pastProcess) Ranges(id string) (admin.Ranges, error) {
	if id != "" && id != account {
		return nil, fmt.Errorf("no account %s here", id)
	}
	return p.replica, nil
}

// port serves the admin port of a replica of the name.
func (p *past) port(t *testing.T, name string) *httptest.Server {
	t.Helper()
	process := pastProcess{replica: pastReplica{p, name}}
	s := httptest.NewServer(admin.NewPort(process, prometheus.NewRegistry(), tokens.Secret{}, false, zerolog.Nop()).Handler())
	t.Cleanup(s.Close)
	return s
}

func (r pastReplica) MayAsk() (int, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.holder {
	case r.name:
		return http.StatusOK, ""
	case "":
		return http.StatusServiceUnavailable, "this worker is not active yet: ask again when /readyz says ok"
	}
	return http.StatusConflict, fmt.Sprintf("this worker (%s) stands by; the active one is %s: ask that one", r.name, r.holder)
}

func (r pastReplica) Status() *poller.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	return &s
}

// command notes what was asked for, and returns how it ends.
func (r pastReplica) command(format string, args ...any) error {
	r.asked = fmt.Sprintf(format, args...)
	err := r.fails
	r.fails = nil
	return err
}

func (r pastReplica) Backfill(_ context.Context, w poller.Window, republish bool, by string) (poller.PassStatus, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.command("backfill %s %t by %s", interval(w), republish, by); err != nil {
		return poller.PassStatus{}, err
	}
	p := poller.PassStatus{ID: 3, Reason: poller.Backfill, Window: w, Republish: republish, State: poller.Recalling, Asked: asOf, By: by, ReadThrough: w.Start}
	r.status.Passes = []poller.PassStatus{p}
	return p, nil
}

func (r pastReplica) Cancel(_ context.Context, id int64, by string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.status.Passes {
		r.status.Passes[i].State, r.status.Passes[i].Ended = poller.PassCancelled, asOf
	}
	return r.command("cancel %d by %s", id, by)
}

func (r pastReplica) AcceptGap(_ context.Context, w poller.Window, by string) ([]poller.Acceptance, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return []poller.Acceptance{{Window: w, Cause: poller.Capped, Rows: 1300, At: asOf, By: by}}, r.command("accept %s by %s", interval(w), by)
}

// asOf is the present of what is shown.
var asOf = time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)

// march is the first day of March.
var march = poller.Span(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC))

// refusedAs returns a refusal of the poller.
func refusedAs(kind poller.Refusal, reason string) error {
	return &poller.RefusedError{Kind: kind, Reason: reason}
}

// TestCommandsAboutRanges ask the active worker for what was typed, and say what it answers, or what it refuses and why.
func TestCommandsAboutRanges(t *testing.T) {
	t.Parallel()
	p := &past{holder: "worker-1"}
	active, standby := p.port(t, "worker-1").URL, p.port(t, "worker-2").URL
	old := httptest.NewServer(http.NotFoundHandler()).URL
	for _, c := range []struct {
		args   string
		fails  error
		code   int
		asked  string
		stdout string // a part of it; "" is nothing at all
		stderr string
	}{
		{"backfill --from 2026-03-01 --to 2026-03-02T00:00:00Z --by anna", nil, exitDone, "backfill 2026-03-01T00:00:00Z/2026-03-02T00:00:00Z false by anna", "backfill 3 of 2026-03-01T00:00:00Z/2026-03-02T00:00:00Z is under way", ""},
		{"backfill --from 2026-03-01 --to 2026-03-02 --republish --json", nil, exitDone, "backfill 2026-03-01T00:00:00Z/2026-03-02T00:00:00Z true by unknown, from 127.0.0.1", `{"id":3,"reason":"backfill","start":"2026-03-01T00:00:00Z"`, ""},
		{"backfill --from 2026-03-01 --to 2026-03-02", refusedAs(poller.Conflict, "backfill 2 overlaps it"), exitFailed, "", "", "answers 409: backfill 2 overlaps it"},
		{"backfill --from 2026-03-01 --to 2026-03-02 --wait", refusedAs(poller.Invalid, "has not settled"), exitFailed, "", "", "answers 400: has not settled"},
		{"backfill --from 2026-03-01 --to 2026-03-02", errors.New("no broker"), exitFailed, "", "", "it is not known whether this took effect: no broker; ask again, it is not done twice"},
		{"backfill cancel 3 --by anna", nil, exitDone, "cancel 3 by anna", "backfill 3 of 2026-03-01T00:00:00Z/2026-03-02T00:00:00Z: cancelled", ""},
		{"backfill cancel 9", refusedAs(poller.Unknown, "there is no backfill 9"), exitFailed, "", "", "answers 404: there is no backfill 9"},
		{"backfill list", nil, exitDone, "", "3   2026-03-01T00:00:00Z/2026-03-02T00:00:00Z  cancelled ", ""},
		{"backfill list --json", nil, exitDone, "", `{"id":3,"reason":"backfill",`, ""},
		{"gaps accept 2026-03-01T10:00:00Z/2026-03-01T10:00:05Z --by anna", nil, exitDone, "accept 2026-03-01T10:00:00Z/2026-03-01T10:00:05Z by anna", "accepted 2026-03-01T10:00:00Z/2026-03-01T10:00:05Z, by anna: the service returns no more", ""},
		{"gaps accept 2026-03-01/2026-03-02", refusedAs(poller.Conflict, "accepted already"), exitFailed, "", "", "answers 409: accepted already"},
		{"gaps list", nil, exitDone, "", "every window could be read whole", ""},
		{"gaps list --account other", nil, exitFailed, "", "", "no account other here"},
		{"gaps list --admin " + standby, nil, exitFailed, "", "", "answers 409: this worker (worker-2) stands by; the active one is worker-1"},
		{"gaps list --admin " + standby + "," + active, nil, exitDone, "", "every window", ""},
		{"backfill --from 2026-03-01 --to 2026-03-02 --wait --admin " + standby, nil, exitFailed, "", "", "the active one is worker-1"},
		{"backfill --from 2026-03-01 --to 2026-03-02 --admin http://127.0.0.1:1," + standby, nil, exitFailed, "", "", "none of the workers of --admin is active: http://127.0.0.1:1: no answer ("},
		{"backfill --from 2026-03-01 --to 2026-03-02 --admin " + old, nil, exitFailed, "", "", "its version does not know backfills and gaps: update it to that of this command, v1.2.3"},
		{"gaps list --admin ,", nil, exitUsage, "", "", `--admin "," names no URL`},
		{"backfill", nil, exitUsage, "", "", "--from is missing"},
		{"backfill --from 30d", nil, exitUsage, "", "", "--to is missing"},
		{"backfill --from march --to 1h", nil, exitUsage, "", "", `--from: "march" is not a time like`},
		{"backfill --from 1h --to 30d", nil, exitUsage, "", "", "--from 1h is not before --to 30d"},
		{"backfill lits", nil, exitUsage, "", "", "or is followed by list or cancel"},
		{"backfill cancel", nil, exitUsage, "", "", "expected the ID of one backfill"},
		{"backfill cancel x", nil, exitUsage, "", "", `"x" is not the ID of a backfill`},
		{"gaps", nil, exitUsage, "", "", "gaps: expected list or accept"},
		{"gaps accept", nil, exitUsage, "", "", "expected one window"},
		{"gaps accept 2026-03-01", nil, exitUsage, "", "", `"2026-03-01" is not a window like`},
		{"gaps accept 2026-03-01/x", nil, exitUsage, "", "", `"x" is not a time like`},
		{"gaps accept 2026-03-02/2026-03-01", nil, exitUsage, "", "", "does not end after it begins"},
	} {
		p.set(func(p *past) { p.asked, p.fails = "", c.fails })
		args := strings.Fields(c.args)
		if !strings.Contains(c.args, "--admin") {
			args = append(args, "--admin", active)
		}
		code, stdout, stderr := convstream(t, map[string]string{}, args...)
		if code != c.code {
			t.Errorf("%s: exit %d, want %d", c.args, code, c.code)
		}
		says(t, c.args+": stdout", stdout, c.stdout)
		says(t, c.args+": stderr", stderr, c.stderr)
		if p.set(func(*past) {}); c.asked != "" && p.asked != c.asked || c.code == exitUsage && p.asked != "" {
			t.Errorf("%s: asked for %q, want %q", c.args, p.asked, c.asked)
		}
	}
}
