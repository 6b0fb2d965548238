package replay

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/convstream/convstream/poller/smartassist/secret"
)

// worker is an admin port that answers as it is told, and keeps what it was asked.
type worker struct {
	*httptest.Server
	status int
	body   string
	asked  []*http.Request
	bodies []string
}

func newWorker(t *testing.T, status int, body string) *worker {
	w := &worker{status: status, body: body}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		w.asked, w.bodies = append(w.asked, r), append(w.bodies, string(text))
		rw.Header().Set("location", "/elsewhere")
		rw.WriteHeader(w.status)
		_, _ = io.WriteString(rw, w.body)
	}))
	t.Cleanup(w.Close)
	return w
}

// TestAsk posts what is asked for, with the account and the token where there are any, and returns the answer as it comes.
func TestAsk(t *testing.T) {
	for name, c := range map[string]struct {
		client             Client
		asked              Request
		query, token, body string
	}{
		"all":          {Client{}, Request{All: true}, "", "", `{"all":true}`},
		"some":         {Client{}, Request{IDs: []string{id(1), id(2)}}, "", "", `{"ids":["` + id(1) + `","` + id(2) + `"]}`},
		"an account's": {Client{Account: "st-1 &x"}, Request{All: true}, "account=st-1+%26x", "", `{"all":true}`},
		"with a token": {Client{Token: secret.Value("ADMIN_TOKEN", "hush")}, Request{All: true}, "", "Bearer hush", `{"all":true}`},
	} {
		w := newWorker(t, http.StatusOK, `{"done":true}`)
		c.client.URL = w.URL
		answer, err := c.client.Ask(t.Context(), c.asked)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text, err := io.ReadAll(answer)
		_ = answer.Close()
		r := w.asked[0]
		if err != nil || string(text) != w.body || r.Method != http.MethodPost || r.URL.Path != Path || r.Header.Get("content-type") != "application/json" {
			t.Errorf("%s: %s %s: %q, %v", name, r.Method, r.URL.Path, text, err)
		}
		if r.URL.RawQuery != c.query || r.Header.Get("authorization") != c.token || w.bodies[0] != c.body {
			t.Errorf("%s: asked with %q, %q and %s", name, r.URL.RawQuery, r.Header.Get("authorization"), w.bodies[0])
		}
	}
}

// TestAskIsRefused: the error says by whom and why, and no more of it than fits a terminal; a redirect would carry the token away.
func TestAskIsRefused(t *testing.T) {
	for status, body := range map[int]string{
		http.StatusTooManyRequests: "another replay is under way\n", http.StatusTemporaryRedirect: "go there", http.StatusForbidden: strings.Repeat("x", 1<<20),
	} {
		w := newWorker(t, status, body)
		answer, err := Client{URL: w.URL, Token: secret.Value("ADMIN_TOKEN", "hush")}.Ask(t.Context(), Request{All: true})
		if answer != nil || err == nil || len(w.asked) != 1 {
			t.Errorf("%d: %v after %d requests", status, err, len(w.asked))
			continue
		}
		text := err.Error()
		if said := strings.TrimSpace(body)[:min(len(body)-1, 20)]; !strings.Contains(text, w.URL) || !strings.Contains(text, said) || len(text) > 5<<10 {
			t.Errorf("%d: %d bytes: %.200s", status, len(text), text)
		}
	}
}

// TestAskReachesNobody: the error names the setting, the option and, of a token, the file that cannot be read.
func TestAskReachesNobody(t *testing.T) {
	w := newWorker(t, http.StatusOK, "")
	missing := secret.File("ADMIN_TOKEN_FILE", filepath.Join(t.TempDir(), "none"))
	if _, err := (Client{URL: w.URL, Token: missing}).Ask(t.Context(), Request{All: true}); err == nil || !strings.Contains(err.Error(), "ADMIN_TOKEN_FILE") || len(w.asked) > 0 {
		t.Errorf("a token that cannot be read: %v after %d requests", err, len(w.asked))
	}
	url := w.URL
	w.Close()
	if _, err := (Client{URL: url}).Ask(t.Context(), Request{All: true}); err == nil || !strings.Contains(err.Error(), "ADMIN_ADDR") || !strings.Contains(err.Error(), "--admin") {
		t.Errorf("nobody there: %v", err)
	}
	if _, err := (Client{URL: "http://a b"}).Ask(t.Context(), Request{All: true}); err == nil {
		t.Error("a URL with a space was asked")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Client{URL: url}).Ask(ended, Request{All: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context's end: %v", err)
	}
}

// TestFollow: only an answer with an end of its own is a whole one, and every other error says that asking again is safe.
func TestFollow(t *testing.T) {
	stop := errors.New("enough")
	one, two := `{"id":"a","outcome":"published","revision":3}`+"\n", `{"id":"b","outcome":"dead","reason":"w"}`+"\n"
	for name, c := range map[string]struct {
		answer  string
		visited int
		want    string // in the error; "" for none
	}{
		"none asked for":      {`{"done":true}` + "\n", 0, ""},
		"two":                 {one + two + `{"done":true}` + "\n", 2, ""},
		"nothing behind done": {one + `{"done":true}` + "\n" + two, 1, ""},
		"broken off by it":    {one + `{"error":"not committed within 3m0s"}` + "\n", 1, "not committed within 3m0s; ask again for the rest"},
		"cut off":             {one + two, 2, "ask again for the rest"},
		"cut within a line":   {one + `{"done":true}`, 1, "ask again for the rest"},
		"nothing":             {"", 0, "ask again for the rest"},
		"not of ours":         {one + "<html>\n", 1, "cannot be read"},
	} {
		visited := 0
		err := Follow(strings.NewReader(c.answer), func(line []byte, a Answer) error {
			var again Answer
			if visited++; json.Unmarshal(line, &again) != nil || again != a || a.ID == "" {
				t.Errorf("%s: %+v for the line %q", name, a, line)
			}
			return nil
		})
		if visited != c.visited || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %d visited, %v; want %d and %q", name, visited, err, c.visited, c.want)
		}
	}
	if err := Follow(strings.NewReader(one+two), func([]byte, Answer) error { return stop }); err != stop {
		t.Errorf("%v, want what visit returned", err)
	}
}
