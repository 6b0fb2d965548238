package fleet

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/poller/simulator"
)

// troubles adds what does not come right by trying again: without it TestSeeds has the faults that pass. Of a seed's trouble,
// the kinds that are asked for are there as they are with all.
var troubles = flag.String("trouble", "all", "TestSeeds: all, none, or some of: seconds flaky clocks service-clock settings behind-end empty calm operator")

// inTrouble tells whether a kind is asked for.
func inTrouble(kind string) bool {
	return *troubles == "all" || slices.Contains(strings.FieldsFunc(*troubles, func(r rune) bool { return r == ',' || r == ' ' }), kind)
}

// kindOfTrouble is what -trouble calls an event.
var kindOfTrouble = map[string]string{
	secondIsBad: "seconds", flakyTime: "flaky", clockSteps: "clocks", serviceSteps: "service-clock", settingChanges: "settings",
}

// The kinds of events that are there with -trouble.
const (
	secondIsBad    = "bad second"
	flakyTime      = "flaky service"
	clockSteps     = "worker's clock steps"
	serviceSteps   = "service's clock steps"
	settingChanges = "setting changed at a restart"
)

// trouble is what such an event is about.
type trouble struct {
	second time.Duration // from the beginning: the bad one
	bad    simulator.BadKind
	heals  bool
	step   time.Duration
	name   string // of the setting
	value  string
}

// String tells it.
func (t trouble) String() string {
	switch {
	case t.bad != "" && t.heals:
		return fmt.Sprintf(" %v (%s)", t.second, t.bad)
	case t.bad != "":
		return fmt.Sprintf(" %v (%s, it stays so)", t.second, t.bad)
	case t.step != 0:
		return fmt.Sprintf(" by %v", t.step)
	case t.name != "":
		return fmt.Sprintf(" to %s=%s", t.name, t.value)
	}
	return ""
}

const (
	startFrom = 15 * time.Minute
	nearBad   = 2 * time.Second  // what windows cannot avoid to ask for with a bad second, on both sides
	healing   = 20 * time.Minute // a second that was mended so long before the end has been read again
	startsUp  = 4 * time.Minute  // after any other fault, until everything runs again
)

// drawTrouble adds it to a plan. In half of the worlds little else happens: then it shows whether new rows get through.
func (p *plan) drawTrouble(dice *rand.Rand) {
	if few := dice.IntN(3); dice.IntN(2) == 0 && inTrouble("calm") {
		p.events = p.events[:min(len(p.events), few)]
	}
	switches := &p.serves.Switches
	switches.ErrorBehindEnd = dice.IntN(8) == 0 && inTrouble("behind-end")
	if switches.Thin > 0 && switches.NumResults == simulator.CountTotal {
		// A page that fails then cannot be told from one that is not there: more rows are counted than are ever shown.
		switches.ErrorBehindEnd = false
	}
	if p.env["SMARTASSIST_PAGE_LIMIT"] == "10" { // nor, in a second that fills a page, from one behind the end
		switches.ErrorBehindEnd = false
	}
	if as := []simulator.EmptyAs{"", "", simulator.EmptyNull, simulator.EmptyAbsent}[dice.IntN(4)]; inTrouble("empty") {
		switches.EmptyAs = as
	}
	for range dice.IntN(3) {
		p.drawBadSecond(dice)
	}
	if dice.IntN(3) == 0 {
		p.trouble(flakyTime, dice, 15*time.Minute, trouble{})
	}
	for range dice.IntN(3) {
		step := []time.Duration{-45 * time.Minute, 2 * time.Hour, 9 * 24 * time.Hour}[dice.IntN(3)]
		p.trouble(clockSteps, dice, time.Duration(1+dice.IntN(6))*time.Minute, trouble{step: step})
		if last := &p.events[len(p.events)-1]; dice.IntN(4) == 0 {
			last.at = 0 // before the worker starts
		}
	}
	if dice.IntN(3) == 0 {
		step := time.Duration(1+dice.IntN(60)) * time.Second
		p.trouble(serviceSteps, dice, 5*time.Minute, trouble{step: []time.Duration{-step, step}[dice.IntN(2)]})
	}
	if dice.IntN(2) == 0 {
		t := []trouble{
			{name: "REREAD", value: "10m:5m"}, {name: "DEDUPLICATE_IGNORE", value: "/userId,/orgId"}, // neither of them changes
			{name: "SMARTASSIST_CHANNELS", value: "voice"}, {name: "POLL_INTERVAL", value: "45s"},
		}[dice.IntN(4)]
		p.trouble(settingChanges, dice, time.Duration(1+dice.IntN(5))*time.Minute, t)
	}
	p.events = slices.DeleteFunc(p.events, func(e event) bool { kind, is := kindOfTrouble[e.kind]; return is && !inTrouble(kind) })
	slices.SortStableFunc(p.events, func(a, b event) int { return int(a.at - b.at) })
}

