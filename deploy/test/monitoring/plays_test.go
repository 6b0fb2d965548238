package monitoring

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/rulefmt"
)

// began is when the plays begin.
var began = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// deployment is a plain model of what the replicas of a Deployment export: pods by name, accounts, and who works on each.
type deployment struct {
	accounts []string
	pods     []string
	active   map[string]string // account to pod
	started  map[string]int    // pod to the minute in which it came
	moving   []string          // accounts that nobody works on in the next scrape, since they move
}

func newDeployment(accounts, pods int) *deployment {
	d := &deployment{active: map[string]string{}, started: map[string]int{}}
	for i := range pods {
		d.come(fmt.Sprint("p-", i), 0)
	}
	for i := range accounts {
		d.accounts = append(d.accounts, fmt.Sprint("a-", i))
		d.active[d.accounts[i]] = d.pods[i%pods]
	}
	return d
}

// come adds a pod, which takes its share.
func (d *deployment) come(pod string, minute int) {
	d.pods = append(d.pods, pod)
	d.started[pod] = minute
	for _, account := range d.accounts {
		if d.works(d.active[account]) > d.works(pod)+1 {
			d.active[account] = pod
			d.moving = append(d.moving, account)
		}
	}
}

// leave drains a pod: its accounts go to those that work on the fewest.
func (d *deployment) leave(pod string) {
	d.pods = slices.DeleteFunc(d.pods, func(p string) bool { return p == pod })
	for _, account := range d.accounts {
		if d.active[account] == pod {
			d.active[account] = slices.MinFunc(d.pods, func(a, b string) int { return d.works(a) - d.works(b) })
			d.moving = append(d.moving, account)
		}
	}
}

func (d *deployment) works(pod string) (n int) {
	for _, p := range d.active {
		if p == pod {
			n++
		}
	}
	return n
}

// of is the name of an account's series on a pod.
func of(name, account, pod string, more ...string) string {
	return fmt.Sprintf("convstream_%s{job=%q,pod=%q,account=%q%s}", name, "c/convstream", pod, account, strings.Join(append([]string{""}, more...), ","))
}

// onPod is the name of a pod's own series.
func onPod(name, pod string) string {
	return fmt.Sprintf("convstream_%s{job=%q,pod=%q}", name, "c/convstream", pod)
}

// scrape returns what is scraped in a minute in which all is well.
func (d *deployment) scrape(minute int) scrape {
	s := scrape{}
	for _, pod := range d.pods {
		for _, name := range []string{"accounts_ended", "account_files_wrong"} {
			s[onPod(name, pod)] = 0
		}
		s[onPod("accounts", pod)] = float64(len(d.accounts))
		s[onPod("group_joined", pod)] = 1
		for _, account := range d.accounts {
			d.account(s, minute, account, pod)
		}
	}
	for _, account := range d.moving {
		s[of("active", account, d.active[account])] = 0
	}
	d.moving = nil
	return s
}

func (d *deployment) account(s scrape, minute int, account, pod string) {
	now := float64(began.Unix() + int64(minute)*60)
	for _, name := range []string{"active", "service_trouble", "kafka_trouble", "partial_windows", "failing_windows", "service_clock_behind_seconds", "service_clock_ahead_seconds", "last_row_timestamp_seconds"} {
		s[of(name, account, pod)] = 0
	}
	lived := float64(minute - d.started[pod])
	s[of("last_stable_offset_lag", account, pod, `topic="state"`)] = float64(minute % 2)
	s[of("last_stable_offset_lag", account, pod, `topic="progress"`)] = 2 * float64(len(d.accounts)-1) // of other accounts' transactions
	s[of("rows_total", account, pod, `result="dead_lettered"`)] = 0
	s[of("requests_total", account, pod, `outcome="ok"`)] = 0
	if d.active[account] != pod {
		return
	}
	s[of("active", account, pod)] = 1
	s[of("complete_through_timestamp_seconds", account, pod)] = now - 150
	s[of("last_row_timestamp_seconds", account, pod)] = now - 20
	s[of("requests_total", account, pod, `outcome="ok"`)] = 10 * lived
	for le, rows := range freshness {
		s[of("freshness_seconds_bucket", account, pod, fmt.Sprintf("le=%q", le))] = rows * lived
	}
}

// freshness is how many new rows are committed in a minute within how many seconds.
var freshness = map[string]float64{"16": 1, "32": 3, "64": 5, "256": 5, "512": 5, "+Inf": 5}

