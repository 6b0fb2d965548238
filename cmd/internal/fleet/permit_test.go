package fleet

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/poller/simulator"
)

// asking is a request for a replay of nothing, as it comes from somewhere.
func asking(from string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080/dead-letters/replay", strings.NewReader(`{"ids":["0123456789abcdef"]}`))
	r.RemoteAddr = from
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	return r
}

// unstarted is the admin port of a process that does not run.
func (w *world) unstarted(log *lockedBuffer) http.Handler {
	w.t.Helper()
	f, err := New(w.settings(zerolog.New(log)))
	w.must(err)
	w.t.Cleanup(f.closeUnused)
	return f.Port().Handler()
}

// TestWhoMayPost: who comes from loopback, or has the token; whatever is in between, nobody else.
func TestWhoMayPost(t *testing.T) {
	t.Parallel()
	const may = http.StatusServiceUnavailable // by a worker that has not begun
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("of-the-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env  map[string]string
		from string
		with []string
		want int
	}{
		"loopback":                           {nil, "127.0.0.1:4711", nil, may},
		"loopback of version 6":              {nil, "[::1]:4711", []string{"Host", "localhost:8080"}, may},
		"loopback, a token is set":           {map[string]string{"ADMIN_TOKEN": "hush"}, "127.0.0.1:4711", nil, may},
		"elsewhere":                          {nil, "10.1.2.3:4711", nil, http.StatusForbidden},
		"elsewhere, with some token":         {nil, "10.1.2.3:4711", []string{"Authorization", "Bearer "}, http.StatusForbidden},
		"elsewhere, token missing":           {map[string]string{"ADMIN_TOKEN": "hush"}, "10.1.2.3:4711", nil, http.StatusUnauthorized},
		"elsewhere, token wrong":             {map[string]string{"ADMIN_TOKEN": "hush"}, "10.1.2.3:4711", []string{"Authorization", "Bearer hus"}, http.StatusUnauthorized},
		"elsewhere, token empty":             {map[string]string{"ADMIN_TOKEN": "hush"}, "10.1.2.3:4711", []string{"Authorization", "Bearer"}, http.StatusUnauthorized},
		"elsewhere, another scheme":          {map[string]string{"ADMIN_TOKEN": "hush"}, "10.1.2.3:4711", []string{"Authorization", "Basic hush"}, http.StatusUnauthorized},
		"elsewhere, token right":             {map[string]string{"ADMIN_TOKEN": "hush"}, "10.1.2.3:4711", []string{"Authorization", "bearer hush"}, may},
		"elsewhere, token of the file":       {map[string]string{"ADMIN_TOKEN_FILE": file}, "10.1.2.3:4711", []string{"Authorization", "Bearer of-the-file"}, may},
		"loopback, mapped to version 6":      {nil, "[::ffff:127.0.0.1]:4711", []string{"Host", "[::1]:8080"}, may},
		"another address of loopback":        {nil, "127.0.0.6:4711", nil, http.StatusForbidden},
		"through a proxy, it says from whom": {nil, "127.0.0.1:4711", []string{"X-Real-IP", "10.1.2.3"}, http.StatusForbidden},
		"through a proxy, it says to whom":   {nil, "127.0.0.1:4711", []string{"X-Forwarded-Host", "x"}, http.StatusForbidden},
		"through a proxy, it says so":        {nil, "127.0.0.1:4711", []string{"Via", "1.1 x"}, http.StatusForbidden},
		"through a proxy, the standard":      {nil, "127.0.0.1:4711", []string{"Forwarded", "for=10.1.2.3"}, http.StatusForbidden},
		"through Envoy":                      {nil, "127.0.0.1:4711", []string{"X-Envoy-Attempt-Count", "1"}, http.StatusForbidden},
		"meant for an address of the pod":    {nil, "127.0.0.1:4711", []string{"Host", "10.9.8.7:8080"}, http.StatusForbidden},
		"a browser, for another page":        {nil, "127.0.0.1:4711", []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		"a browser, for another page, older": {nil, "127.0.0.1:4711", []string{"Origin", "https://evil.example"}, http.StatusForbidden},
		"a browser that a name led here":     {nil, "127.0.0.1:4711", []string{"Host", "evil.example:8080", "Origin", "http://evil.example:8080"}, http.StatusForbidden},
	} {
		inWorld(t, simulator.Config{}, c.env, func(w *world) {
			log := &lockedBuffer{}
			handler := w.unstarted(log)
			rec := httptest.NewRecorder()
			handler.ServeHTTP(rec, asking(c.from, c.with...))
			if rec.Code != c.want {
				t.Errorf("%s: %d %s, want %d", name, rec.Code, rec.Body, c.want)
			}
			if all := rec.Body.String() + log.String(); strings.Contains(all, "hush") || strings.Contains(all, "of-the-file") {
				t.Errorf("%s: the token is shown: %s", name, all)
			}
		})
	}
}

// TestTokenOfAFile that goes away lets nobody in, and one that changes counts at once. The log says each change once.
func TestTokenOfAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	inWorld(t, simulator.Config{}, map[string]string{"ADMIN_TOKEN_FILE": file}, func(w *world) {
		log := &lockedBuffer{}
		handler := w.unstarted(log)
		for _, step := range []struct {
			with string
			want int
		}{
			{"first", http.StatusServiceUnavailable}, {"second one", http.StatusServiceUnavailable},
			{"", http.StatusUnauthorized}, {"", http.StatusUnauthorized}, {"", http.StatusUnauthorized},
			{"third one", http.StatusServiceUnavailable}, {"third one", http.StatusServiceUnavailable}, {"", http.StatusUnauthorized},
		} {
			switch step.with {
			case "":
				_ = os.Remove(file)
			default:
				write(step.with)
			}
			rec := httptest.NewRecorder()
			handler.ServeHTTP(rec, asking("10.1.2.3:1", "Authorization", "Bearer "+step.with))
			if rec.Code != step.want {
				t.Errorf("%q: %d %s, want %d", step.with, rec.Code, rec.Body, step.want)
			}
		}
		w.says(log.String(), "ADMIN_TOKEN_FILE")
		if gone, back := strings.Count(log.String(), "cannot be read"), strings.Count(log.String(), "read again"); gone != 2 || back != 1 {
			t.Errorf("the log says %d times that it is gone and %d times that it is back, want 2 and 1:\n%s", gone, back, log)
		}
	})
}

// TestReplaysThatAreNone: what is not understood is refused with what is expected, and nothing is asked of the brokers.
func TestReplaysThatAreNone(t *testing.T) {
	t.Parallel()
	inWorld(t, large(), withToken(), func(w *world) {
		stop := w.start()
		time.Sleep(time.Minute)
		for _, body := range []string{``, `{}`, `[]`, `{"ids":[]}`, `{"all":true,"ids":["0123456789abcdef"]}`, `{"ids":["0123"]}`, `{"ids":["../../etc/passwd"]}`, `{"ids":[1]}`, `{"all":`, `{"ids":["` + strings.Repeat("0", 2<<20) + `"]}`} {
			if code, text, _ := w.post(adminAddr, body); code != http.StatusBadRequest || !strings.Contains(text, "expected") {
				t.Errorf("%.50s: %d %s", body, code, text)
			}
		}
		time.Sleep(time.Second) // the server lingers over a body that it has not read
		if got := w.outcome(adminAddr, "0123456789abcdef"); got != "unknown the topic has no dead letter with this id 0" {
			t.Error(got)
		}
		w.must(stop())
		if r := w.verify(w.complete, forgive("c-large")); r.Replays != 0 {
			t.Errorf("%d replays", r.Replays)
		}
	})
}
