package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const twoAccounts = `{"name":"a","accounts":[
	{"account":"one","drift":{"since":"2026-03-01T12:00:00Z","further":3,"findings":[
		{"kind":"value","field":"csatScore","type":"string","pointer":"/csatScore","firstSeen":"2026-03-02T12:00:00Z","lastSeen":"2026-03-03T12:00:00Z","count":12},
		{"kind":"row","field":"row is not a JSON object","firstSeen":"2026-03-01T12:30:00Z","lastSeen":"2026-03-01T12:30:00Z","count":1}]}},
	{"account":"two","poller":{"behind":"5m0s"},"drift":null}]}`

// TestDrift: a table for people, an object a finding for jq, of one account or of all.
func TestDrift(t *testing.T) {
	const table = `FIRST SEEN        LAST SEEN         COUNT  WHAT   FIELD                     TYPE    LAST AT
2026-03-02 12:00  2026-03-03 12:00  12     value  csatScore                 string  /csatScore
2026-03-01 12:30  2026-03-01 12:30  1      row    row is not a JSON object  -       -
2 differences, looked for since 2026-03-01 12:00; the list is full: 3 times something else was found
`
	for name, c := range map[string]struct {
		status, args string
		code         int
		out          string // all of it, or how it begins
		stderr       string
	}{
		"one":     {twoAccounts, "--account one", exitDone, table, ""},
		"all":     {twoAccounts, "", exitDone, "account one\n" + table + "account two\nnot known: ", ""},
		"json":    {twoAccounts, "--json", exitDone, `{"account":"one","kind":"value","field":"csatScore","type":"string","pointer":"/csatScore","firstSeen":"2026-03-02T12:00:00Z","lastSeen":"2026-03-03T12:00:00Z","count":12}` + "\n" + `{"account":"one","kind":"row",`, ""},
		"nothing": {`{"accounts":[{"account":"one","drift":{"since":"2026-03-01T12:00:00Z"}}]}`, "", exitDone, "no difference from the schema since 2026-03-01 12:00\n", ""},
		"no row":  {`{"accounts":[{"account":"one","drift":{}}]}`, "", exitDone, "no row was looked at yet\n", ""},
		"nobody":  {twoAccounts, "--account three", exitFailed, "", `no account "three": it has one, two`},
		"another": {"<html>", "", exitFailed, "", "status cannot be read"},
	} {
		asked := ""
		worker := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			asked = r.Method + " " + r.URL.Path
			_, _ = rw.Write([]byte(c.status))
		}))
		code, stdout, stderr := convstream(t, nil, append([]string{"drift", "--admin", worker.URL}, strings.Fields(c.args)...)...)
		worker.Close()
		if code != c.code || !strings.HasPrefix(stdout, c.out) || !strings.Contains(stderr, c.stderr) || asked != "GET /status" {
			t.Errorf("%s: exit %d, asked %s\n%s%s\nwant exit %d\n%s%s", name, code, asked, stdout, stderr, c.code, c.out, c.stderr)
		}
	}
}