// week returns a normal week: a rolling update every day, one pod that crashes, short troubles, requests that are throttled one by one.
func (d *deployment) week(dice *rand.Rand) (all []scrape) {
	const day = 24 * 60
	pods := len(d.pods)
	late, dead := 0, 0.0 // minutes of the present trouble
	for minute := range 7 * day {
		if at := minute % day; at >= 600 && at < 600+4*pods { // one comes, then one goes
			switch at % 4 {
			case 0:
				d.come(fmt.Sprint("p-", minute), minute)
			case 2:
				d.leave(d.pods[0])
			}
		}
		if minute == 3*day {
			d.leave(d.pods[0])
			d.come("p-again", minute+1)
		}
		if late == 0 && dice.IntN(180) == 0 {
			late = 1 + dice.IntN(8)
		}
		late = max(0, late-1)
		s := d.scrape(minute)
		for _, account := range d.accounts {
			pod := d.active[account]
			if late > 0 {
				s[of("service_trouble", account, pod)] = 1
				s[of("failing_windows", account, pod)] = 2
				s[of("complete_through_timestamp_seconds", account, pod)] -= 60 * 8
			}
			s[of("requests_total", account, pod, `outcome="throttled"`)] = float64((minute - d.started[pod]) / 20)
			s[of("rows_total", account, pod, `result="dead_lettered"`)] = dead
		}
		all = append(all, s)
	}
	return all
}

// TestNormalWeek: nobody is called in a week with rolling updates, a crash and short troubles.
func TestNormalWeek(t *testing.T) {
	all := rules(t)
	for _, size := range []struct{ accounts, pods int }{{1, 2}, {4, 3}} {
		d := newDeployment(size.accounts, size.pods)
		for _, e := range stored(t, began, d.week(rand.New(rand.NewPCG(1, uint64(size.pods))))).alerts(t, all) {
			t.Errorf("%d accounts: %s fires from minute %d to %d for %v", size.accounts, e.alert, e.from, e.to, e.sample.Metric)
		}
	}
}

// play is a trouble from minute 60 on, for as long as it lasts.
type play struct {
	alert  string
	lasts  int
	within int // minutes until it must have fired
	after  int // minutes until it must have ended, once the trouble is over
	also   []string
	spoil  func(d *deployment, s scrape, minute int) // in each minute of the trouble, which is counted from its beginning
	scar   func(d *deployment, s scrape)             // in each minute after it
}

// acts is the play of a trouble with Deployment of three accounts on two replicas.
func (p play) acts() (all []scrape) {
	d := newDeployment(3, 2)
	for minute := range 60 + p.lasts + p.after + 30 {
		s := d.scrape(minute)
		switch since := minute - 60; {
		case since >= 0 && since < p.lasts:
			p.spoil(d, s, since)
		case since >= p.lasts && p.scar != nil:
			p.scar(d, s)
		}
		all = append(all, s)
	}
	return all
}

// active sets a metric of the active replica of the first account.
func active(name string, v float64, more ...string) func(*deployment, scrape, int) {
	return func(d *deployment, s scrape, _ int) { s[of(name, "a-0", d.active["a-0"], more...)] = v }
}

// own sets a metric of the first replica.
func own(name string, v float64) func(*deployment, scrape, int) {
	return func(d *deployment, s scrape, _ int) { s[onPod(name, d.pods[0])] = v }
}

// stands makes completeThrough stand where it was when the trouble began.
func stands(d *deployment, s scrape, since int) {
	s[of("complete_through_timestamp_seconds", "a-0", d.active["a-0"])] -= 60 * float64(since)
}

// letters are dead letters that came once.
func letters(d *deployment, s scrape) {
	s[of("rows_total", "a-0", d.active["a-0"], `result="dead_lettered"`)] = 3
}

