package smartassist

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRequestIsExact(t *testing.T) {
	const head = "POST /agentassist/api/public/analytics/account/65269fe0dd9c622245c10001/v2/interactionDetails?limit=50&offset=99 HTTP/1.1\r\n" +
		"Host: smartassist.test\r\nUser-Agent: convstream\r\nContent-Length: %d\r\nAccept: application/json\r\nAccept-Encoding: gzip\r\nContent-Type: application/json;charset=UTF-8\r\n" +
		"accountId: 65269fe0dd9c622245c10001\r\nauth: " + token + "\r\n%s\r\n%s"
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
			c.Bots, c.Direction = []string{"st-2", "st-3"}, "Both"
		}, "iId: st-1\r\n",
			`{"startDate":"2024-09-24 07:20:15","endDate":"2024-09-24 08:00:00","timeZoneOffset":0,"channels":["voice","rtm"],"queues":["qu-1"],"bots":["st-2","st-3"],"selectedFields":["skills"],"direction":"Both"}`},
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
