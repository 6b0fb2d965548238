package admin

import (
	"fmt"
	"time"
)

// Verdict is how an account is, for one who has a second to look.
type Verdict struct {
	Class string // ok, busy or bad
	Text  string
	More  string // the section of the operator's page about it; "" for none
}

// operations is the operator's page of this version.
const operations = "https://github.com/convstream/convstream/blob/main/deploy/OPERATIONS.md"

// behindAfter is how far completeThrough may lie behind while all is well: it settles, and a window or two take their time.
const behindAfter = 10 * time.Minute

// VerdictOf returns how the account is at the instant. What stops everything comes before what stops a part.
func VerdictOf(a Account, now time.Time) Verdict {
	bad := func(more, format string, args ...any) Verdict {
		return Verdict{"bad", fmt.Sprintf(format, args...), more}
	}
	switch {
	case a.Ended != "":
		return bad("an-account-has-ended", "has ended: %s", a.Ended)
	case a.Kafka != nil:
		return bad("the-brokers", "nothing is committed for %s: %s", span(now.Sub(a.Kafka.Since)), a.Kafka.Error)
	case a.Role == Standby:
		return Verdict{"ok", "stands by for " + holder(a), ""}
	case a.Role == Idle:
		return Verdict{"ok", "works on another replica: " + holder(a), ""}
	case a.Poller == nil:
		return Verdict{"busy", "starting: " + a.NotYet, ""}
	case a.Poller.Trouble != nil:
		t := a.Poller.Trouble
		return bad("the-service", "the service is not read for %s: %s; %s", span(now.Sub(t.Since)), t.Error, t.Hint)
	case !a.Ready && a.Poller.HeadRead.IsZero():
		return Verdict{"busy", "starting: " + a.NotYet, ""}
	case !a.Ready:
		return bad("the-admin-port", "%s", a.NotYet)
	case a.Settings != "":
		return bad("a-file-is-wrong", "works with settings of before: %s", a.Settings)
	}
	return verdictOfCoverage(a, now)
}

func holder(a Account) string {
	if a.Lease == nil || a.Lease.Holder == "" {
		return "a replica that is not known"
	}
	return a.Lease.Holder
}

// verdictOfCoverage is that of an account that is read and committed.
func verdictOfCoverage(a Account, now time.Time) Verdict {
	p := a.Poller
	behind := now.Sub(p.CompleteThrough)
	for _, gap := range p.Partial {
		if !gap.Accepted && behind > behindAfter && !gap.Start.After(p.CompleteThrough.Add(time.Second)) && gap.End.After(p.CompleteThrough) {
			return Verdict{"bad", fmt.Sprintf("new rows arrive; whole only up to %s UTC: a window cannot be read whole", utc(p.CompleteThrough)), "a-window-cannot-be-read-whole"}
		}
	}
	if behind > behindAfter {
		return Verdict{"busy", fmt.Sprintf("new rows arrive; catching up: whole up to %s UTC", utc(p.CompleteThrough)), "how-it-fails-and-recovers"}
	}
	return Verdict{"ok", fmt.Sprintf("whole up to %s ago", span(behind)), ""}
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }
