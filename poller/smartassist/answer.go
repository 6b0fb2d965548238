package smartassist

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/convstream/convstream/poller/smartassist/httpproxy"
	"github.com/convstream/convstream/poller/smartassist/rawjson"
)

// maxErrorBody is how much of an answer that is an error is read, in bytes.
const maxErrorBody = 64 << 10

// knownMessage is a text of the service that may appear in our errors. All else
// that it says stays unsaid: it may quote what it was asked, or anything.
type knownMessage struct {
	part     string // found in the body, whatever its form
	kind     ErrorKind
	category string
	hint     string
}

var knownMessages = []knownMessage{
	{"Invalid SDK credentials", Login, CategoryLogin, "look at SMARTASSIST_CLIENT_ID and SMARTASSIST_CLIENT_SECRET, or at SMARTASSIST_JWT, and at SMARTASSIST_ACCOUNT_ID"},
	{"Invalid JWT token", Login, CategoryLogin, "SMARTASSIST_JWT must hold a JWT, without Bearer"},
	{"Permission denied. Scope is incorrect!", Login, CategoryLogin, "give the app the scope \"SmartAssist Analytics\""},
	{"exceeded the per-minute rate limit", Throttled, CategoryThrottled, throttledHint},
	{"exceeded the hourly rate limit", Throttled, CategoryThrottledHourly, hourlyHint},
}

const (
	loginHint     = "look at SMARTASSIST_JWT, or SMARTASSIST_CLIENT_ID and SMARTASSIST_CLIENT_SECRET"
	throttledHint = "other integrations use the account's 60 requests a minute too: lower SMARTASSIST_REQUESTS_PER_MINUTE if this goes on"
	hourlyHint    = "nothing is answered until the hour has passed; ask the vendor which hourly limit the account has, and lower SMARTASSIST_REQUESTS_PER_MINUTE to a sixtieth of it"
)

// statusError reads an answer whose status is not 200.
func (c *Client) statusError(resp *http.Response) *Error {
	// What cannot be read of it does not matter: the status says enough.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	e := &Error{Status: resp.StatusCode, Err: safeText(resp.Header, body)}
	e.RetryAfter = retryAfter(resp.Header, time.Now())
	if resp.StatusCode == http.StatusNoContent {
		return noData(resp.StatusCode, "answer without a body", "status 204 without a body")
	}
	e.Kind, e.Category, e.Hint = meaning(resp.StatusCode)
	if m, ok := findMessage(body); ok {
		e.classify(m)
	} else if resp.StatusCode != http.StatusProxyAuthRequired && c.throughProxy(resp.Request) {
		e.Hint = strings.TrimPrefix(e.Hint+"; "+httpproxy.MayHaveAnswered, "; ")
	}
	if e.Category == CategoryRedirect {
		e.Err = fmt.Errorf("SMARTASSIST_URL answers with a redirect to %s", redirectHost(resp.Header))
	}
	if e.Kind == Login {
		e.Hint += clockHint(resp.Header, time.Now())
	}
	return e
}

// throughProxy reports whether a proxy could answer in the service's place: over https it cannot.
func (c *Client) throughProxy(r *http.Request) bool {
	t, ok := c.http.Transport.(*http.Transport)
	return ok && r != nil && httpproxy.MayAnswer(t, r.URL)
}

// classify gives the error the kind, category and hint of a known message.
func (e *Error) classify(m knownMessage) {
	e.Kind, e.Category, e.Hint = m.kind, m.category, m.hint
}

// meaning returns what a status says by itself.
func meaning(status int) (kind ErrorKind, category, hint string) {
	switch {
	case status == http.StatusProxyAuthRequired: // the service is none
		return Temporary, CategoryConnect, httpproxy.Hint(status, urlSetting)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return Login, CategoryLogin, loginHint
	case status == http.StatusTooManyRequests:
		return Throttled, CategoryThrottled, throttledHint
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return Temporary, CategoryStatus5xx, ""
	case status >= 400:
		return Refused, CategoryStatus4xx, "look at SMARTASSIST_URL, SMARTASSIST_ACCOUNT_ID, SMARTASSIST_STREAM_ID and the filters"
	case status >= 300:
		return Refused, CategoryRedirect, "set SMARTASSIST_URL to the host that answers by itself; redirects are not followed, they would carry the token elsewhere"
	}
	return BadAnswer, CategoryStatus, "is SMARTASSIST_URL the service's address?"
}

// safeText returns what may be repeated of an answer: a known message and the code of
// {"errors":[{"msg","code"}]}, else only what the answer is made of.
func safeText(h http.Header, body []byte) error {
	m, known := findMessage(body)
	code := errorCode(body)
	switch {
	case known && code != 0:
		return fmt.Errorf("%s (code %d)", m.part, code)
	case known:
		return fmt.Errorf("%s", m.part)
	case code != 0:
		return fmt.Errorf("code %d", code)
	}
	return contentForm(h, body)
}

// contentForm returns what an answer is made of.
func contentForm(h http.Header, body []byte) error {
	return fmt.Errorf("%d bytes of %s", len(body), contentType(h))
}

func findMessage(body []byte) (knownMessage, bool) {
	for _, m := range knownMessages {
		if bytes.Contains(body, []byte(m.part)) {
			return m, true
		}
	}
	return knownMessage{}, false
}

// errorCode returns the first code of {"errors":[{"msg","code"}]}, 0 when there is none.
func errorCode(body []byte) int {
	if !valid(body) {
		return 0
	}
	for name, list := range rawjson.Members(body) {
		if string(name) != `"errors"` {
			continue
		}
		for e := range rawjson.Elements(list) {
			for name, code := range rawjson.Members(e) {
				if n, err := strconv.Atoi(text(code)); string(name) == `"code"` && err == nil {
					return n
				}
			}
		}
	}
	return 0
}

// contentType returns the answer's media type, if it is one that can be repeated.
func contentType(h http.Header) string {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || len(t) > 40 || t == "" {
		return "unknown type"
	}
	return t
}

// redirectHost returns where a redirect leads, without the path, which may hold anything.
func redirectHost(h http.Header) string {
	u, err := url.Parse(h.Get("Location"))
	if err != nil || u.Host == "" || len(u.Host) > 100 || strings.ContainsFunc(u.Host, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "another path"
	}
	return u.Host
}

// retryAfter reads Retry-After: seconds, or a date that is compared with the
// answer's own Date where there is one, so that our clock does not matter.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(seconds, 0), 24*60*60)) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), 24*time.Hour)
}

// clockHint says so when our clock differs from the service's: a token that we
// signed is then not yet, or no longer, good there.
func clockHint(h http.Header, now time.Time) string {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return ""
	}
	if diff := now.Sub(date).Round(time.Second); diff.Abs() > time.Minute {
		return fmt.Sprintf("; this machine's clock differs from the service's by %v", diff)
	}
	return ""
}
