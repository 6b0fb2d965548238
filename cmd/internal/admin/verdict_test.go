package admin

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/poller"
)

// TestVerdict: one look says how an account is, why, and where the operator reads what to do.
func TestVerdict(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	through := func(d time.Duration, partial ...poller.PartialWindow) *poller.Status {
		return &poller.Status{HeadRead: ago(10 * time.Second), CompleteThrough: ago(d), Partial: partial}
	}
	gap := poller.PartialWindow{Window: poller.Window{Start: ago(time.Hour), End: ago(time.Hour - time.Second)}, Cause: poller.Unanswered}
	accepted := gap
	accepted.Accepted = true
	old := poller.PartialWindow{Window: poller.Window{Start: ago(9 * time.Hour), End: ago(8 * time.Hour)}}
	lease := &Lease{Holder: "worker-2"}
	for name, c := range map[string]struct {
		Account
		class, text, more string
	}{
		"all is well":      {Account{Role: Active, Ready: true, Poller: through(3 * time.Minute)}, "ok", "whole up to 3 min ago", ""},
		"an accepted gap":  {Account{Role: Active, Ready: true, Poller: through(3*time.Minute, accepted)}, "ok", "whole up to", ""},
		"a gap before it":  {Account{Role: Active, Ready: true, Poller: through(3*time.Minute, old)}, "ok", "whole up to", ""},
		"a gap":            {Account{Role: Active, Ready: true, Poller: through(time.Hour, gap)}, "bad", "whole only up to", "a-window-cannot-be-read-whole"},
		"a backlog":        {Account{Role: Active, Ready: true, Poller: through(5 * time.Hour)}, "busy", "catching up", "how-it-fails-and-recovers"},
		"starting":         {Account{Role: Starting, NotYet: "the state is not recovered yet"}, "busy", "not recovered", ""},
		"before its login": {Account{Role: Active, NotYet: "login unknown", Poller: &poller.Status{}}, "busy", "login unknown", ""},
		"standing by":      {Account{Role: Standby, Ready: true, Lease: lease}, "ok", "stands by for worker-2", ""},
		"elsewhere":        {Account{Role: Idle, Ready: true, Lease: lease}, "ok", "worker-2", ""},
		"ended":            {Account{Role: Starting, Ended: "the state is lost"}, "bad", "the state is lost", "an-account-has-ended"},
		"no brokers":       {Account{Role: Active, Poller: through(time.Hour), Kafka: &Outage{Since: ago(time.Hour), Error: "dial"}}, "bad", "nothing is committed for 60 min: dial", "the-brokers"},
		"no service":       {Account{Role: Active, Poller: &poller.Status{Trouble: &poller.Trouble{Since: ago(time.Minute), Error: "503", Hint: "wait"}}}, "bad", "is not read for 60 s: 503; wait", "the-service"},
		"not ready":        {Account{Role: Active, NotYet: "login refused", Poller: through(0)}, "bad", "login refused", "the-admin-port"},
		"a wrong file":     {Account{Role: Active, Ready: true, Settings: "SETTLE", Poller: through(0)}, "bad", "SETTLE", "a-file-is-wrong"},
	} {
		if v := VerdictOf(c.Account, now); v.Class != c.class || !strings.Contains(v.Text, c.text) || v.More != c.more {
			t.Errorf("%s: %+v; want %s, %q, %q", name, v, c.class, c.text, c.more)
		}
	}
}

// TestSectionsAreThere: what the page points to is a heading of the operator's page.
func TestSectionsAreThere(t *testing.T) {
	manual, err := os.ReadFile("../../../deploy/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(manual), -1) {
		sections[strings.ReplaceAll(strings.ToLower(m[1]), " ", "-")] = true
	}
	source, err := os.ReadFile("verdict.go")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`(?:bad\(|, |manual )"([a-z]+(?:-[a-z]+)+)"`).FindAllStringSubmatch(string(source)+pageText, -1)
	if len(named) < 6 {
		t.Fatalf("%d sections are named, want 6 at least: the test shows nothing", len(named))
	}
	for _, m := range named {
		if !sections[m[1]] {
			t.Errorf("OPERATIONS.md has no section %s", m[1])
		}
	}
}

// TestDrawnStrip: each part is drawn with its state, a second that is missing so that it is seen, and all of it said in words, too.
func TestDrawnStrip(t *testing.T) {
	end := time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)
	at := func(hours float64) time.Time { return end.Add(-time.Duration(hours * float64(time.Hour))) }
	part := func(from, to float64, state poller.PartState, read float64) poller.Part {
		p := poller.Part{Window: poller.Window{Start: at(from), End: at(to)}, State: state}
		if state != poller.PartGap && state != poller.PartNew {
			p.ReadAt = at(read)
		}
		return p
	}
	second := 1.0 / 3600
	svg := string(drawStrip([]poller.Part{
		part(192, 100, poller.PartCovered, 50), part(100, 90, poller.PartGap, 0), part(90, 50+second, poller.PartCovered, 10),
		part(50+second, 50, poller.PartPartial, 1), part(50, 0.1, poller.PartCovered, 0.2), part(0.1, 0, poller.PartNew, 0),
	}))
	for _, want := range []string{
		`<rect class="covered" x="0.00" y="0" width="368.00"`, `<rect class="gap" x="368.00"`, `<rect class="covered day" x="408.00"`, `width="3.00" height="16"><title>2026-03-07 09:59:59 to 10:00:00 UTC: could not be read whole, last read 60 min ago`,
		`class="covered hour"`, `class="new"`, `8 days: 8 days read whole, 10 h not read yet, parts that could not be read whole: 1</title>`, `<title>Monday, 9 March</title>`,
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("%q is not drawn:\n%s", want, strings.ReplaceAll(svg, "<rect", "\n<rect"))
		}
	}
	if drawStrip(nil) != "" || drawFreshness(nil) != "" {
		t.Error("of nothing something is drawn")
	}
}

// TestDrawnFreshness: a bar for five minutes, the present on the right, late ones apart.
func TestDrawnFreshness(t *testing.T) {
	at := time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)
	svg := string(drawFreshness([]Freshness{{at, poller.Seconds(30 * time.Second)}, {at.Add(5 * time.Minute), poller.Seconds(time.Hour)}}))
	for _, want := range []string{`at most 60 min old`, `<rect class="soon" x="70" y="8.0" width="1" height="2.0"><title>12:00 UTC: 30 s`, `<rect class="late" x="71"`} {
		if !strings.Contains(svg, want) {
			t.Errorf("%q is not drawn: %s", want, svg)
		}
	}
}
