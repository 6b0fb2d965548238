package fleet

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/simulator"
	"github.com/convstream/convstream/poller/smartassist"
)

// TestAuditOfWhatIsRight: whatever the settings and the service, an audit of topics that nobody has touched finds no difference.
func TestAuditOfWhatIsRight(t *testing.T) {
	long(t)
	bad := bubble.Add(-30 * time.Minute)
	for name, c := range map[string]struct {
		env    map[string]string
		change func(*simulator.Config)
		unread int
	}{
		"once each":      {map[string]string{"DEDUPLICATE": "conversation", "REREAD": "25h:5m"}, func(*simulator.Config) {}, 0},
		"values ignored": {map[string]string{"DEDUPLICATE_IGNORE": "/destinations/*/enterTime,/reason"}, func(*simulator.Config) {}, 0},
		"redacted":       {map[string]string{"REDACT": "/customerinfo=drop,/channelSpecificUserId=hash,/conversationId=hash", "REDACT_KEY": redactKey}, func(*simulator.Config) {}, 0},
		"twins, and rows of bots that stay": {map[string]string{"RECORD_TIMESTAMP": "start"}, func(c *simulator.Config) {
			c.Switches.TwinSessions, c.Switches.TwinBots, c.Switches.BotRowStays, c.Switches.Restyle = 0.2, 0.3, true, true
		}, 0},
		"a faulty world": {nil, func(c *simulator.Config) { c.Faults = simulator.Mixed(0.2) }, 0},
		"large rows":     {nil, func(c *simulator.Config) { c.Extra = large().Extra }, 0},
		"a bad second": {nil, func(c *simulator.Config) {
			c.Faults.BadSeconds = []simulator.BadSecond{{At: bad, Kind: simulator.BadError}}
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			played := simulator.Config{History: time.Hour, PerMinute: 1, SurveyBy: -1}
			c.change(&played)
			env := withToken("LEASE", "off", "REREAD", "4h:5m")
			for k, v := range c.env {
				env[k] = v
			}
			inWorld(t, played, env, func(w *world) {
				stop := w.start()
				time.Sleep(100 * time.Minute)
				from := bubble.Add(-time.Hour)
				for _, to := range []time.Time{from.Add(90 * time.Minute), from.Add(45 * time.Minute)} {
					lines, s, err := w.audit(adminAddr, from, to)
					if got := differences(lines); err != nil || len(got) > 0 || s.Unread != c.unread || s.Differs || s.Published > 0 || s.Counts[audit.Equal] < 30 {
						t.Errorf("%v, %+v, %v\n%s", got, s, err, w.log.tail())
					}
				}
				w.must(stop())
			})
		})
	}
}

// TestAuditOfATopicThatIsGone: all that it held is missing, and is published again.
func TestAuditOfATopicThatIsGone(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 2, SurveyBy: -1}, withToken("LEASE", "off", "REREAD", "4h:5m"), func(w *world) {
		w.run(2 * time.Hour)
		from, to := bubble.Add(-time.Hour), bubble.Add(time.Hour)
		shows, held := map[string]bool{}, map[string]bool{}
		for row := range w.service.RowsAt(time.Now(), from, to) {
			shows[row.Key.Identity] = true
		}
		for _, r := range w.consume("conversations.voice") {
			held[string(r.Key)] = shows[string(r.Key)]
		}
		maps.DeleteFunc(held, func(_ string, shown bool) bool { return !shown })
		w.must(w.cluster.DeleteTopic("conversations.voice"))
		stop := w.start()
		time.Sleep(time.Minute)
		lines, s, err := w.audit(adminAddr, from, to)
		for _, l := range lines {
			if l.Difference != nil && l.Result != audit.DeadLetter && (l.Result != audit.Missing || !held[l.Identity] || l.Published < 2) {
				t.Errorf("%s of %s, published as %d", l.Result, l.Identity, l.Published)
			}
		}
		if n := s.Counts[audit.Missing]; err != nil || n < len(held) || n == 0 || s.Published != n {
			t.Errorf("%d of %d missing, %d published, %v\n%s", n, len(held), s.Published, err, w.log.tail())
		}
		if _, again, err := w.audit(adminAddr, from, to); err != nil || again.Differs {
			t.Errorf("afterwards %+v, %v", again, err)
		}
		w.must(stop())
		for _, r := range w.consume("conversations.voice") {
			if revisionOf(r) < 2 && held[string(r.Key)] {
				t.Errorf("%s begins again at revision 1", r.Key)
			}
		}
	})
}

// slowly are settings with which an audit takes its time.
func slowly(more ...string) map[string]string {
	return withToken(append([]string{"SMARTASSIST_REQUESTS_PER_MINUTE", "10", "SMARTASSIST_PAGE_LIMIT", "10", "REREAD", "4h:1h"}, more...)...)
}

// TestAuditAndTheBrokers: commits meet every loss for so long that sessions end. The audit goes on with the next one, and finds what is
// there and no more.
func TestAuditAndTheBrokers(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: 3 * time.Hour, PerMinute: 1, SurveyBy: -1}, slowly("START_FROM", "3h", "LEASE", "off"), func(w *world) {
		stop := w.start()
		time.Sleep(2 * time.Hour)
		from := bubble.Add(-3 * time.Hour)
		_, quiet, err := w.audit(adminAddr, from, bubble)
		w.must(err)
		began := time.Now()
		w.wire.Decide(func(k kmsg.Key) loss {
			at := time.Since(began)
			switch {
			case k == kmsg.EndTxn && at > time.Minute && at < 3*time.Minute:
				return lost
			case k == kmsg.EndTxn && at > 4*time.Minute && at < 6*time.Minute:
				return unheard
			}
			return arrives
		})
		before := w.log.count("state recovered")
		lines, s, err := w.audit(adminAddr, from, bubble)
		if got := differences(lines); err != nil || len(got) > 0 || s.Differs || s.Counts[audit.Equal] != quiet.Counts[audit.Equal] {
			t.Errorf("%v, %+v, %v; without losses %+v\n%s", got, s, err, quiet, w.log.tail())
		}
		if n := w.log.count("state recovered") - before; n == 0 || time.Since(began) < 2*time.Minute {
			t.Errorf("%d recoveries in %v: the test shows nothing", n, time.Since(began))
		}
		w.must(stop())
		w.verify(w.complete)
	})
}

// TestAuditTakeover: the active worker dies in the middle. The audit ends with what to do, and the one that takes over is asked again.
func TestAuditTakeover(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: 3 * time.Hour, PerMinute: 1, SurveyBy: -1}, slowly("START_FROM", "3h"), func(w *world) {
		active := w.replica()
		w.awaitActive(10*time.Second, active)
		standby := w.replica()
		time.Sleep(time.Hour)
		from := bubble.Add(-3 * time.Hour)
		if _, _, err := w.audit(standby.addr, from, bubble); err == nil || !strings.Contains(err.Error(), "409") || !strings.Contains(err.Error(), "the active one is worker 1") {
			t.Errorf("the standby: %v", err)
		}
		ended := make(chan error)
		go func() {
			_, _, err := w.audit(active.addr, from, bubble)
			ended <- err
		}()
		time.Sleep(time.Minute)
		if _, _, err := w.audit(active.addr, from, bubble); err == nil || !strings.Contains(err.Error(), "409 another audit of the account is under way") {
			t.Errorf("two at once: %v", err)
		}
		active.wire.Cut("")
		w.awaitActive(20*time.Second, standby)
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "no longer the active one") && !strings.Contains(err.Error(), "no progress for 5m0s") {
			t.Errorf("the one that died: %v", err)
		}
		lines, s, err := w.audit(standby.addr, from, bubble)
		if got := differences(lines); err != nil || len(got) > 0 || s.Counts[audit.Equal] < 150 {
			t.Errorf("%v, %+v, %v\n%s", got, s, err, w.log.tail())
		}
		_ = active.stop()
		w.must(standby.stop())
		w.verify(w.complete)
	})
}

// TestAuditBesideLivePolling: a conversation that begins while days are audited is as fresh as without; who asks and goes away ends the audit.
func TestAuditBesideLivePolling(t *testing.T) {
	long(t)
	t.Parallel()
	c := simulator.Config{History: 48 * time.Hour, PerMinute: 2, LateBy: -1, SurveyBy: -1}
	inWorld(t, c, withToken("START_FROM", "1h", "POLL_INTERVAL", "30s", "LEASE", "off", "SMARTASSIST_PAGE_LIMIT", "10"), func(w *world) {
		stop := w.start()
		time.Sleep(10 * time.Minute)
		began := time.Now()
		_, s, err := w.audit(adminAddr, bubble.Add(-48*time.Hour), bubble.Add(-time.Hour))
		took := time.Since(began)
		if err != nil || s.Counts[audit.Missing] < 5000 || s.Published != s.Counts[audit.Missing] { // nobody had asked for them
			t.Errorf("%+v, %v\n%s", s, err, w.log.tail())
		}
		var fresh []time.Duration
		for _, s := range w.stored() {
			if start := s.SessionStartTime; s.Revision == 1 && s.Kind == "contact" && start != nil && s.Supersedes == nil && start.After(began) && start.Before(began.Add(took)) {
				fresh = append(fresh, s.time.Sub(*start))
			}
		}
		if slices.Sort(fresh); len(fresh) == 0 {
			t.Fatalf("no conversation in %v", took)
		}
		p99, worst := fresh[len(fresh)*99/100], fresh[len(fresh)-1]
		t.Logf("%d rows audited in %v with %d requests; %d conversations meanwhile: p99 %v, worst %v", s.Published, took, s.Requests, len(fresh), p99, worst)
		if most := 30*time.Second + 5*smartassist.NewBudget(30).Status().Pace; worst > most {
			t.Errorf("one took %v, want %v", worst, most)
		}
		w.goesAway()
		w.must(stop())
		w.withinBudget()
	})
}

// goesAway asks for an audit and goes away: the poller reads no further.
func (w *world) goesAway() {
	w.t.Helper()
	ctx, leave := context.WithCancel(context.Background())
	answer, code := w.askAudit(ctx, adminAddr, bubble.Add(-48*time.Hour), bubble.Add(-time.Hour))
	time.Sleep(30 * time.Second)
	if passes := w.auditPasses(); code != http.StatusOK || passes != 1 {
		w.t.Errorf("%d, %d audits are being read", code, passes)
	}
	leave()
	_ = answer.Body.Close()
	time.Sleep(30 * time.Second)
	if n := w.auditPasses(); n != 0 {
		w.t.Errorf("%d audits are still being read\n%s", n, w.log.tail())
	}
}

// auditPasses is how many audits are being read.
func (w *world) auditPasses() (n int) {
	for _, p := range w.worker.Status().Poller.Passes {
		if p.Reason == poller.Audit {
			n++
		}
	}
	return n
}
