package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/convstream/convstream/cmd/internal/admin/client"
	"github.com/convstream/convstream/cmd/internal/auditor"
)

// TestAuditAnswers: a table for people and how far it is beside it, the lines as they are for jq, and an exit code that says whether all is
// there.
func TestAuditAnswers(t *testing.T) {
	const (
		window  = `{"window":{"start":"2026-03-01T00:00:00Z","end":"2026-03-02T00:00:00Z"}}` + "\n"
		expired = `{"window":{"start":"2026-03-01T00:00:00Z","end":"2026-03-02T00:00:00Z"},"retention":"24h0m0s"}` + "\n"
		half    = `{"progress":{"state":"service","readThrough":"2026-03-01T12:00:00Z","rows":100,"requests":5,"requestsPerMinute":30,"left":"1m0s"}}` + "\n"
		missing = `{"result":"missing","identity":"c-1","session":"s-1","published":2}` + "\n"
		stale   = `{"result":"stale","identity":"c-2","revision":1,"topic":"conversations.voice","partition":2,"offset":17,"observedAt":"2026-03-01T01:00:00Z"}` + "\n"
		extra   = `{"result":"extra","identity":"c-3","revision":1,"topic":"conversations.rtm","partition":0,"offset":0,"observedAt":"2026-03-01T01:00:00Z"}` + "\n"
		twice   = `{"result":"twice","identity":"c-4","revision":2,"revisions":[1,2,2],"topic":"conversations.rtm","partition":0,"offset":3,"observedAt":"2026-03-01T01:00:00Z"}` + "\n"
		letter  = `{"result":"dead-letter","letter":"0011223344556677"}` + "\n"
		unread  = `{"unread":{"start":"2026-03-01T10:00:00Z","end":"2026-03-01T10:00:01Z"}}` + "\n"
		equal   = `{"done":{"counts":{"equal":7,"dead-letter":1},"published":0,"requests":9,"unread":0,"differs":false}}` + "\n"
		differs = `{"done":{"counts":{"equal":7,"missing":1,"stale":1,"extra":1,"twice":1},"published":1,"requests":9,"unread":1,"differs":true}}` + "\n"
	)
	for name, c := range map[string]struct {
		answer, args string
		code         int
		out, err     []string
	}{
		"equal": {window + half + letter + equal, "", exitDone, []string{"letter 0011223344556677", "8 compared, with 9 requests\n", "7 equal\n", "1 dead-letter\n"},
			[]string{"audit of 2026-03-01 00:00:00 to 2026-03-02 00:00:00 UTC", "[==========          ]  50% 100 rows, 5 requests, 30 a minute, 1m0s left"}},
		"all differences": {window + missing + stale + extra + twice + unread + differs, "", exitFailed, []string{
			"RESULT       IDENTITY", "missing      c-1 ", "published as revision 2\n", "conversations.voice-2@17", "not published", "extra        c-3 ", "conversations.rtm-0@0",
			"there are 1 2 2", "2026-03-01 10:00:00 to 10:00:01 could not be read", "1 published, of what was missing or stale",
		}, []string{"audit: 1 missing, 1 stale, 1 extra, 1 twice, 1 windows could not be read"}},
		"expired":    {expired + equal, "", exitDone, nil, []string{"the topics keep records for 24h0m0s"}},
		"json":       {window + half + missing + differs, "--json", exitFailed, []string{window, half, missing, differs}, []string{"1 missing"}},
		"broke off":  {window + missing, "", exitFailed, []string{"c-1"}, []string{"the answer was cut off", "ask again"}},
		"the worker": {window + `{"error":"this worker is no longer the active one"}` + "\n", "", exitFailed, nil, []string{"the audit ended early: this worker is no longer the active one"}},
		"no answer":  {"<html>\n", "", exitFailed, nil, []string{"cannot be read"}},
	} {
		var asked auditor.Request
		worker := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && r.URL.Path == client.BackfillsPath { // by which the active worker is found
				_, _ = io.WriteString(rw, `{"backfills":[]}`)
				return
			}
			if r.Method+" "+r.URL.String() != "POST /audits?account=st-1" || json.NewDecoder(r.Body).Decode(&asked) != nil {
				t.Errorf("asked %s %s", r.Method, r.URL)
			}
			_, _ = io.WriteString(rw, c.answer)
		}))
		args := append([]string{"audit", "--admin", "http://127.0.0.1:1," + worker.URL, "--account", "st-1", "--from", "2026-03-01", "--to", "2026-03-02T00:00:00Z"}, strings.Fields(c.args)...)
		code, stdout, stderr := convstream(t, nil, args...)
		worker.Close()
		if code != c.code || asked.From != "2026-03-01" || asked.To != "2026-03-02T00:00:00Z" {
			t.Errorf("%s: exit %d, asked for %+v\n%s%s", name, code, asked, stdout, stderr)
		}
		for text, wants := range map[string][]string{stdout: c.out, stderr: c.err} {
			for _, want := range wants {
				if !strings.Contains(text, want) {
					t.Errorf("%s: lacks %q:\n%s", name, want, text)
				}
			}
		}
	}
}

// TestAuditUsage: what cannot be a time is told at once, before any worker is asked.
func TestAuditUsage(t *testing.T) {
	for args, says := range map[string]string{
		"":                             `--from "" is not a time like`,
		"--from yesterday":             `--from "yesterday" is not a time like`,
		"--from 1h --to 2026-01":       `--to "2026-01" is not a time like`,
		"--from -1h":                   `--from "-1h" is not a time like`,
		"--from 1h --to 2h":            "--from 1h is not before --to 2h",
		"--from 1h 2h":                 "and nothing else",
		"--from 1h --until 2026-01-02": "flag provided but not defined",
	} {
		code, _, stderr := convstream(t, nil, append([]string{"audit"}, strings.Fields(args)...)...)
		if code != exitUsage || !strings.Contains(stderr, says) {
			t.Errorf("%q: exit %d, %s", args, code, stderr)
		}
	}
}
