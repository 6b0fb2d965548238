package smartassist

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestRetryAfter: seconds or a date, by the service's clock where that is known; never negative, never beyond a day.
func TestRetryAfter(t *testing.T) {
	const date, later = "Tue, 24 Sep 2024 08:00:00 GMT", "Tue, 24 Sep 2024 08:02:00 GMT"
	ours := time.Date(2024, 9, 24, 8, 1, 30, 0, time.UTC) // 90 s ahead of the service
	for name, c := range map[string]struct {
		value, date string
		want        time.Duration
	}{
		"absent":                  {"", date, 0},
		"seconds":                 {"17", date, 17 * time.Second},
		"less than none":          {"-17", date, 0},
		"more than a day":         {"86401", date, 24 * time.Hour},
		"more than a number":      {"99999999999999999999", date, 0},
		"a date, by its own":      {later, date, 2 * time.Minute},
		"a date, by ours":         {later, "", 30 * time.Second},
		"a date, by nonsense":     {later, "yesterday", 30 * time.Second},
		"a date that is past":     {date, later, 0},
		"a date in another year":  {"Wed, 24 Sep 2025 08:00:00 GMT", date, 24 * time.Hour},
		"seconds with a fraction": {"1.5", date, 0},
	} {
		h := http.Header{"Retry-After": {c.value}, "Date": {c.date}}
		if got := retryAfter(h, ours); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestClockHint is given from a minute on, in either direction: a token that we signed may not be good there then.
func TestClockHint(t *testing.T) {
	date := time.Date(2024, 9, 24, 8, 0, 0, 0, time.UTC)
	h := http.Header{"Date": {date.Format(http.TimeFormat)}}
	for diff, want := range map[time.Duration]string{
		0: "", time.Minute: "", -time.Minute: "", time.Minute + 400*time.Millisecond: "",
		time.Minute + time.Second: "differs from the service's by 1m1s", -2 * time.Hour: "differs from the service's by -2h0m0s",
	} {
		if got := clockHint(h, date.Add(diff)); (got == "") != (want == "") || !strings.HasSuffix(got, want) {
			t.Errorf("%v: %q, want %q", diff, got, want)
		}
	}
	if got := clockHint(http.Header{"Date": {"08:00"}}, date); got != "" {
		t.Errorf("without a date: %q", got)
	}
}

// TestWhatIsRepeatedOfHeaders: a media type and a host, and nothing that could be long, hold a line break or be a person's.
func TestWhatIsRepeatedOfHeaders(t *testing.T) {
	for value, want := range map[string]string{
		"":                                "unknown type",
		"text/html; charset=utf-8":        "text/html",
		"Application/JSON":                "application/json",
		"text/html; name=Jane":            "text/html",
		"Jane Doe":                        "unknown type",
		"text/" + strings.Repeat("x", 36): "unknown type",
		"text/" + strings.Repeat("x", 35): "text/" + strings.Repeat("x", 35),
	} {
		if got := contentType(http.Header{"Content-Type": {value}}); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
	for value, want := range map[string]string{
		"https://login.example.com/u/Jane?q=1": "login.example.com",
		"https://Jane:hush@example.com/":       "example.com",
		"//example.com:8443/x":                 "example.com:8443",
		"/u/Jane":                              "another path",
		"":                                     "another path",
		"https://exa mple.com":                 "another path",
		"https://exämple.com/":                 "another path",
		"https://" + strings.Repeat("x", 101):  "another path",
	} {
		if got := redirectHost(http.Header{"Location": {value}}); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

// TestEverywhere: what lies on the way or with the account is no window's fault, and what came of a question may be.
func TestEverywhere(t *testing.T) {
	for name, c := range map[string]struct {
		err  Error
		want bool
	}{
		"the name server":   {Error{Kind: Temporary, Category: CategoryDNS}, true},
		"no connection":     {Error{Kind: Temporary, Category: CategoryConnect}, true},
		"no trust":          {Error{Kind: Temporary, Category: CategoryTLS}, true},
		"the login":         {Error{Kind: Login, Category: CategoryLogin}, true},
		"the secret":        {Error{Kind: Login, Category: CategorySecret}, true},
		"the minute":        {Error{Kind: Throttled, Category: CategoryThrottled}, true},
		"the hour":          {Error{Kind: Throttled, Category: CategoryThrottledHourly}, true},
		"never connected":   {Error{Kind: Temporary, Category: CategoryTimeout, NoConnection: true}, true},
		"silence":           {Error{Kind: Temporary, Category: CategoryTimeout}, false},
		"an end":            {Error{Kind: Temporary, Category: CategoryConnection}, false},
		"a status":          {Error{Kind: Temporary, Category: CategoryStatus5xx, Status: 503}, false},
		"a refusal":         {Error{Kind: Refused, Category: CategoryStatus4xx, Status: 400}, false},
		"a broken answer":   {Error{Kind: BadAnswer, Category: CategoryStructure, Status: 200}, false},
		"one that is large": {Error{Kind: BadAnswer, Category: CategoryTooLarge, Status: 200}, false},
		"no page":           {Error{Kind: BadAnswer, Category: CategoryNoData, Status: 200}, false},
	} {
		if got := c.err.Everywhere(); got != c.want {
			t.Errorf("%s: everywhere %t", name, got)
		}
	}
}
