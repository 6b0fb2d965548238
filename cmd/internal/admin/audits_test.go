package admin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/cmd/internal/auditor"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
)

// ledger is what audits an account whose topics and service are empty.
type ledger struct {
	id     string
	code   int // whether it may be audited; 0: it may
	fails  error
	reads  chan struct{} // gets a value when a range is read, which waits for goOn then; nil: it is read at once
	goOn   chan struct{}
	window poller.Window
	ended  []auditor.Outcome
}

func (l *ledger) AccountID() string     { return l.id }
func (*ledger) Settle() time.Duration   { return 2 * time.Minute }
func (*ledger) Count(audit.Result, int) {}
func (l *ledger) MayAsk() (int, string) {
	if l.code == 0 {
		return http.StatusOK, ""
	}
	return l.code, "this worker stands by; ask worker-2"
}

func (*ledger) Rules(context.Context) (auditor.Rules, error) {
	return auditor.Rules{Deduplicate: poller.ByRevision, Retention: poller.ForEver}, nil
}
func (*ledger) Observe(func(auditor.Batch)) (stop func()) { return func() {} }
func (*ledger) Records(context.Context, time.Time, func(auditor.Record) error) error {
	return nil
}
func (*ledger) Letters(context.Context, func(encoder.Letter, error) error) error { return nil }
func (*ledger) Restore(context.Context, []smartassist.Row) (int, error)          { return 0, nil }
func (l *ledger) Ended(o auditor.Outcome)                                        { l.ended = append(l.ended, o) }
func (l *ledger) Read(_ context.Context, w poller.Window) (auditor.Reading, error) {
	l.window = w
	return l, l.fails
}
func (*ledger) Stop(context.Context) error { return nil }
func (l *ledger) State() (auditor.State, error) {
	if l.reads != nil {
		l.reads <- struct{}{}
		<-l.goOn
	}
	return auditor.State{Finished: true, ReadThrough: l.window.End}, nil
}

// audited is a process with accounts that can be audited.
type audited struct {
	posts
	accounts map[string]*ledger
}

func (a audited) Audits(account string) (Audits, error) {
	if l := a.accounts[account]; l != nil {
		return l, nil
	}
	return a.posts.Audits(account)
}

func (a audited) handler() http.Handler {
	p := a.port()
	p.audits.accounts = a.Audits
	return p.Handler()
}

// askAudit asks from loopback for an audit.
func askAudit(h http.Handler, account, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080"+auditor.Path+"?account="+account, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:40000"
	rw := httptest.NewRecorder()
	h.ServeHTTP(rw, r)
	return rw
}

const lastHour = `{"from":"1h"}`

// TestAuditsThatAreRefused: with a status that says why, and nothing read.
func TestAuditsThatAreRefused(t *testing.T) {
	ready, standby := &ledger{id: "st-1"}, &ledger{id: "st-2", code: http.StatusConflict}
	h := audited{accounts: map[string]*ledger{"st-1": ready, "st-2": standby}}.handler()
	for name, c := range map[string]struct {
		account, body string
		code          int
		says          string
	}{
		"nothing asked for": {"st-1", ``, http.StatusBadRequest, "expected"},
		"no times":          {"st-1", `{}`, http.StatusBadRequest, `from "" is not a time like`},
		"not a time":        {"st-1", `{"from":"yesterday"}`, http.StatusBadRequest, `from "yesterday" is not a time like`},
		"in the future":     {"st-1", `{"from":"1h","to":"3000-01-01T00:00:00Z"}`, http.StatusBadRequest, "ended SETTLE (2m0s) ago"},
		"not settled":       {"st-1", `{"from":"1h","to":"1m"}`, http.StatusBadRequest, "ended SETTLE (2m0s) ago"},
		"of zero length":    {"st-1", `{"from":"2020-01-01T00:00:00Z","to":"2020-01-01T00:00:00Z"}`, http.StatusBadRequest, "the range is empty"},
		"the wrong way":     {"st-1", `{"from":"1h","to":"2h"}`, http.StatusBadRequest, "the range is empty"},
		"less than SETTLE":  {"st-1", `{"from":"1m"}`, http.StatusBadRequest, "the range is empty"},
		"before all":        {"st-1", `{"from":"1970-01-01T00:00:00Z","to":"1h"}`, http.StatusBadRequest, "before 1999"},
		"of ten years":      {"st-1", `{"from":"2010-01-01T00:00:00Z","to":"2020-01-01T00:00:00Z"}`, http.StatusBadRequest, "audit it in parts"},
		"no such account":   {"st-9", lastHour, http.StatusNotFound, "no audits here"},
		"a standby":         {"st-2", lastHour, http.StatusConflict, "ask worker-2"},
	} {
		if rw := askAudit(h, c.account, c.body); rw.Code != c.code || !strings.Contains(rw.Body.String(), c.says) {
			t.Errorf("%s: %d %s", name, rw.Code, rw.Body)
		}
	}
	if len(ready.ended)+len(standby.ended) > 0 {
		t.Error("one was begun")
	}
}

// TestAnAuditIsAnsweredLineByLine, and its last line says how it ended: what the other side follows.
func TestAnAuditIsAnsweredLineByLine(t *testing.T) {
	for name, c := range map[string]struct {
		fails   error
		says    string
		outcome auditor.Outcome
	}{"whole": {nil, "", auditor.OutcomeEqual}, "broken off": {auditor.ErrNotActive, "no longer the active one", auditor.OutcomeFailed}} {
		l := &ledger{id: "st-1", fails: c.fails}
		before := time.Now().UTC().Add(-2 * time.Minute).Truncate(time.Second)
		rw := askAudit(audited{accounts: map[string]*ledger{"st-1": l}}.handler(), "st-1", lastHour)
		if rw.Code != http.StatusOK || rw.Header().Get("content-type") != "application/x-ndjson" || !rw.Flushed {
			t.Errorf("%s: %d %v, flushed %t", name, rw.Code, rw.Header(), rw.Flushed)
		}
		_, err := auditor.Follow(rw.Body, func([]byte, auditor.Line) error { return nil })
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) || len(l.ended) != 1 || l.ended[0] != c.outcome {
			t.Errorf("%s: %v, %v", name, err, l.ended)
		}
		if l.window.End.Before(before) || time.Since(l.window.End) < 2*time.Minute || l.window.Len() < 57*time.Minute {
			t.Errorf("%s: read %v", name, l.window)
		}
	}
}

// TestOneAuditAtATime of an account; those of others do not wait for it.
func TestOneAuditAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := &ledger{id: "st-1", reads: make(chan struct{}), goOn: make(chan struct{})}
		h := audited{accounts: map[string]*ledger{"st-1": held, "": held, "st-2": {id: "st-2"}}}.handler()
		first := make(chan int)
		go func() { first <- askAudit(h, "st-1", lastHour).Code }()
		<-held.reads
		for _, account := range []string{"st-1", ""} { // the same one by both names
			if rw := askAudit(h, account, lastHour); rw.Code != http.StatusConflict || !strings.Contains(rw.Body.String(), "another audit of the account is under way") {
				t.Errorf("beside one that is under way, %q: %d %s", account, rw.Code, rw.Body)
			}
		}
		if rw := askAudit(h, "st-2", lastHour); rw.Code != http.StatusOK {
			t.Errorf("of another account: %d %s", rw.Code, rw.Body)
		}
		held.goOn <- struct{}{}
		if code := <-first; code != http.StatusOK {
			t.Errorf("the first: %d", code)
		}
		held.reads = nil
		if rw := askAudit(h, "st-1", lastHour); rw.Code != http.StatusOK {
			t.Errorf("after it: %d %s", rw.Code, rw.Body)
		}
	})
}
