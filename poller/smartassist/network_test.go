package smartassist

import (
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/smartassist/secret"
	"github.com/convstream/convstream/producer/authority"
)

// fetch asks a real server for a page, without the wait of a real budget.
func fetch(t *testing.T, url string, change ...func(*Config)) (Page, *Error) {
	t.Helper()
	cfg := Config{URL: url, AccountID: "a", Token: StaticJWT(secret.Value("SMARTASSIST_JWT", token)), Budget: NewBudget(600_000)}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	page, err := c.Page(t.Context(), aQuery)
	var e *Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("error %v", err)
	}
	if e != nil {
		checkQuiet(t, e)
	}
	return page, e
}

func TestRedirectDoesNotCarryTheTokenAway(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/x", status))
		_, err := fetch(t, server.URL)
		server.Close()
		if err == nil || err.Category != CategoryRedirect || !strings.Contains(err.Error(), "SMARTASSIST_URL") {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestGzip(t *testing.T) {
	send := func(cut int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			var b strings.Builder
			z := gzip.NewWriter(&b)
			io.WriteString(z, body)
			z.Close()
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, b.String()[:b.Len()-cut])
		}
	}
	for _, c := range []struct {
		handler  http.HandlerFunc
		category string
	}{
		{send(0, `{"data":[{"sessionId":"s"}]}`), ""},
		{send(9, `{"data":[{"sessionId":"s"}]}`), CategoryCut},
		{send(0, `{"data":["`+strings.Repeat("x", 1<<20)+`"]}`), CategoryTooLarge}, // a small answer that unpacks to a large one
	} {
		server := httptest.NewServer(c.handler)
		page, err := fetch(t, server.URL, func(c *Config) { c.MaxBody = 1 << 18 })
		server.Close()
		if c.category == "" && (err != nil || len(page.Rows) != 1) || c.category != "" && (err == nil || err.Category != c.category) {
			t.Errorf("want %q: %d rows, %v", c.category, len(page.Rows), err)
		}
	}
}

func TestConnectionsThatEnd(t *testing.T) {
	for name, c := range map[string]struct {
		handler  http.HandlerFunc
		kind     ErrorKind
		category string
	}{
		"reset":        {hijack(t, ""), Temporary, CategoryConnection},
		"half a head":  {hijack(t, "HTTP/1.1 200"), Temporary, CategoryConnection},
		"no HTTP":      {hijack(t, person+"\r\n\r\n"), Temporary, CategoryConnection},
		"bad header":   {hijack(t, "HTTP/1.1 200 OK\r\n"+person+"\r\n\r\n"), Temporary, CategoryConnection},
		"cut body":     {hijack(t, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"+emptyPage), BadAnswer, CategoryCut},
		"cut chunk":    {hijack(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1a\r\n"+emptyPage), BadAnswer, CategoryCut},
		"bad chunk":    {hijack(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+person), BadAnswer, CategoryCut},
		"endless head": {hijack(t, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<20)+"\r\n\r\n"), Temporary, CategoryConnection},
	} {
		server := httptest.NewServer(c.handler)
		if _, err := fetch(t, server.URL); err == nil || err.Kind != c.kind || err.Category != c.category || err.Everywhere() {
			t.Errorf("%s: %v (%+v)", name, err, err)
		}
		server.Close()
	}
}

// A page that breaks gives what came before the break, and what is left of it only if nothing else can have been sent.
func TestPageThatBreaks(t *testing.T) {
	rows := `{"numResults":3,"data":[{"sessionId":"a"},{"sessionId":"b","x":NaN},{"sessionId":"c"},`
	rest := `{"sessionId":"d","note":"5" pipe"},{"sessionId":"e"}]}`
	head := "HTTP/1.1 200 OK\r\nDate: Tue, 24 Sep 2024 08:00:01 GMT\r\n"
	chunk := func(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }
	for name, c := range map[string]struct {
		answer, category, rest string
	}{
		"a length":                  {head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(rows+rest)) + rows + rest, CategoryCut, rest},
		"chunks":                    {head + "Transfer-Encoding: chunked\r\n\r\n" + chunk(rows) + chunk(rest) + "0\r\n\r\n", CategoryCut, rest},
		"no structure":              {head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(rows)+2) + rows + "]}", CategoryStructure, "]}"},
		"the end of the connection": {head + "\r\n" + rows + rest, CategoryCut, ""},
		"cut within a length":       {head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(rows+rest)+1) + rows + rest, CategoryCut, ""},
		"cut between chunks":        {head + "Transfer-Encoding: chunked\r\n\r\n" + chunk(rows) + chunk(rest), CategoryCut, ""},
		"only its end is missing":   {head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(rows)) + rows, CategoryCut, ""},
		"cut, but whole as a page":  {head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(rows)+20) + rows + "{}]}", CategoryCut, ""},
	} {
		server := httptest.NewServer(hijack(t, c.answer))
		before := time.Now()
		page, err := fetch(t, server.URL)
		server.Close()
		if err == nil || err.Kind != BadAnswer || err.Category != c.category {
			t.Errorf("%s: error %v", name, err)
		}
		if len(page.Rows) < 3 || page.Rows[0].SessionID != "a" || page.Rows[1].Err != ErrBrokenJSON || page.Rows[2].SessionID != "c" || page.NumResults != 3 {
			t.Errorf("%s: rows %+v", name, page.Rows)
		}
		if string(page.Rest) != c.rest || page.Rest != nil && c.rest == "" {
			t.Errorf("%s: rest %q, want %q", name, page.Rest, c.rest)
		}
		if page.Sent.Before(before) || page.Date.Year() != 2024 {
			t.Errorf("%s: sent %v, date %v", name, page.Sent, page.Date)
		}
	}
}

