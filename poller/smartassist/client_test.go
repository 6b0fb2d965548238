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

	"github.com/google/go-cmp/cmp"
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
		Token: StaticJWT(SecretValue("SMARTASSIST_JWT", token)), Budget: NewBudget(30), Dial: w.dial,
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

func TestRequestIsExact(t *testing.T) {
	const head = "POST /agentassist/api/public/analytics/account/65269fe0dd9c622245c10001/v2/interactionDetails?limit=50&offset=99 HTTP/1.1\r\n" +
		"Host: smartassist.test\r\nUser-Agent: convstream\r\nContent-Length: %d\r\nAccept: application/json\r\nContent-Type: application/json;charset=UTF-8\r\n" +
		"accountId: 65269fe0dd9c622245c10001\r\nauth: " + token + "\r\n%sAccept-Encoding: gzip\r\n\r\n%s"
	q := aQuery
	q.Start = q.Start.In(time.FixedZone("India", 19800)) // is sent in UTC
	q.Limit, q.Offset = 50, 99
	for name, c := range map[string]struct {
		change func(*Config)
		extra  string
		body   string
	}{
		"plain": {func(*Config) {}, "",
			`{"startDate":"2024-09-24 07:20:15","endDate":"2024-09-24 08:00:00","timeZoneOffset":0,"channels":[],"queues":[],"bots":[]}`},
		"everything": {func(c *Config) {
			c.StreamID, c.Channels, c.Queues, c.SelectedFields = "st-1", []string{"voice", "rtm"}, []string{"qu-1"}, []string{"skills"}
		}, "iId: st-1\r\n",
			`{"startDate":"2024-09-24 07:20:15","endDate":"2024-09-24 08:00:00","timeZoneOffset":0,"channels":["voice","rtm"],"queues":["qu-1"],"bots":[],"selectedFields":["skills"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				want := fmt.Sprintf(head, len(c.body), c.extra, c.body)
				w := make(wire)
				client := newClient(t, w, c.change)
				defer client.Close()
				got := make([]byte, len(want))
				go func() {
					conn, _ := w.Accept()
					io.ReadFull(conn, got)
					fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(emptyPage), emptyPage)
					conn.Close()
				}()
				if _, err := client.Page(t.Context(), q); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, string(got)); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

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

func TestQueriesThatAreNotAsked(t *testing.T) {
	c := newClient(t, nil)
	for name, change := range map[string]func(*Query){
		"too long":    func(q *Query) { q.End = q.Start.Add(LongestRange + time.Second) },
		"backwards":   func(q *Query) { q.End = q.Start.Add(-time.Second) },
		"sub-second":  func(q *Query) { q.Start = q.Start.Add(time.Millisecond) },
		"no limit":    func(q *Query) { q.Limit = 0 },
		"bad offset":  func(q *Query) { q.Offset = -1 },
		"longer, too": func(q *Query) { q.End = q.Start.AddDate(100, 0, 0) },
	} {
		q := aQuery
		change(&q)
		_, err := c.Page(t.Context(), q)
		var e *Error
		if !errors.As(err, &e) || e.Kind != Refused || e.Category != CategoryQuery {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := c.cfg.Budget.Status().Requests; n != 0 {
		t.Errorf("%d requests used", n)
	}
}

// answers are what the service, or something before it, may say instead of a
// page. Whatever it is, the error must not repeat it.
var answers = map[string]struct {
	status   int
	header   map[string]string
	body     string
	kind     ErrorKind
	category string
	retry    time.Duration
	text     string // in the error
	hint     string // in the hint
}{
	"wrong token": {401, nil, `{"errors":[{"msg":"Invalid SDK credentials","code":4002}],"p":"` + person + `"}`, Login, CategoryLogin, 0,
		"status 401: Invalid SDK credentials (code 4002)", "SMARTASSIST_CLIENT_SECRET"},
	"no JWT":              {401, nil, `{"errors":[{"msg":"Invalid JWT token","code":4002}]}`, Login, CategoryLogin, 0, "Invalid JWT token", "SMARTASSIST_JWT"},
	"scope":               {401, nil, `{"errors":[{"msg":"Permission denied. Scope is incorrect!","code":"4002"}]}`, Login, CategoryLogin, 0, "Scope is incorrect! (code 4002)", "SmartAssist Analytics"},
	"401 of someone else": {401, nil, person, Login, CategoryLogin, 0, "status 401", "SMARTASSIST_JWT"},
	"401 and clocks":      {401, map[string]string{"Date": "Sat, 01 Jan 2000 01:00:00 GMT"}, "", Login, CategoryLogin, 0, "status 401", "clock differs from the service's by -59m5"},
	"forbidden":           {403, nil, "<html>" + person, Login, CategoryLogin, 0, "status 403", ""},
	"throttled":           {429, nil, `{"errors":[{"msg":"You've exceeded the per-minute rate limit. Please wait for sometime before retrying.","code":429}]}`, Throttled, CategoryThrottled, 0, "exceeded the per-minute rate limit (code 429)", "SMARTASSIST_REQUESTS_PER_MINUTE"},
	"throttled, seconds":  {429, map[string]string{"Retry-After": "17"}, person, Throttled, CategoryThrottled, 17 * time.Second, "status 429", ""},
	"throttled, date": {429, map[string]string{"Date": "Tue, 24 Sep 2024 08:00:01 GMT", "Retry-After": "Tue, 24 Sep 2024 08:00:31 GMT"}, "", Throttled,
		CategoryThrottled, 30 * time.Second, "status 429", ""},
	"throttled, past date":   {429, map[string]string{"Retry-After": "Tue, 24 Sep 1994 08:00:31 GMT"}, "", Throttled, CategoryThrottled, 0, "status 429", ""},
	"throttled, nonsense":    {429, map[string]string{"Retry-After": person}, "", Throttled, CategoryThrottled, 0, "status 429", ""},
	"throttled, for ever":    {429, map[string]string{"Retry-After": "999999999"}, "", Throttled, CategoryThrottled, 24 * time.Hour, "status 429", ""},
	"throttled in a 400":     {400, nil, `{"message":"You've exceeded the per-minute rate limit."}`, Throttled, CategoryThrottled, 0, "status 400", ""},
	"throttled in a 200":     {200, nil, `{"errors":[{"msg":"You've exceeded the per-minute rate limit.","code":1}]}`, Throttled, CategoryThrottled, 0, "status 200", ""},
	"login refused in a 200": {200, nil, `{"errors":[{"msg":"Invalid SDK credentials","code":4002}]}`, Login, CategoryLogin, 0, "status 200", ""},
	"bad argument":           {400, nil, `{"errors":[{"msg":"` + person + `","code":400}]}`, Refused, CategoryStatus4xx, 0, "status 400: code 400", "filters"},
	"not found":              {404, nil, person, Refused, CategoryStatus4xx, 0, "status 404", "SMARTASSIST_URL"},
	"schema":                 {412, nil, `{"errors":[{"msg":"x","code":"` + person + `"}]}`, Refused, CategoryStatus4xx, 0, "status 412", ""},
	"method":                 {405, nil, `{"errors":{"msg":"x"}}`, Refused, CategoryStatus4xx, 0, "status 405", ""},
	"server":                 {500, nil, person, Temporary, CategoryStatus5xx, 0, "status 500", ""},
	"maintenance":            {503, map[string]string{"Retry-After": "120", "Content-Type": "text/html; x=" + strings.Repeat("y", 99)}, "<html>", Temporary, CategoryStatus5xx, 2 * time.Minute, "text/html", ""},
	"request timeout":        {408, nil, "", Temporary, CategoryStatus5xx, 0, "status 408", ""},
	"no content":             {204, nil, "", BadAnswer, CategoryStatus, 0, "status 204", ""},
	"redirect":               {302, map[string]string{"Location": "https://login.example.com/?user=" + person}, "", Refused, CategoryRedirect, 0, "SMARTASSIST_URL answers with a redirect to login.example.com", "SMARTASSIST_URL"},
	"redirect, same host":    {307, map[string]string{"Location": "/" + person}, "", Refused, CategoryRedirect, 0, "SMARTASSIST_URL", "SMARTASSIST_URL"},
	"login page":             {200, map[string]string{"Content-Type": "text/html"}, " <!DOCTYPE html>" + person, BadAnswer, CategoryHTML, 0, "web page", "SMARTASSIST_URL"},
	"text":                   {200, map[string]string{"Content-Type": person}, person, BadAnswer, CategoryNotJSON, 0, "of unknown type", "SMARTASSIST_URL"},
	"nothing":                {200, nil, "", BadAnswer, CategoryNotJSON, 0, "0 bytes", ""},
	"array":                  {200, nil, `[1]`, BadAnswer, CategoryNotJSON, 0, "no JSON object", ""},
	"no data":                {200, nil, `{"numResults":0,"x":"` + person + `"}`, BadAnswer, CategoryNoData, 0, "no data array", ""},
	"data null":              {200, nil, `{"numResults":0,"data":null}`, BadAnswer, CategoryNoData, 0, "no data array", ""},
	"data an object":         {200, nil, `{"data":{"0":{}}}`, BadAnswer, CategoryNoData, 0, "no data array", ""},
	"cut JSON":               {200, nil, `{"data":[{"sessionId":"` + person, BadAnswer, CategoryCut, 0, "ends early", ""},
	"cut between rows":       {200, nil, `{"data":[{"sessionId":"x"},`, BadAnswer, CategoryCut, 0, "ends early", ""},
	"cut after the rows":     {200, nil, `{"data":[{"sessionId":"x"}]`, BadAnswer, CategoryCut, 0, "ends early", ""},
	"rows without commas":    {200, nil, `{"data":[{"sessionId":"x"}{"sessionId":"` + person + `"}]}`, BadAnswer, CategoryStructure, 0, "cannot be told apart", ""},
	"two answers":            {200, nil, emptyPage + emptyPage, BadAnswer, CategoryStructure, 0, "cannot be told apart", ""},
	"too large":              {200, nil, `{"data":["` + strings.Repeat("x", 2000) + `"]}`, BadAnswer, CategoryTooLarge, 0, "larger than 1000 bytes", "SMARTASSIST_PAGE_LIMIT"},
}

func TestAnswersThatAreNoPage(t *testing.T) {
	for name, a := range answers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := serve(t, func(w http.ResponseWriter, r *http.Request) {
					for k, v := range a.header {
						w.Header().Set(k, v)
					}
					w.WriteHeader(a.status)
					io.WriteString(w, a.body)
				}, func(c *Config) { c.MaxBody = 1000 })
				_, err := c.Page(t.Context(), aQuery)
				var e *Error
				if !errors.As(err, &e) {
					t.Fatalf("error %v", err)
				}
				if e.Kind != a.kind || e.Category != a.category || e.Status != a.status || e.RetryAfter != a.retry {
					t.Errorf("%s, %s, %d, %v", e.Kind, e.Category, e.Status, e.RetryAfter)
				}
				if !strings.Contains(e.Error(), a.text) || !strings.Contains(e.Hint, a.hint) {
					t.Errorf("error %q, hint %q", e, e.Hint)
				}
				checkQuiet(t, e)
				checkBudget(t, c, e)
			})
		})
	}
}

