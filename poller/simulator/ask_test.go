package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const account = "65269fe0dd9c622245c10000"

// noon is the origin of the tests' worlds.
var noon = time.Date(2025, 3, 4, 12, 0, 0, 0, time.UTC)

// world30 has half an hour of settled history before noon, about 300 conversations,
// and none after.
func world30(seed uint64, change func(*Config)) Config {
	c := Config{Seed: seed, AccountID: account, Start: noon, Until: noon, History: 30 * time.Minute, PerMinute: 10}
	if change != nil {
		change(&c)
	}
	return c
}

// site is a service behind real HTTP.
type site struct {
	*Service
	url    string
	client *http.Client
}

func serve(t *testing.T, c Config) site {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return site{Service: s, url: server.URL, client: server.Client()}
}

// ask is one request; every field has a usable zero value.
type ask struct {
	from, to      time.Time // default: the half hour before noon
	limit, offset int
	body          map[string]any    // added to the body; nil removes
	header        map[string]string // replaces headers
	query         string            // replaces limit and offset
	method, path  string
}

func (a ask) request(t *testing.T, base string) *http.Request {
	t.Helper()
	if a.from.IsZero() {
		a.from, a.to = noon.Add(-30*time.Minute), noon
	}
	body := map[string]any{"startDate": a.from.Format(time.DateTime), "endDate": a.to.Format(time.DateTime), "timeZoneOffset": 0}
	for name, value := range a.body {
		if body[name] = value; value == nil {
			delete(body, name)
		}
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if a.query == "" {
		a.query = fmt.Sprintf("limit=%d&offset=%d", max(a.limit, 1), a.offset)
	}
	if a.method == "" {
		a.method = http.MethodPost
	}
	if a.path == "" {
		a.path = Path(account)
	}
	r := httptest.NewRequestWithContext(t.Context(), a.method, base+a.path+"?"+a.query, bytes.NewReader(text))
	r.RequestURI = ""
	r.Header = http.Header{"Auth": {"token"}, "Accountid": {account}, "Content-Type": {"application/json;charset=UTF-8"}}
	for name, value := range a.header {
		r.Header.Set(name, value)
	}
	return r
}

// answer is what came back.
type answer struct {
	status     int
	header     http.Header
	body       []byte
	numResults int // -1: absent
	rows       []json.RawMessage
}

func (a answer) keys() []Key {
	var keys []Key
	for _, raw := range a.rows {
		key, _ := KeyOf(raw)
		keys = append(keys, key)
	}
	return keys
}

func read(t *testing.T, resp *http.Response) answer {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: body, numResults: -1}
	if a.status == http.StatusOK && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		page := struct {
			NumResults *int
			Data       []json.RawMessage
		}{}
		if err := json.Unmarshal(body, &page); err != nil {
			t.Fatalf("page is no JSON: %v", err)
		}
		a.rows = page.Data
		if page.NumResults != nil {
			a.numResults = *page.NumResults
		}
	}
	return a
}

// do asks over the network.
func (s site) do(t *testing.T, a ask) answer {
	t.Helper()
	resp, err := s.client.Do(a.request(t, s.url))
	if err != nil {
		t.Fatal(err)
	}
	return read(t, resp)
}

// direct asks the handler itself: for tests in virtual time.
func direct(t *testing.T, s *Service, a ask) answer {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, a.request(t, "http://simulator.test"))
	return read(t, w.Result())
}

// walk reads all pages until one brings no row.
func (s site) walk(t *testing.T, a ask, step int) []Key {
	t.Helper()
	var keys []Key
	for range 1000 {
		page := s.do(t, a)
		if page.status != http.StatusOK {
			t.Fatalf("offset %d: status %d: %s", a.offset, page.status, page.body)
		}
		if len(page.rows) == 0 {
			return keys
		}
		keys = append(keys, page.keys()...)
		a.offset += step
	}
	t.Fatal("no end after 1000 pages")
	return nil
}

// truth are the keys of what RowsAt shows now.
func truth(s *Service, from, to time.Time) map[Key]bool {
	return truthAt(s, time.Now(), from, to)
}

func truthAt(s *Service, at, from, to time.Time) map[Key]bool {
	keys := map[Key]bool{}
	for r := range s.RowsAt(at, from, to) {
		keys[r.Key] = true
	}
	return keys
}

// directRaw is the body that the handler itself gives.
func directRaw(t *testing.T, s *Service, a ask) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, a.request(t, "http://simulator.test"))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.Bytes()
}

func http1Date(a answer) (time.Time, error) { return http.ParseTime(a.header.Get("Date")) }
