package main

import (
	"errors"
	"strings"
	"testing"
)

func TestAdminURL(t *testing.T) {
	for addr, want := range map[string]string{
		":8080": "http://127.0.0.1:8080", "0.0.0.0:1": "http://127.0.0.1:1", "[::]:1": "http://127.0.0.1:1", "[::1]:1": "http://[::1]:1", "10.1.2.3:8080": "http://10.1.2.3:8080",
		"pod.svc:8080": "http://pod.svc:8080", "http://pod:8080/": "http://pod:8080", "https://host/admin/": "https://host/admin",
		":0": "", "pod": "", "ftp://pod:21": "", "http://": "", "": "",
	} {
		got, err := adminURL(addr)
		if got != want || (err != nil) != (want == "") || err != nil && !errors.Is(err, errUsage) {
			t.Errorf("%q: %q, %v; want %q", addr, got, err, want)
		}
	}
}

// TestAnswersToAReplay: only one that comes to its end counts as whole, and what came before it broke off is shown all the same.
func TestAnswersToAReplay(t *testing.T) {
	const published = `{"id":"00","outcome":"published","revision":3}` + "\n"
	for name, c := range map[string]struct {
		body, out, err string
	}{
		"whole":          {published + `{"done":true}` + "\n", "00 published as revision 3\n1 published, 0 superseded, 0 resolved before, 0 still dead\n", ""},
		"broke off":      {published, "00 published as revision 3\n", "ask again for the rest"},
		"in a line":      {published + `{"id":"01","outc`, "00 published as revision 3\n", "ask again for the rest"},
		"the worker did": {published + `{"error":"the lease is lost"}` + "\n", "00 published as revision 3\n", "the replay ended early: the lease is lost"},
		"unknown": {`{"id":"01","outcome":"unknown","reason":"none"}` + "\n" + `{"id":"02","outcome":"untried","reason":"refused"}` + "\n" + `{"done":true}` + "\n",
			"01 unknown: none\n02 untried: refused\n0 published, 0 superseded, 0 resolved before, 0 still dead\n", "1 unknown, 1 not tried"},
		"no answer": {"<html>\n", "", "cannot be read"},
		"others": {`{"id":"01","outcome":"resolved","as":"superseded","resolved":"2026-01-02T03:04:05Z"}` + "\n" + `{"id":"02","outcome":"dead","reason":"no"}` + "\n" + `{"done":true}` + "\n",
			"01 resolved before: superseded by what was published since, seen at 2026-01-02 03:04:05\n02 still dead: no\n0 published, 0 superseded, 1 resolved before, 1 still dead\n", "1 still dead"},
	} {
		var out strings.Builder
		err := replayOptions{}.follow(strings.NewReader(c.body), &out)
		if out.String() != c.out || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %q, %v\nwant %q, %s", name, out.String(), err, c.out, c.err)
		}
	}
}

// TestTokenStaysHere: over http, a token goes no further than this host.
func TestTokenStaysHere(t *testing.T) {
	for base, may := range map[string]bool{
		"http://127.0.0.1:8080": true, "http://[::1]:8080": true, "http://LOCALHOST:8080": true, "https://pod.svc": true,
		"http://pod.svc:8080": false, "http://10.1.2.3:8080": false, "http://127.0.0.1.nip.io": false, "http://localhost.example": false,
	} {
		if mayCarry(base) != may {
			t.Errorf("%s: %v", base, !may)
		}
	}
	code, _, stderr := convstream(t, map[string]string{"ADMIN_TOKEN": "s3cret"}, "dead-letters", "replay", "--all", "--admin", "http://pod.svc:8080")
	if code != exitUsage || !strings.Contains(stderr, "in the clear") || strings.Contains(stderr, "s3cret") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}