// checkQuiet holds an error to what it may say.
func checkQuiet(t *testing.T, e *Error) {
	t.Helper()
	said := fmt.Sprintf("%v %s %s", e, e.Category, e.Hint)
	for _, leak := range []string{"Jane", "5555", "hush"} {
		if strings.Contains(said, leak) {
			t.Errorf("the error says %q", said)
		}
	}
	if len(said) > 500 {
		t.Errorf("%d characters", len(said))
	}
}

// checkBudget looks at what the error did to the next request.
func checkBudget(t *testing.T, c *Client, e *Error) {
	t.Helper()
	s := c.cfg.Budget.Status()
	if throttled := !s.ThrottledUntil.IsZero(); throttled != (e.Kind == Throttled) {
		t.Errorf("throttled %t", throttled)
	}
	if refused := s.Login == LoginRefused; refused != (e.Kind == Login) {
		t.Errorf("login %s", s.Login)
	}
	if c.Ready() {
		t.Error("ready without a page")
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
		}, func(c *Config) { c.Token = StaticJWT(SecretFile("SMARTASSIST_JWT_FILE", path)) })
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

func TestSecretThatCannotBeReadMakesNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was made") },
			func(c *Config) { c.Token = StaticJWT(SecretFile("SMARTASSIST_JWT_FILE", "/nonexistent/jwt")) })
		_, err := c.Page(t.Context(), aQuery)
		var e *Error
		if !errors.As(err, &e) || e.Kind != Login || e.Category != CategorySecret || !strings.Contains(e.Error(), "SMARTASSIST_JWT_FILE") {
			t.Errorf("error %v", err)
		}
		if s := c.cfg.Budget.Status(); s.Login != LoginUnknown {
			t.Errorf("login %s: the service said nothing", s.Login)
		}
	})
}

func TestTimeout(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"no answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"half a body": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{"data":[`)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
		"drop by drop": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				io.WriteString(w, " ")
				w.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
				case <-time.After(time.Second):
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := serve(t, func(w http.ResponseWriter, r *http.Request) {
					io.Copy(io.Discard, r.Body) // else the server does not notice that we left
					h(w, r)
				})
				start := time.Now()
				_, err := c.Page(t.Context(), aQuery)
				var e *Error
				if !errors.As(err, &e) || e.Kind != Temporary || e.Category != CategoryTimeout || errors.Is(err, context.Canceled) {
					t.Errorf("error %v", err)
				}
				if took := time.Since(start); took < time.Minute || took > 63*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
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
