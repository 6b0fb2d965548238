package smartassist

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/convstream/convstream/poller/smartassist/secret"
)

// person stands for personal data in whatever the service answers, token for
// what must not be seen.
const (
	person = "Jane Roe +15555550100"
	token  = "eyJ.hush.hush"
)

// wire is a network of pipes: it can be used inside a synctest bubble.
type wire chan net.Conn

func (w wire) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case w <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w wire) Accept() (net.Conn, error) {
	if c, ok := <-w; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (w wire) Close() error {
	close(w)
	return nil
}
func (w wire) Addr() net.Addr { return &net.TCPAddr{} }

// serve runs a handler on a wire and gives a client of it, for use in a bubble.
func serve(t *testing.T, h http.HandlerFunc, change ...func(*Config)) *Client {
	t.Helper()
	w := make(wire)
	server := &http.Server{Handler: h}
	served := make(chan struct{})
	go func() {
		server.Serve(w)
		close(served)
	}()
	c := newClient(t, w, change...)
	t.Cleanup(func() {
		c.Close()
		server.Close()
		<-served
	})
	return c
}

func newClient(t *testing.T, w wire, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{
		URL: "http://smartassist.test", AllowHTTP: true, AccountID: "65269fe0dd9c622245c10001",
		Token: StaticJWT(secret.Value("SMARTASSIST_JWT", token)), Budget: NewBudget(30), Dial: w.dial,
	}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var aQuery = Query{Start: time.Date(2024, 9, 24, 7, 20, 15, 0, time.UTC), End: time.Date(2024, 9, 24, 8, 0, 0, 0, time.FixedZone("", 0)), Limit: 100}

const emptyPage = `{"numResults":0,"data":[]}`

func TestPageIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", "Tue, 24 Sep 2024 08:00:01 GMT")
			io.WriteString(w, `{"numResults": 2, "data": [ {"sessionId":"a"} , {"sessionId":"b"} ]}`)
		})
		page, err := c.Page(t.Context(), aQuery)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Rows) != 2 || page.Rows[0].SessionID != "a" || string(page.Rows[1].Raw) != `{"sessionId":"b"}` || page.NumResults != 2 {
			t.Errorf("page %+v", page)
		}
		if want := time.Date(2024, 9, 24, 8, 0, 1, 0, time.UTC); !page.Date.Equal(want) {
			t.Errorf("date %v", page.Date)
		}
		if waited := time.Since(start); waited != 2040*time.Millisecond {
			t.Errorf("the first request went out after %v, want one pace", waited)
		}
		if !c.Ready() {
			t.Error("not ready after a page")
		}
	})
}

// A service that counts no rows need not send an empty array.
func TestEmptyWindow(t *testing.T) {
	for _, body := range []string{emptyPage, `{"numResults":0,"data":null}`, `{"numResults":0}`} {
		synctest.Test(t, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })
			page, err := c.Page(t.Context(), aQuery)
			if err != nil || len(page.Rows) != 0 || page.NumResults != 0 || !c.Ready() {
				t.Errorf("%s: %+v, %v", body, page, err)
			}
		})
	}
}

func TestRefusedLoginUntilTheSecretIsRight(t *testing.T) {
	path := t.TempDir() + "/jwt"
	at := time.Now().Add(-time.Hour)
	writeSecret(t, path, "wrong", at)
	synctest.Test(t, func(t *testing.T) {
		var times []time.Duration
		start := time.Now()
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			times = append(times, time.Since(start).Round(time.Second))
			if r.Header.Get("auth") != "right" {
				w.WriteHeader(401)
				return
			}
			io.WriteString(w, emptyPage)
		}, func(c *Config) { c.Token = StaticJWT(secret.File("SMARTASSIST_JWT_FILE", path)) })
		for range 3 {
			if _, err := c.Page(t.Context(), aQuery); err == nil || c.Ready() {
				t.Errorf("error %v, ready %t", err, c.Ready())
			}
		}
		writeSecret(t, path, "right", at) // same size, same time: only a refusal makes it be read
		for range 2 {
			if _, err := c.Page(t.Context(), aQuery); err != nil || !c.Ready() {
				t.Errorf("error %v, ready %t", err, c.Ready())
			}
		}
		if want := "[2s 1m2s 2m2s 3m2s 3m4s]"; fmt.Sprint(times) != want {
			t.Errorf("requests at %v, want %s", times, want)
		}
	})
}