func (p *plan) trouble(kind string, dice *rand.Rand, lasts time.Duration, t trouble) {
	at := time.Duration(dice.Int64N(int64(eventful - time.Minute)))
	p.events = append(p.events, event{kind: kind, at: at, lasts: lasts, slot: dice.IntN(p.workers), trouble: t})
}

// drawBadSecond puts it into the backlog of the first start, or into what comes; some conversations begin in it.
func (p *plan) drawBadSecond(dice *rand.Rand) {
	t := trouble{bad: simulator.AllBadKinds[dice.IntN(len(simulator.AllBadKinds))], heals: dice.IntN(2) == 0}
	t.second = time.Duration(dice.IntN(int((startFrom+eventful-5*time.Minute)/time.Second)))*time.Second - (startFrom - 3*time.Minute)
	e := event{kind: secondIsBad, at: max(0, t.second), lasts: eventful + calm + 2*narrows, trouble: t}
	if t.heals {
		e.lasts = time.Duration(1+dice.IntN(12)) * time.Minute
	}
	p.events = append(p.events, e)
	p.serves.Burst = append(p.serves.Burst, simulator.Burst{At: bubble.Add(t.second), Rows: 1 + dice.IntN(4)})
}

// withBadSeconds is the service as the events have it.
func (p plan) withBadSeconds() simulator.Config {
	c := p.serves
	for _, e := range p.events {
		switch e.kind {
		case secondIsBad:
			b := simulator.BadSecond{At: bubble.Add(e.second), Kind: e.bad}
			if e.heals {
				b.Until = bubble.Add(e.at + e.lasts)
			}
			c.Faults.BadSeconds = append(slices.Clone(c.Faults.BadSeconds), b)
		case flakyTime:
			rate := map[simulator.Fault]float64{}
			for _, f := range mostlyFlaky {
				rate[f] = 0.3 / float64(len(mostlyFlaky))
			}
			f := simulator.Flaky{From: bubble.Add(e.at), To: bubble.Add(min(e.at+e.lasts, eventful)), Rate: rate}
			c.Faults.Flaky = append(slices.Clone(c.Faults.Flaky), f)
		}
	}
	return c
}

// mostlyFlaky are the faults of a flaky service.
var mostlyFlaky = []simulator.Fault{
	simulator.InternalError, simulator.BadGateway, simulator.Unavailable, simulator.Throttled, simulator.CutBody, simulator.HTMLPage, simulator.Reset,
}

// startClocks sets the clocks that are wrong before the workers start.
func (s *simulation) startClocks() {
	for _, e := range s.events {
		if e.kind == clockSteps && e.at == 0 {
			s.clocks[e.slot].Store(int64(e.step))
		}
	}
}

// troubleOf is the beginning and the end of such an event.
func (s *simulation) troubleOf(e event) (do, undo func()) {
	do, undo = func() {}, func() {}
	switch e.kind {
	case clockSteps:
		do = func() { s.clocks[e.slot].Store(int64(e.step)) }
		undo = func() { s.clocks[e.slot].Store(0) }
		s.journal.ClockOff(e.step)
	case serviceSteps:
		do, undo = func() { s.service.SetSkew(e.step) }, func() { s.service.SetSkew(0) }
	case settingChanges:
		do = func() { s.settings[e.name] = e.value; s.replaceAll() }
		undo = func() { delete(s.settings, e.name); s.replaceAll() }
	}
	begin := do
	return func() { s.count(e.kind); begin() }, undo
}

