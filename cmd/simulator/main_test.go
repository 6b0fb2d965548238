package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// start runs the command until the test is done with it, and gives what it greeted with.
func start(t *testing.T, args ...string) (greeting string, end func() (int, string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"--addr", "127.0.0.1:0"}, args...), w, io.Discard)
		w.Close()
	}()
	var seen bytes.Buffer
	for buf := make([]byte, 4096); !regexp.MustCompile(`SMARTASSIST_(JWT|CLIENT_SECRET)=.*\n`).Match(seen.Bytes()); {
		n, err := r.Read(buf)
		if err != nil {
			t.Fatalf("ended while greeting: %v: %s", err, seen.Bytes())
		}
		seen.Write(buf[:n])
	}
	return seen.String(), func() (int, string) {
		cancel()
		rest, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return <-code, string(rest)
	}
}

// curl does what the printed line says.
func curl(t *testing.T, greeting string) (int, []byte) {
	t.Helper()
	find := func(pattern string) string {
		m := regexp.MustCompile(pattern).FindStringSubmatch(greeting)
		if m == nil {
			t.Fatalf("no %s in %s", pattern, greeting)
		}
		return m[1]
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, find(`curl -s '([^']+)'`), strings.NewReader(find(`-d '([^']+)'`)))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range regexp.MustCompile(`-H '([^:]+): ([^']+)'`).FindAllStringSubmatch(greeting, -1) {
		r.Header.Set(h[1], h[2])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

func TestThePrintedCurlLineWorks(t *testing.T) {
	for name, args := range map[string][]string{
		"default token": nil,
		"signed token":  {"--client-id", "cs-1", "--client-secret", "s"},
		"stated token":  {"--jwt", "a.b.c", "--offset-counts-pages", "--bounds", "halfopen"},
	} {
		t.Run(name, func(t *testing.T) {
			greeting, end := start(t, args...)
			status, body := curl(t, greeting)
			var page struct{ Data []map[string]any }
			if err := json.Unmarshal(body, &page); err != nil || status != http.StatusOK || len(page.Data) != 3 {
				t.Errorf("status %d, %d rows, %v", status, len(page.Data), err)
			}
			code, rest := end()
			if code != 0 || !strings.Contains(rest, "1 requests (at most 1 in a minute), 1 pages, 3 rows") {
				t.Errorf("exit %d, said %q", code, rest)
			}
		})
	}
}

func TestTheEnvironmentNamesTheService(t *testing.T) {
	greeting, end := start(t, "--account-id", "acc", "--stream-id", "st-1", "--client-id", "cs-1", "--client-secret", "s")
	defer end()
	for _, line := range []string{"export SMARTASSIST_URL=http://127.0.0.1:", "export SMARTASSIST_ACCOUNT_ID=acc\n",
		"export SMARTASSIST_STREAM_ID=st-1\n", "export SMARTASSIST_CLIENT_ID=cs-1\n", "export SMARTASSIST_CLIENT_SECRET=s\n"} {
		if !strings.Contains(greeting, line) {
			t.Errorf("no %q in\n%s", line, greeting)
		}
	}
}

func TestWrongUsage(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"help":              {[]string{"--help"}, 0, "--offset-cap"},
		"unknown flag":      {[]string{"--nope"}, 2, "-nope"},
		"argument":          {[]string{"serve"}, 2, `unexpected argument "serve"`},
		"unknown choice":    {[]string{"--bounds", "open"}, 2, "inclusive, exclusive, halfopen, subsecond"},
		"a JWT of one part": {[]string{"--jwt", "tok"}, 2, "a.to.ken"},
		"half a client":     {[]string{"--client-id", "x"}, 2, "both or neither"},
		"share above one":   {[]string{"--faults", "2"}, 2, "above 1"},
		"address in vain":   {[]string{"--addr", "256.0.0.1:1"}, 1, "256.0.0.1"},
		"negative history":  {[]string{"--history", "-1h"}, 2, "must not be negative"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			if code := run(t.Context(), c.args, io.Discard, &stderr); code != c.code {
				t.Errorf("exit %d, want %d", code, c.code)
			}
			if !strings.Contains(stderr.String(), c.says) {
				t.Errorf("said %q, want %q", stderr.String(), c.says)
			}
		})
	}
}