func plays() []play {
	return []play{
		{alert: "ConvstreamAbsent", lasts: 20, within: 6, after: 1, spoil: func(_ *deployment, s scrape, _ int) { clear(s) }},
		{alert: "ConvstreamAccountWithoutWorker", lasts: 20, within: 3, after: 1, spoil: active("active", 0)},
		{alert: "ConvstreamNoProgress", lasts: 40, within: 23, after: 1, spoil: stands},
		{alert: "ConvstreamBehind", lasts: 90, within: 65, after: 1, also: []string{"ConvstreamNoProgress"}, spoil: stands},
		{alert: "ConvstreamRowsLate", lasts: 60, within: 30, after: 16, spoil: late, scar: laterAgain(60)},
		{alert: "ConvstreamCommitsFail", lasts: 20, within: 6, after: 4, spoil: active("kafka_trouble", 1)},
		{alert: "ConvstreamServiceUnreadable", lasts: 30, within: 11, after: 1, spoil: active("service_trouble", 1)},
		{alert: "ConvstreamThrottled", lasts: 60, within: 50, after: 16, spoil: throttled, scar: func(d *deployment, s scrape) { throttled(d, s, 60) }},
		{alert: "ConvstreamTwoActive", lasts: 20, within: 3, after: 1, spoil: func(_ *deployment, s scrape, _ int) { s[of("active", "a-0", "p-1")] = 1 }},
		{alert: "ConvstreamTransactionOpen", lasts: 40, within: 17, after: 1, spoil: func(d *deployment, s scrape, since int) {
			s[of("last_stable_offset_lag", "a-0", d.active["a-0"], `topic="state"`)] = 20 + float64(since)
		}},
		{alert: "ConvstreamDeadLetters", lasts: 10, within: 3, after: 61, spoil: func(d *deployment, s scrape, _ int) { letters(d, s) }, scar: letters},
		{alert: "ConvstreamPartialWindows", lasts: 15, within: 6, after: 1, spoil: active("partial_windows", 2)},
		{alert: "ConvstreamFailingWindows", lasts: 30, within: 16, after: 1, spoil: active("failing_windows", 2)},
		{alert: "ConvstreamNoNewRows", lasts: 26 * 60, within: 24*60 + 16, after: 1, spoil: func(d *deployment, s scrape, since int) {
			s[of("last_row_timestamp_seconds", "a-0", d.active["a-0"])] -= 60 * float64(since)
		}},
		{alert: "ConvstreamClocksDiffer", lasts: 20, within: 11, after: 1, spoil: active("service_clock_behind_seconds", 90)},
		{alert: "ConvstreamClocksDiffer", lasts: 20, within: 11, after: 1, spoil: active("service_clock_ahead_seconds", 90)},
		{alert: "ConvstreamAccountEnded", lasts: 10, within: 2, after: 1, spoil: own("accounts_ended", 1)},
		{alert: "ConvstreamAccountFileWrong", lasts: 10, within: 2, after: 1, spoil: own("account_files_wrong", 1)},
		{alert: "ConvstreamAccountsDiffer", lasts: 20, within: 6, after: 1, spoil: own("accounts", 4)},
		{alert: "ConvstreamReplicaOutOfGroup", lasts: 10, within: 3, after: 1, spoil: own("group_joined", 0)},
		{alert: "ConvstreamUnevenSpread", lasts: 30, within: 16, after: 1, spoil: func(d *deployment, s scrape, _ int) {
			for _, account := range d.accounts {
				s[of("active", account, "p-0")], s[of("active", account, "p-1")] = 1, 0
				s[of("complete_through_timestamp_seconds", account, "p-0")] = s[of("complete_through_timestamp_seconds", account, d.active[account])]
			}
		}},
	}
}

// late makes rows come six minutes late: those of the trouble are in a higher bucket.
func late(d *deployment, s scrape, since int) {
	for _, le := range []string{"16", "32", "64", "256"} {
		s[of("freshness_seconds_bucket", "a-0", d.active["a-0"], fmt.Sprintf("le=%q", le))] -= freshness[le] * float64(since)
	}
}

func laterAgain(lasted int) func(*deployment, scrape) {
	return func(d *deployment, s scrape) { late(d, s, lasted) }
}

// throttled makes two requests of twelve fail.
func throttled(d *deployment, s scrape, since int) {
	s[of("requests_total", "a-0", d.active["a-0"], `outcome="throttled"`)] = 2 * float64(since)
}

// TestEveryAlertFiresAndEnds plays a trouble for each alert: it fires in time, tells of it, and ends; no other fires, but those that mean
// the same trouble.
func TestEveryAlertFiresAndEnds(t *testing.T) {
	all := rules(t)
	unplayed := map[string]rulefmt.Rule{}
	for _, r := range all {
		unplayed[r.Alert] = r
	}
	for _, p := range plays() {
		delete(unplayed, p.alert)
		t.Run(p.alert, func(t *testing.T) {
			fired := 0
			for _, e := range stored(t, began, p.acts()).alerts(t, all) {
				switch {
				case slices.Contains(p.also, e.alert):
				case e.alert != p.alert:
					t.Errorf("%s fires, too, from minute %d to %d", e.alert, e.from, e.to)
				case e.from < 60 || e.from > 60+p.within || e.to > 60+p.lasts+p.after:
					t.Errorf("fires from minute %d to %d of a trouble from 60 to %d", e.from, e.to, 60+p.lasts)
				default:
					fired++
					i := slices.IndexFunc(all, func(r rulefmt.Rule) bool { return r.Alert == e.alert })
					t.Log(told(t, all[i], e.sample)["description"])
				}
			}
			if fired != 1 {
				t.Errorf("fired %d times", fired)
			}
		})
	}
	for name := range unplayed {
		t.Errorf("%s is played nowhere", name)
	}
}