func (s *simulation) replaceAll() {
	for i := range s.slots {
		s.replace(i)
	}
}

// stretchOfTime is a window that /status tells of.
type stretchOfTime struct{ Start, End time.Time }

// notePartial keeps what the active worker lists as partial.
func (s *simulation) notePartial() {
	for _, l := range s.slots {
		p := l.worker.Status().Poller
		if p == nil || l.worker.Role() != admin.Active {
			continue
		}
		var status struct{ Partial []stretchOfTime }
		text, err := json.Marshal(p)
		if err == nil {
			err = json.Unmarshal(text, &status)
		}
		if err != nil {
			s.problem("status: %v", err)
		}
		s.partial = append(s.partial, status.Partial...)
		s.passes = append(s.passes, p.Passes...)
	}
}

// healed tells whether the second was mended long enough ago. It is tried again after as long as it failed, and where that try meets
// another fault, or the service was flaky, after twice as long.
func (s *simulation) healed(e event) bool {
	mended := e.at + e.lasts
	for _, f := range s.events {
		if f.kind == flakyTime {
			mended = max(mended, min(f.at+f.lasts, eventful))
		}
	}
	return e.heals && mended <= eventful+s.calms()-healing-2*e.lasts
}

// zone is what lies so near to a bad second that no window can avoid it.
func (e event) zone() (from, to time.Time) {
	at := bubble.Add(e.second)
	return at.Add(-nearBad), at.Add(nearBad)
}

// bad is the bad second that the instant is too near to, if it still is one; of two the one that leaves no rows to be taken from a
// page that it tears.
func (s *simulation) bad(t time.Time) (worst event, found bool) {
	for _, e := range s.events {
		from, to := e.zone()
		if e.kind == secondIsBad && !s.healed(e) && !t.Before(from) && t.Before(to) && (!found || worst.bad.Tears()) {
			worst, found = e, true
		}
	}
	return worst, found
}

// excused tells whether a row need not be in the topics: every window that shows it fails, and not by a break of the page.
func (s *simulation) excused(row simulator.Row) bool {
	atStart, badStart := s.bad(row.Start)
	atEnd, badEnd := s.bad(row.End)
	badStart, badEnd = badStart && !atStart.bad.Tears(), badEnd && !atEnd.bad.Tears()
	switch s.serves.Switches.FilterBy {
	case simulator.ByEnd:
		return badStart || badEnd
	case simulator.ByOverlap: // one that ended just now has only just come into other windows
		return badStart && (badEnd || row.End.After(time.Now().Add(-5*time.Minute)))
	}
	return badStart
}

// notStuck holds that no failure cost more than the second it belongs to.
func (s *simulation) notStuck(r *verify.Report) {
	now := time.Now()
	settled := now.Add(-10 * time.Minute)
	if r.CompleteThrough.Before(settled) && !s.stopsRightly(r.CompleteThrough) {
		s.problem("stuck: complete through %v, %v ago; partial %v", r.CompleteThrough, now.Sub(r.CompleteThrough), s.partial)
	}
	from := latest(r.FirstRead(), s.began).Add(time.Minute - startFrom) // the first read may bear the time of a clock that was behind
	for row := range s.service.RowsAt(now, from, settled) {
		if !r.Holds(row) && !s.excused(row) {
			s.problem("stuck: %s (session %s) of %v is not in the topics", row.Key.Identity, row.Key.Session, row.Start.Format(time.TimeOnly))
		}
	}
	for _, gap := range r.Uncovered(latest(from, r.CompleteFrom), settled, 2*time.Minute) {
		_, first := s.bad(gap[0])
		_, last := s.bad(gap[1])
		if !first || !last || gap[1].Sub(gap[0]) > 4*nearBad {
			s.problem("stuck: %v to %v was never read once it had settled", gap[0].Format(time.TimeOnly), gap[1].Format(time.TimeOnly))
		}
	}
	s.newRowsGotThrough(r, now)
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// stopsRightly tells whether completeThrough may stand there: at a bad second that is listed as partial.
func (s *simulation) stopsRightly(through time.Time) bool {
	_, bad := s.bad(through)
	return bad && slices.ContainsFunc(s.partial, func(w stretchOfTime) bool { return !w.Start.After(through) && w.End.After(through) })
}

// newRowsGotThrough holds that a row was read some minutes after the service showed it, if nothing but trouble was there meanwhile.
func (s *simulation) newRowsGotThrough(r *verify.Report, now time.Time) {
	for row := range s.service.RowsAt(now, s.began, now) {
		shown, limit := row.Shown, s.patience(row.Shown)
		if shown.Before(s.began.Add(startsUp)) || shown.Add(limit).After(now) || s.disturbed(shown, shown.Add(limit)) || s.nearAnyBad(row) {
			continue
		}
		if at, met := r.Met(row.Key); !met || at.After(shown.Add(limit)) {
			after := "never"
			if met {
				after = at.Sub(shown).Round(time.Second).String()
			}
			s.problem("stuck: %s (session %s) was shown at %v and read after: %s", row.Key.Identity, row.Key.Session, shown.Format(time.TimeOnly), after)
		}
	}
}

// patience is how long after it was shown a row may be read. Requests that hang take their time, and where windows
// take ten requests each, so does every step on the way to a bad second.
func (s *simulation) patience(shown time.Time) time.Duration {
	interval, _ := time.ParseDuration(s.env["POLL_INTERVAL"])
	limit := 3*time.Minute + 2*interval
	narrowing, slow := false, false
	for _, e := range s.events {
		if !shown.Add(limit).After(bubble.Add(e.at)) || !shown.Before(bubble.Add(e.at+e.lasts)) {
			continue
		}
		narrowing = narrowing || e.kind == secondIsBad
		slow = slow || e.kind == flakyTime || e.bad == simulator.BadHang
	}
	if narrowing && s.dear() {
		limit *= 2
	}
	if slow { // a dozen questions of 20 s lie between a window and the second in it that hangs
		limit += 4 * time.Minute
	}
	return limit
}

// nearAnyBad tells whether the row lies at a second that is or was bad.
func (s *simulation) nearAnyBad(row simulator.Row) bool {
	for _, e := range s.events {
		if e.kind != secondIsBad {
			continue
		}
		from, to := e.zone()
		for _, t := range []time.Time{row.Start, row.End} {
			if !t.Before(from) && t.Before(to) {
				return true
			}
		}
	}
	return false
}

// disturbed tells whether anything else happens from one instant to the other that keeps workers from working.
func (s *simulation) disturbed(from, to time.Time) bool {
	during := func(at, until time.Duration) bool {
		return from.Before(bubble.Add(until+startsUp)) && to.After(bubble.Add(at))
	}
	if during(eventful, eventful) { // all are mended, and started where they are not
		return true
	}
	for _, e := range s.events {
		end := min(e.at+e.lasts, eventful)
		switch e.kind {
		case secondIsBad, flakyTime, clockSteps, serviceSteps, operatorBackfills, operatorCancels, operatorAccepts, operatorAudits:
		case settingChanges:
			if during(e.at, e.at) || during(end, end) || e.name == "SMARTASSIST_CHANNELS" && during(e.at, end) {
				return true
			}
		case serviceSays: // each answer that refuses the login, of all that are still to be given, costs a minute
			if during(e.at, end+s.refusals()) {
				return true
			}
		default:
			if during(e.at, end) {
				return true
			}
		}
	}
	return false
}

// refusals is how long the answers that refuse the login may keep a worker from asking.
func (s *simulation) refusals() (d time.Duration) {
	for _, e := range s.events {
		if e.kind == serviceSays && e.fault == simulator.Unauthorized {
			d += time.Duration(e.times) * time.Minute
		}
	}
	return d
}
