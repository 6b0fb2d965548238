package poller

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// storedPasses are the members that came with backfills and gaps that are accepted, as workers have written them since.
const storedPasses = `{"format":1,"sequence":50,"from":1772323200,"asked":"x","changes":0,"density":{"hours":null,"mean":0},"paging":{"unit":""},"pagingOf":"y",` +
	`"coverage":[[1772323200,1772323260,1772330000,3,0,1,1772326800,7]],` +
	`"passes":[{"id":3,"start":"2026-02-01T00:00:00Z","end":"2026-02-02T00:00:00Z","reason":"backfill","republish":true,"asked":"2026-03-01T01:00:00Z","by":"anna",` +
	`"recalled":true,"read":[[1769904000,1769907600,1772330000,0]],"requests":12,"rows":900,"published":880,"oldest":"2026-02-01T00:00:00Z"}],"lastPass":3,` +
	`"accepted":[{"start":"2026-03-01T00:00:00Z","end":"2026-03-01T00:01:00Z","reason":"unanswered","rows":7,"at":"2026-03-01T02:00:00Z","by":"ben"}]}`

// TestStoredPassesAreRead, and gaps that were accepted.
func TestStoredPassesAreRead(t *testing.T) {
	s := State{Account: "a"}
	if err := s.Restore(Record{ledgerKey("a"), []byte(storedPasses)}); err != nil {
		t.Fatal(err)
	}
	feb := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	pass := Pass{
		ID: 3, Window: Window{feb, feb.Add(24 * time.Hour)}, Reason: Backfill, Republish: true, Asked: at(3600), By: "anna", Recalled: true,
		Read: Coverage{[]Stretch{{Window: Window{feb, feb.Add(time.Hour)}, ReadAt: at(6800)}}}, Requests: 12, Rows: 900, Published: 880, Oldest: feb,
	}
	if len(s.Passes) != 1 || !reflect.DeepEqual(s.Passes[0], pass) || s.LastPass != 3 {
		t.Errorf("passes %+v, want %+v", s.Passes, pass)
	}
	if want := (Acceptance{window(0, 60), Unanswered, 7, at(7200), "ben"}); len(s.Accepted) != 1 || s.Accepted[0] != want {
		t.Errorf("accepted %+v, want %+v", s.Accepted, want)
	}
	gap := Stretch{Window: window(0, 60), ReadAt: at(6800), Partial: Unanswered, Accepted: true, Since: at(3600), Rows: 7}
	if got := s.Coverage.Stretches(); len(got) != 1 || got[0] != gap {
		t.Errorf("coverage %+v, want %+v", got, gap)
	}
	for _, part := range []string{`[1772323200,1772323260,1772330000,3,0,1,1772326800,7]`, `"republish":true,"asked":"2026-03-01T01:00:00Z","by":"anna"`, `"lastPass":3`} {
		if text := string(s.Ledger.encode()); !strings.Contains(text, part) {
			t.Errorf("%s is not written again: %s", part, text)
		}
	}
}
