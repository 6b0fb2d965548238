package smartassist

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// dribble writes the pieces with pauses after each, as long as somebody reads.
func dribble(w http.ResponseWriter, r *http.Request, pause time.Duration, pieces ...string) {
	for _, piece := range pieces {
		io.WriteString(w, piece)
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(pause):
		}
	}
}

func repeat(piece string, times int) []string {
	return strings.SplitAfter(strings.Repeat(piece, times), piece)[:times]
}

func TestTimeout(t *testing.T) {
	beginning := repeat(" ", 20)
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		after   time.Duration // since the request was sent; 0: there is a page
		text    string
	}{
		"no answer": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 20 * time.Second, "no answer from smartassist.test within 20s"},
		"slow answer": {func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(19 * time.Second)
			io.WriteString(w, emptyPage)
		}, 0, ""},
		"nothing after the head": {func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, 10 * time.Second, "stopped after 0 bytes, for 10s"},
		"half a body": {func(w http.ResponseWriter, r *http.Request) { dribble(w, r, time.Hour, `{"data":[`) }, 10 * time.Second, "stopped after 9 bytes, for 10s"},
		"a pause too long": {func(w http.ResponseWriter, r *http.Request) {
			dribble(w, r, 11*time.Second, emptyPage[:5], emptyPage[5:])
		}, 10 * time.Second, "stopped after 5 bytes"},
		"pauses": {func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(15 * time.Second)
			dribble(w, r, 9*time.Second, emptyPage[:5], emptyPage[5:9], emptyPage[9:])
		}, 0, ""},
		"drop by drop": {func(w http.ResponseWriter, r *http.Request) { dribble(w, r, 9*time.Second, beginning...) }, time.Minute, "no whole answer from smartassist.test within 1m0s, but 7 bytes"},
		"half an error": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(500)
			dribble(w, r, time.Hour, "half")
		}, 10 * time.Second, "status 500"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := serve(t, func(w http.ResponseWriter, r *http.Request) {
					io.Copy(io.Discard, r.Body) // else the server does not notice that we left
					c.handler(w, r)
				})
				sent := client.cfg.Budget.Status().NextAt
				_, err := client.Page(t.Context(), aQuery)
				if took := time.Since(sent); c.after > 0 && took != c.after || took > time.Minute {
					t.Errorf("took %v, want %v", took, c.after)
				}
				checkTimeout(t, err, c.text)
			})
		})
	}
}

// checkTimeout looks at the error of a request that took too long; text is "" for one that did not.
func checkTimeout(t *testing.T, err error, text string) {
	t.Helper()
	var e *Error
	switch {
	case text == "" && err == nil:
		return
	case text == "" || !errors.As(err, &e) || !strings.Contains(e.Error(), text):
		t.Fatalf("error %v, want %q", err, text)
	}
	checkQuiet(t, e)
	if e.Status == 0 && e.Category != CategoryTimeout || e.Kind != Temporary || errors.Is(err, context.Canceled) || e.Everywhere() {
		t.Errorf("%s, %s, everywhere %t: %v", e.Kind, e.Category, e.Everywhere(), err)
	}
}

// Of a gzipped answer much may have to come before there is any text of it: what counts is what comes.
func TestPausesOfAPackedAnswer(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, `{"numResults":1,"data":[{"sessionId":"s","x":"`)
	for random := rand.New(rand.NewPCG(1, 1)); b.Len() < 4000; {
		z.Write([]byte{'a' + byte(random.IntN(26))})
	}
	io.WriteString(z, `"}]}`)
	z.Close()
	for pause, text := range map[time.Duration]string{9 * time.Second: "", 11 * time.Second: "bytes, for 10s"} {
		synctest.Test(t, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Encoding", "gzip")
				all := b.String()
				dribble(w, r, pause, all[:1000], all[1000:2000], all[2000:3000], all[3000:])
			})
			page, err := c.Page(t.Context(), aQuery)
			checkTimeout(t, err, text)
			if text == "" && len(page.Rows) != 1 {
				t.Errorf("%d rows", len(page.Rows))
			}
		})
	}
}

// The limits count from when the request is on the wire, and the limit of all holds wherever it hangs.
func TestTimeoutBeforeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(c *Config) {
			dial := c.Dial
			c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				time.Sleep(30 * time.Second)
				return dial(ctx, network, address)
			}
		}
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(15 * time.Second)
			io.WriteString(w, emptyPage)
		}, slow)
		if _, err := c.Page(t.Context(), aQuery); err != nil {
			t.Errorf("after a slow connection: %v", err)
		}
		nobody := newClient(t, nil, func(c *Config) {
			c.Dial = func(context.Context, string, string) (net.Conn, error) {
				time.Sleep(2 * time.Minute)
				return nil, net.ErrClosed
			}
		})
		_, err := nobody.Page(t.Context(), aQuery)
		time.Sleep(2 * time.Minute)
		var e *Error
		if !errors.As(err, &e) || e.Kind != Temporary || e.Category != CategoryTimeout || !e.NoConnection || !e.Everywhere() {
			t.Errorf("no connection in time: %v", err)
		}
	})
}
