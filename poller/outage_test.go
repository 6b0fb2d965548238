package poller

import (
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/poller/smartassist"
)

// nowhere is a Source and a Sink that is not asked.
type nowhere struct{ keepsBundle }

// idlePoller returns a Poller that has read something, for what it does with one answer.
func idlePoller() *Poller {
	p := New(Config{PageLimit: 100, Interval: 30 * time.Second, Settle: 2 * time.Minute, Tiers: defaultTiers, Now: func() time.Time { return at(0) }, Log: zerolog.Nop()},
		nil, &nowhere{}, &State{Account: "a"})
	p.agenda.reads = 1
	return p
}

// TestWhatIsAnOutage: so many failures in a row, for so long; or one that concerns every question.
func TestWhatIsAnOutage(t *testing.T) {
	down := serviceError(smartassist.Temporary, 503, smartassist.CategoryStatus5xx)
	for name, c := range map[string]struct {
		err    error
		every  time.Duration // between failures
		reads  int           // that were answered before
		want   int           // failures until it is an outage
		within int
	}{
		"every second, for 25 s":    {down, time.Second, 1, 26, 100},
		"every ten seconds":         {down, 10 * time.Second, 1, outageFrom, 100},
		"nothing was ever answered": {down, time.Second, 0, 1, 100},
		"the login":                 {serviceError(smartassist.Login, 401, smartassist.CategoryLogin), time.Second, 1, 1, 100},
		"throttled":                 {serviceError(smartassist.Throttled, 429, smartassist.CategoryThrottled), 10 * time.Second, 1, outageFrom, 100},
		"of an unknown kind":        {errors.New("no"), 10 * time.Second, 1, outageFrom, 100},
	} {
		p := idlePoller()
		p.agenda.reads = c.reads
		failures, now := 0, at(0)
		for p.outage.began.IsZero() && failures < c.within {
			failures++
			p.outage.failed(p, Task{Reason: Head}, c.err, now)
			now = now.Add(c.every)
		}
		if failures != c.want {
			t.Errorf("%s: an outage after %d failures, want %d", name, failures, c.want)
		}
		if !p.outage.began.Equal(at(0)) {
			t.Errorf("%s: it began at %v, want with its first failure", name, p.outage.began)
		}
	}
}

// TestAnOutageWaits a quarter of what it has lasted, from a second to a minute.
func TestAnOutageWaits(t *testing.T) {
	p := idlePoller()
	login := serviceError(smartassist.Login, 401, smartassist.CategoryLogin)
	for _, c := range []struct{ after, want time.Duration }{{0, time.Second}, {20 * time.Second, 5 * time.Second}, {200 * time.Second, 50 * time.Second}, {time.Hour, time.Minute}} {
		now := at(0).Add(c.after)
		p.outage.failed(p, Task{Reason: Head}, login, now)
		if got := p.outage.wait(now); got != c.want {
			t.Errorf("after %v: %v, want %v", c.after, got, c.want)
		}
		if r, wait := p.choose(now); r != nil || wait != c.want {
			t.Errorf("after %v: a request is made, or after %v", c.after, wait)
		}
	}
	if got := p.Status().Trouble; got == nil || got.Attempts != 4 || got.Category != smartassist.CategoryLogin || got.Error != "status 401: no" {
		t.Errorf("%+v", got)
	}
	p.outage.stepped(time.Hour)
	if !p.outage.began.Equal(at(3600)) || p.outage.wait(at(3600).Add(time.Hour)) != time.Minute {
		t.Errorf("after our clock was set: began %v", p.outage.began)
	}
	p.outage.answered(p, at(7300))
	if p.outage != (outage{}) || p.Status().Trouble != nil {
		t.Errorf("after an answer: %+v", p.outage)
	}
}

// TestAnOutageHintsAtItsLastFailure: the category is logged anew when it changes.
func TestAnOutageHintsAtItsLastFailure(t *testing.T) {
	p := idlePoller()
	for i, category := range []string{smartassist.CategoryDNS, smartassist.CategoryConnect, smartassist.CategoryConnect} {
		err := &smartassist.Error{Kind: smartassist.Temporary, Category: category, Err: errors.New("no"), Hint: "look at " + category}
		p.outage.failed(p, Task{Reason: Gap}, err, at(10*i))
		if got := p.Status().Trouble; got.Category != category || got.Hint != "look at "+category || !got.Since.Equal(at(0)) {
			t.Errorf("failure %d: %+v", i, got)
		}
	}
}

// TestARefusedLoginDropsTheHead, which begins anew behind the outage; a throttled one goes on with the pages that it has.
func TestARefusedLoginDropsTheHead(t *testing.T) {
	login := serviceError(smartassist.Login, 401, smartassist.CategoryLogin)
	throttled := serviceError(smartassist.Throttled, 429, smartassist.CategoryThrottled)
	for name, c := range map[string]struct {
		err    error
		met    bool // the head has rows
		other  bool // it is another read that fails
		remain bool
	}{
		"login":                      {login, true, false, false},
		"login, of another read":     {login, false, true, false},
		"throttled, with rows":       {throttled, true, false, true},
		"throttled, without":         {throttled, false, false, false},
		"throttled, of another read": {throttled, false, true, true},
	} {
		p := idlePoller()
		head := p.reader.begin(Task{Window: window(0, 60), Reason: Head})
		gap := p.reader.begin(Task{Window: window(0, 60), Reason: Gap})
		p.lanes = [2]*reading{head, gap}
		if c.met {
			head.collector.met[rowKey{session: "s"}] = true
		}
		failed := head
		if c.other {
			failed = gap
		}
		p.dropHead(failed, c.err)
		if got := p.lanes[0] == head; got != c.remain || p.lanes[1] != gap {
			t.Errorf("%s: the head remains %t, want %t; the other %t", name, got, c.remain, p.lanes[1] == gap)
		}
		p.giveUp()
	}
}
