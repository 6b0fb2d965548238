package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/replay"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/poller/smartassist/secret"
)

// post is the account of some letters, each published when it is tried.
type post struct {
	id      string
	letters int
	code    int // whether they may be tried; 0: they may
	fails   error
	began   chan struct{} // gets a value when some are tried, which waits for goOn then; nil: they are tried at once
	goOn    chan struct{}
}

func (p *post) AccountID() string { return p.id }

func (p *post) MayReplay() (int, string) {
	if p.code == 0 {
		return http.StatusOK, ""
	}
	return p.code, "ask worker-2"
}

func (p *post) Letters(_ context.Context, visit func(encoder.Letter, error) error) error {
	for i := range p.letters {
		if err := visit(encoder.Letter{ID: fmt.Sprintf("%016x", i), At: time.Now(), Row: []byte("{}")}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (*post) Redaction() *smartassist.Redaction { return nil }

func (p *post) Replay(_ context.Context, letters []poller.Letter, _ *replay.Prepared) ([]poller.Replayed, error) {
	if p.began != nil {
		p.began <- struct{}{}
		<-p.goOn
	}
	out := make([]poller.Replayed, len(letters))
	for i := range out {
		out[i].Fate, out[i].Revision = poller.LetterPublished, 1
	}
	return out, p.fails
}

// posts is a process with the letters of some accounts.
type posts map[string]*post

func (posts) Healthy() error                  { return nil }
func (posts) Readiness(context.Context) error { return nil }
func (posts) Status(context.Context) Status   { return Status{} }
func (p posts) Letters(account string) (Letters, error) {
	if l := p[account]; l != nil {
		return l, nil
	}
	return nil, errors.New("no account of this name; there are st-1 and st-2")
}

func (posts) Audits(string) (Audits, error) { return nil, errors.New("no audits here") }
func (posts) Ranges(string) (Ranges, error) { return nil, errors.New("no such account") }

func (p posts) port() *Port {
	return NewPort(p, prometheus.NewRegistry(), secret.Secret{}, false, zerolog.Nop())
}

// ask asks from loopback for a replay.
func ask(h http.Handler, account, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080"+replay.Path+"?account="+account, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:40000"
	rw := httptest.NewRecorder()
	h.ServeHTTP(rw, r)
	return rw
}

const all = `{"all":true}`

// TestReplaysThatAreRefused: with a status that says why, and no letter tried.
func TestReplaysThatAreRefused(t *testing.T) {
	h := posts{"st-1": {id: "st-1", letters: 1}, "st-2": {id: "st-2", letters: 1, code: http.StatusServiceUnavailable}}.port().Handler()
	for name, c := range map[string]struct {
		account, body string
		code          int
		says          string
	}{
		"nothing asked for": {"st-1", `{}`, http.StatusBadRequest, "expected"},
		"not an id":         {"st-1", `{"ids":["x"]}`, http.StatusBadRequest, "16 hex digits"},
		"too much":          {"st-1", `{"ids":["` + strings.Repeat("0", largestRequest) + `"]}`, http.StatusBadRequest, "expected"},
		"no such account":   {"st-9", all, http.StatusNotFound, "there are st-1 and st-2"},
		"no account":        {"", all, http.StatusNotFound, "there are st-1 and st-2"},
		"not here":          {"st-2", all, http.StatusServiceUnavailable, "ask worker-2"},
	} {
		if rw := ask(h, c.account, c.body); rw.Code != c.code || !strings.Contains(rw.Body.String(), c.says) {
			t.Errorf("%s: %d %s", name, rw.Code, rw.Body)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8080"+replay.Path, nil)
	rw := httptest.NewRecorder()
	if h.ServeHTTP(rw, r); rw.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", rw.Code)
	}
}

// TestAReplayIsAnsweredLineByLine, and its last line says whether it came to its end: what the other side follows.
func TestAReplayIsAnsweredLineByLine(t *testing.T) {
	for name, c := range map[string]struct {
		fails   error
		visited int
		says    string
	}{"whole": {nil, 2, ""}, "broken off": {replay.ErrNotActive, 0, "no longer the active one"}} {
		rw := ask(posts{"st-1": {id: "st-1", letters: 2, fails: c.fails}}.port().Handler(), "st-1", all)
		if rw.Code != http.StatusOK || rw.Header().Get("content-type") != "application/x-ndjson" || !rw.Flushed {
			t.Errorf("%s: %d %v, flushed %t", name, rw.Code, rw.Header(), rw.Flushed)
		}
		lines, visited := strings.Count(rw.Body.String(), "\n"), 0
		err := replay.Follow(rw.Body, func([]byte, replay.Answer) error { visited++; return nil })
		if visited != c.visited || lines != visited+1 || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %d of %d lines, %v", name, visited, lines, err)
		}
	}
}

// TestOneReplayAtATime of an account; those of others do not wait for it.
func TestOneReplayAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := &post{id: "st-1", letters: 1, began: make(chan struct{}), goOn: make(chan struct{})}
		h := posts{"st-1": held, "": held, "st-2": {id: "st-2", letters: 1}}.port().Handler()
		first := make(chan int)
		go func() { first <- ask(h, "st-1", all).Code }()
		<-held.began
		for _, account := range []string{"st-1", ""} { // the same one by both names
			if rw := ask(h, account, all); rw.Code != http.StatusTooManyRequests {
				t.Errorf("beside one that is under way, %q: %d %s", account, rw.Code, rw.Body)
			}
		}
		if rw := ask(h, "st-2", all); rw.Code != http.StatusOK {
			t.Errorf("of another account: %d %s", rw.Code, rw.Body)
		}
		held.goOn <- struct{}{}
		if code := <-first; code != http.StatusOK {
			t.Errorf("the first: %d", code)
		}
		held.began = nil
		if rw := ask(h, "st-1", all); rw.Code != http.StatusOK {
			t.Errorf("after it: %d %s", rw.Code, rw.Body)
		}
	})
}