// An answer of the largest size allowed, and one beyond it, cost a few times that size, whatever they are made of.
func TestHugeAnswers(t *testing.T) {
	huge := `{"data":[` + strings.Repeat("1,", 8<<20-10) + "1]}"
	for name, c := range map[string]struct{ body, text string }{
		"within the size": {huge, "more than 1000 rows, where 100 were asked for"},
		"beyond it":       {huge + strings.Repeat(" ", 1<<20), "larger than 16777216 bytes"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, c.body) }))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		page, err := fetch(t, server.URL)
		runtime.ReadMemStats(&after)
		server.Close()
		if err == nil || err.Kind != BadAnswer || err.Category != CategoryTooLarge || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Hint, "SMARTASSIST_PAGE_LIMIT") || page.Rows != nil {
			t.Errorf("%s: %d rows, %v", name, len(page.Rows), err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 256<<20 {
			t.Errorf("%s: %d MiB allocated for an answer of %d", name, n>>20, len(c.body)>>20)
		}
	}
	query := aQuery
	query.Limit = 500
	if most := query.mostRows(); most != 5000 {
		t.Errorf("%d rows where 500 were asked for", most)
	}
}

// hijack writes the text onto the connection and closes it; "" is a reset.
func hijack(t *testing.T, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // else closing resets
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
		}
		io.WriteString(conn, text)
		if tcp, ok := conn.(*net.TCPConn); ok && text == "" {
			tcp.SetLinger(0)
		}
		conn.Close()
	}
}

