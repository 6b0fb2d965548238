package registry

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/convstream/convstream/schemas"
)

// fake is a registry that remembers what it was asked, and answers some of it in its own way.
type fake struct {
	*srfake.Registry
	answer func(method, path string) (status int, body string) // status 0: as ever

	mu       sync.Mutex
	requests []string
	bodies   []string
	logins   []string
	headers  []http.Header
}

func (f *fake) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests, f.bodies = append(f.requests, r.Method+" "+r.URL.RequestURI()), append(f.bodies, string(body))
	user, password, _ := r.BasicAuth()
	f.logins, f.headers = append(f.logins, user+" "+password), append(f.headers, r.Header)
	if f.answer != nil {
		if status, body := f.answer(r.Method, r.URL.RequestURI()); status > 0 {
			rw.WriteHeader(status)
			_, _ = io.WriteString(rw, body)
			return
		}
	}
	f.Handler().ServeHTTP(rw, r)
}

// count is how many requests begin like that.
func (f *fake) count(beginning string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if strings.HasPrefix(r, beginning) {
			n++
		}
	}
	return n
}

var topics = map[string]schemas.Schema{"t.a": schemas.Conversation, "t.b": schemas.Conversation, "t.p": schemas.Progress}

// open serves a registry and opens it, with changes to the configuration.
func open(t *testing.T, f *fake, change func(*Config)) (*Registry, *bytes.Buffer) {
	t.Helper()
	if f.Registry == nil {
		f.Registry = srfake.NewRegistry(srfake.WithGlobalCompat(sr.CompatNone))
	}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	log := &bytes.Buffer{}
	c := Config{URL: s.URL, Register: true, Log: zerolog.New(log)}
	if change != nil {
		change(&c)
	}
	r, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r, log
}

func failure(t *testing.T, err error) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("%v (%T), want an *Error", err, err)
	}
	return e
}

func lookUpOnly(c *Config) { c.Register = false }