// A service that is down may say until when; only what it says for longer than ten minutes is not believed.
func TestRetryAfterOfAServiceThatIsDown(t *testing.T) {
	for retryAfter, want := range map[string]time.Duration{"": 0, "120": 2 * time.Minute, "7200": 10 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", retryAfter)
				w.WriteHeader(503)
			})
			var asked []time.Time
			for range 3 {
				_, err := c.Page(t.Context(), aQuery)
				asked = append(asked, time.Now())
				var e *Error
				if !errors.As(err, &e) || e.Kind != Temporary {
					t.Errorf("error %v", err)
				}
			}
			s := c.cfg.Budget.Status()
			want := max(want, s.Pace)
			if first, second := asked[1].Sub(asked[0]), asked[2].Sub(asked[1]); first != want || second != want || s.Throttled != 0 {
				t.Errorf("Retry-After %q: asked again after %v and %v, want %v; %d throttled", retryAfter, first, second, want, s.Throttled)
			}
		})
	}
}

func TestSecretThatCannotBeReadMakesNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was made") },
			func(c *Config) { c.Token = StaticJWT(secret.File("SMARTASSIST_JWT_FILE", "/nonexistent/jwt")) })
		_, err := c.Page(t.Context(), aQuery)
		var e *Error
		if !errors.As(err, &e) || e.Kind != Login || e.Category != CategorySecret || !strings.Contains(e.Error(), "SMARTASSIST_JWT_FILE") || !e.Everywhere() {
			t.Errorf("error %v", err)
		}
		if s := c.cfg.Budget.Status(); s.Login != LoginUnknown {
			t.Errorf("login %s: the service said nothing", s.Login)
		}
	})
}

func TestCancelledContextIsTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		})
		for _, after := range []time.Duration{time.Second, 10 * time.Second} { // waiting for the budget, waiting for the answer
			ctx, cancel := context.WithTimeout(t.Context(), after)
			if _, err := c.Page(ctx, aQuery); err != context.DeadlineExceeded {
				t.Errorf("after %v: %v", after, err)
			}
			cancel()
		}
	})
}

// The server takes a second request on the kept connection and closes it without
// an answer: the transport would send it again if it could.
func TestNothingRepeatsARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := make(wire)
		c := newClient(t, w)
		defer c.Close()
		var requests atomic.Int32
		go func() {
			for conn := range w {
				go func() {
					answerOnce(conn, &requests)
					conn.Close()
				}()
			}
		}()
		if _, err := c.Page(t.Context(), aQuery); err != nil {
			t.Fatal(err)
		}
		_, err := c.Page(t.Context(), aQuery)
		var e *Error
		if !errors.As(err, &e) || e.Kind != Temporary || e.Category != CategoryConnection {
			t.Errorf("error %v", err)
		}
		if n := requests.Load(); n != 2 {
			t.Errorf("%d requests for two pages", n)
		}
		close(w)
	})
}

// answerOnce answers the first request on a connection, and reads the second.
func answerOnce(conn net.Conn, requests *atomic.Int32) {
	r := bufio.NewReader(conn)
	for i := range 2 {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		io.Copy(io.Discard, req.Body)
		requests.Add(1)
		if i == 0 {
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(emptyPage), emptyPage)
		}
	}
}

// The pace counts from the wire: a first request that a slow connection held up
// must not come together with the second.
func TestSlowConnectionKeepsThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var arrived []time.Time
		slow := 9 * time.Second
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			arrived = append(arrived, time.Now())
			io.WriteString(w, emptyPage)
		}, func(c *Config) {
			dial := c.Dial
			c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				<-time.After(slow)
				slow = 0
				return dial(ctx, network, address)
			}
		})
		for range 2 {
			if _, err := c.Page(t.Context(), aQuery); err != nil {
				t.Fatal(err)
			}
		}
		if gap := arrived[1].Sub(arrived[0]); gap != c.cfg.Budget.Status().Pace {
			t.Errorf("the requests arrived %v apart", gap)
		}
	})
}
