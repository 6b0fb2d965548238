package fleet

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// breakOff asks for a replay and goes away once the worker recovers from what came of it.
func (w *world) breakOff(id string) {
	w.t.Helper()
	recovers := func() int { return w.log.count("nothing can be committed") }
	before := recovers()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		for recovers() == before && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	client := http.Client{Transport: &http.Transport{DialContext: w.network.DialContext, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+adminAddr+"/dead-letters/replay", strings.NewReader(fmt.Sprintf(`{"ids":[%q]}`, id)))
	w.must(err)
	req.Header.Set("authorization", "Bearer "+adminToken1)
	if res, err := client.Do(req); err == nil {
		res.Body.Close()
		w.t.Error("answered before the worker recovered")
	}
}

// TestReplayBrokenOff: who asked for a replay goes away while the worker recovers from a refusal. That refusal must not be held
// against the letter when it is asked for again, the topic mended.
func TestReplayBrokenOff(t *testing.T) {
	t.Parallel()
	inWorld(t, large(), withToken(), func(w *world) {
		w.create("dead-letter", 1, map[string]string{"max.message.bytes": "300000"})
		stop := w.start()
		time.Sleep(20 * time.Minute)
		l := w.letterOf("c-large")
		w.breakOff(l.ID)
		w.raiseLimit()
		time.Sleep(time.Minute)
		if got := w.outcome(adminAddr, l.ID); got != "published  1" {
			t.Errorf("after the limit was raised: %s\n%s", got, w.log.tail())
		}
		time.Sleep(2 * time.Second)
		upper := fmt.Sprintf(`{"ids":[%q]}`, strings.ToUpper(l.ID))
		if got := w.replayed(adminAddr, upper)[l.ID]; got.Outcome != "resolved" {
			t.Errorf("asked for in upper case: %+v", got)
		}
		w.must(stop())
		w.fresh(w.verify(w.complete))
		w.publishedAs(l)
	})
}

// TestReplayWhereNothingIsTaken: the brokers refuse what is no letter. The request ends after the second time, with what is to be
// mended, and every letter is still there to be asked for.
func TestReplayWhereNothingIsTaken(t *testing.T) {
	t.Parallel()
	inWorld(t, large(), withToken(), func(w *world) {
		stop := w.start()
		time.Sleep(20 * time.Minute)
		l := w.letterOf("c-large")
		w.raiseLimit()
		w.configure("conversations.progress", "max.message.bytes", "200")
		begun := time.Now()
		code, text, answers := w.post(adminAddr, `{"all":true}`)
		if code != http.StatusOK || len(answers) != 1 || !strings.Contains(answers[0].Error, "raise max.message.bytes of topic conversations.progress") {
			t.Errorf("%d %s", code, text)
		}
		if took := time.Since(begun); took > time.Minute {
			t.Errorf("it took %v", took)
		}
		w.configure("conversations.progress", "max.message.bytes", "1000000")
		time.Sleep(time.Minute)
		if got := w.outcome(adminAddr, l.ID); got != "published  1" {
			t.Errorf("after it was mended: %s\n%s", got, w.log.tail())
		}
		w.must(stop())
		w.fresh(w.verify(w.complete))
	})
}

// piped is a listener that has accepted one connection before those that come to it.
type piped struct {
	net.Listener
	conn net.Conn
}

// Accept implements net.Listener.
func (p *piped) Accept() (net.Conn, error) {
	if c := p.conn; c != nil {
		p.conn = nil
		return c, nil
	}
	return p.Listener.Accept()
}

// TestReplayUnread: who asks and does not read the answer keeps others from asking for half a minute only.
func TestReplayUnread(t *testing.T) {
	t.Parallel()
	inWorld(t, large(), withToken(), func(w *world) {
		stop := w.start()
		time.Sleep(20 * time.Minute)
		w.raiseLimit()
		conn, there := net.Pipe() // nothing is written that nobody reads
		nobody, err := w.network.Listen("tcp", "127.0.0.1:1")
		w.must(err)
		server := &http.Server{Handler: w.fleet.Port().Handler()}
		go func() { _ = server.Serve(&piped{nobody, there}) }()
		defer server.Close()
		defer conn.Close()
		const body = `{"all":true}`
		_, err = fmt.Fprintf(conn, "POST /dead-letters/replay HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", adminToken1, len(body), body)
		w.must(err)
		time.Sleep(20 * time.Second)
		if code, text, _ := w.post(adminAddr, body); code != http.StatusTooManyRequests {
			t.Errorf("while the answer waits for its reader: %d %s", code, text)
		}
		time.Sleep(15 * time.Second)
		for id, a := range w.replayed(adminAddr, body) {
			if a.Outcome != "resolved" {
				t.Errorf("%s: %+v", id, a)
			}
		}
		w.must(stop())
	})
}