func TestNobodyThere(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	_, err := fetch(t, server.URL)
	if err == nil || err.Kind != Temporary || err.Category != CategoryConnect || !strings.Contains(err.Error(), "connection refused") || !err.Everywhere() {
		t.Errorf("closed port: %v", err)
	}
	_, err = fetch(t, "https://smartassist.test", func(c *Config) {
		c.Dial = (&net.Dialer{Resolver: &net.Resolver{}}).DialContext
	})
	if err == nil || err.Kind != Temporary || err.Category != CategoryDNS && err.Category != CategoryTimeout || !err.Everywhere() {
		t.Errorf("unknown host: %v", err)
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, emptyPage) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	if _, err := fetch(t, server.URL); err == nil || err.Category != CategoryTLS || !strings.Contains(err.Hint, "SMARTASSIST_CA_FILE") || !err.Everywhere() {
		t.Errorf("unknown authority: %v", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	if _, err := fetch(t, server.URL, func(c *Config) { c.RootCAs = pool }); err != nil {
		t.Errorf("known authority: %v", err)
	}
	other := strings.Replace(server.URL, "127.0.0.1", "localhost", 1) // no name of the certificate
	if _, err := fetch(t, other, func(c *Config) { c.RootCAs = pool }); err == nil || err.Category != CategoryTLS || !strings.Contains(err.Error(), "not for that name") || !strings.Contains(err.Hint, "SMARTASSIST_URL") {
		t.Errorf("another name: %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
			conn.Close()
		}
	}()
	if _, err := fetch(t, "https://"+listener.Addr().String()); err == nil || err.Kind != Temporary || !err.Everywhere() {
		t.Errorf("no handshake: %v", err)
	}
	plain := httptest.NewServer(nil)
	defer plain.Close()
	if _, err := fetch(t, strings.Replace(plain.URL, "http", "https", 1)); err == nil || err.Category != CategoryTLS || !strings.Contains(err.Hint, "scheme") || !err.Everywhere() {
		t.Errorf("no TLS there: %v", err)
	}
}

// TestExpired: a certificate that has expired is called that, with its days.
func TestExpired(t *testing.T) {
	ca, err := authority.New("test")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue(-time.Minute, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	server.StartTLS()
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.PEM)
	if _, err := fetch(t, server.URL, func(c *Config) { c.RootCAs = pool }); err == nil || err.Category != CategoryTLS || !strings.Contains(err.Error(), "is valid from ") || !strings.Contains(err.Hint, "clock") {
		t.Errorf("%v", err)
	}
}

func TestNewNamesEverythingThatIsWrong(t *testing.T) {
	_, err := New(Config{StreamID: "a\nb"})
	for _, name := range []string{"SMARTASSIST_URL", "SMARTASSIST_ACCOUNT_ID", "SMARTASSIST_STREAM_ID", "SMARTASSIST_JWT", "budget"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in %v", name, err)
		}
	}
}

func TestURLs(t *testing.T) {
	for url, want := range map[string]string{
		"https://h.example":         "https://h.example/agentassist/api/public/analytics/account/a/v2/interactionDetails",
		"https://h.example/":        "https://h.example/agentassist/api/public/analytics/account/a/v2/interactionDetails",
		"https://h.example:8443/x/": "https://h.example:8443/x/agentassist/api/public/analytics/account/a/v2/interactionDetails",
		"http://127.0.0.1:1":        "http://127.0.0.1:1/agentassist/api/public/analytics/account/a/v2/interactionDetails",
		"http://[::1]:1":            "http://[::1]:1/agentassist/api/public/analytics/account/a/v2/interactionDetails",
		"http://localhost":          "http://localhost/agentassist/api/public/analytics/account/a/v2/interactionDetails",
		"http://h.example":          "",
		"ftp://h.example":           "",
		"h.example":                 "",
		"https://":                  "",
		"https://:443":              "",
		"https://u:hush@h.example":  "",
		"https://h.example/?hush":   "",
		"https://h.example/#hush":   "",
		"https://hush%zz":           "",
	} {
		u, err := endpointOf(Config{URL: url, AccountID: "a"})
		if want == "" && (err == nil || strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), "SMARTASSIST_URL")) {
			t.Errorf("%s: error %v", url, err)
		}
		if want != "" && (err != nil || u.String() != want) {
			t.Errorf("%s: %v, %v", url, u, err)
		}
	}
	if _, err := endpointOf(Config{URL: "http://h.example", AccountID: "a", AllowHTTP: true}); err != nil {
		t.Errorf("http with AllowHTTP: %v", err)
	}
}
