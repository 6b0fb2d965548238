package fleet

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/poller/simulator"
)

// plan is a random world and everything that happens in it, drawn before it begins: so a failure can be told, and made
// shorter.
type plan struct {
	seed             uint64
	brokers, workers int
	lease            bool
	env              map[string]string
	serves           simulator.Config
	events           []event
}

// event is one thing that happens.
type event struct {
	kind      string
	at, lasts time.Duration
	slot      int // of the worker
	key       kmsg.Key
	loss      loss
	code      *kerr.Error
	fault     simulator.Fault
	times     int
	trouble
	wish
}

// The kinds of events.
const (
	requestsGo  = "requests go astray"
	brokersSay  = "brokers answer"
	serviceSays = "service answers"
	workerDies  = "worker killed"
	workerGoes  = "worker replaced" // a new one comes, then it is told to end
	workerStops = "worker frozen"
	workerIsCut = "worker cut off from the brokers"
	brokersAway = "all brokers away"
	brokerGone  = "a broker gone"
)

// String tells it.
func (e event) String() string {
	s := fmt.Sprintf("%v: %s", e.at.Round(time.Second), e.what())
	switch e.kind {
	case requestsGo, brokersSay, serviceSays:
		s += fmt.Sprintf(", %d times", e.times)
	case workerDies, workerGoes, workerStops, workerIsCut:
		s += fmt.Sprintf(", worker %d", e.slot)
	}
	s += e.trouble.String() + e.wish.String()
	return s + fmt.Sprintf(", for %v", e.lasts.Round(time.Second))
}

// what is the fault that is counted.
func (e event) what() string {
	switch e.kind {
	case requestsGo:
		return fmt.Sprintf("%s %s", nameOf(e.key), []string{"", "lost", "answered, the answer lost", "answered slowly", "delayed past its timeout"}[e.loss])
	case brokersSay:
		return fmt.Sprintf("%s answered %s", nameOf(e.key), e.code.Message)
	case serviceSays:
		return fmt.Sprintf("HTTP answered %s", e.fault)
	}
	return e.kind
}

func nameOf(key kmsg.Key) string {
	if key == overHTTP {
		return "HTTP"
	}
	return key.Name()
}

const (
	eventful = 20 * time.Minute // of a simulation
	calm     = 13 * time.Minute // at its end, to catch up
	narrows  = 9 * time.Minute  // longer, where a second stays bad: each question about it may take 20 s
)

// dear tells that a window takes some ten requests before it is known that it was all.
func (p plan) dear() bool {
	return p.serves.Switches.LimitPerSource || p.serves.Switches.ErrorBehindEnd
}

// calms is how long it is calm at the end: for longer where each window on the way to a bad second takes ten requests.
func (p plan) calms() time.Duration {
	for _, e := range p.events {
		switch {
		case e.kind != secondIsBad || e.heals:
		case p.dear():
			return calm + 2*narrows
		default:
			return calm + narrows
		}
	}
	return calm
}

func drawPlan(seed uint64) plan {
	dice := rand.New(rand.NewPCG(seed, 11))
	p := plan{seed: seed, brokers: 1 + dice.IntN(3), workers: 2 + dice.IntN(2), lease: dice.IntN(8) > 0}
	if !p.lease {
		p.workers = 1
	}
	p.serves = simulator.Config{
		Seed: seed, History: 20 * time.Minute, PerMinute: 0.5 + 2*dice.Float64(), Faults: simulator.Mixed(0.1 * dice.Float64()),
		Switches: randomSwitches(dice),
	}
	delete(p.serves.Faults.Rate, simulator.BrokenRow) // whose row may not yet have been read again whole
	p.env = map[string]string{
		"TOPIC_PARTITIONS": "2", "START_FROM": "15m", "LEASE_TIMEOUT": "30s", "REREAD": "10m:5m,1h:15m",
		"POLL_INTERVAL":          []string{"30s", "1m", "2m"}[dice.IntN(3)],
		"SMARTASSIST_PAGE_LIMIT": []string{"10", "100"}[dice.IntN(2)],
	}
	if !p.lease {
		p.env["LEASE"] = "off"
	}
	if p.env["SMARTASSIST_PAGE_LIMIT"] == "10" {
		// That pages which are not full are not the last is found out by an audit of every fiftieth window; what was covered
		// before that is then read again. Half an hour is too short for that: see TestEveryReadingOfTheDocuments.
		p.serves.Switches.Thin = 0
		p.serves.PerMinute /= 3 // or it is more than the budget carries
	}
	for range 4 + dice.IntN(12) {
		p.events = append(p.events, p.drawEvent(dice))
	}
	if *troubles != "none" {
		p.drawTrouble(rand.New(rand.NewPCG(seed, 12)))
	}
	if inTrouble("operator") {
		p.drawOperator(rand.New(rand.NewPCG(seed, 13)))
	}
	slices.SortStableFunc(p.events, func(a, b event) int { return int(a.at - b.at) })
	return p
}

// aboutARecord are the answers that say that a record will never be taken: its row is then a dead letter, and rightly not the
// newest revision in the topics. See poison_test.go.
var aboutARecord = codes{kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidTimestamp, kerr.InvalidRecord}

// drawEvent draws one.
func (p plan) drawEvent(dice *rand.Rand) event {
	seconds := func(most int) time.Duration { return time.Duration(1+dice.IntN(most)) * time.Second }
	e := event{at: time.Duration(dice.Int64N(int64(eventful - time.Minute))), lasts: seconds(120), slot: dice.IntN(p.workers), times: 1 + dice.IntN(4)}
	row := theMatrix[dice.IntN(len(theMatrix))]
	switch n := dice.IntN(20); {
	case n < 6:
		e.kind, e.key, e.loss, e.lasts = requestsGo, row.key, loss(1+dice.IntN(4)), 5*time.Minute
		if e.key == overHTTP { // a request that comes late counts for the minute in which it comes
			e.loss = loss(1 + dice.IntN(2))
		}
	case n < 10 && row.key != overHTTP:
		e.kind, e.key, e.code, e.lasts = brokersSay, row.key, row.codes[dice.IntN(len(row.codes))], 5*time.Minute
		if slices.Contains(aboutARecord, e.code) {
			e.code = kerr.NotEnoughReplicas
		}
	case n < 12:
		e.kind, e.fault = serviceSays, simulator.AllFaults[dice.IntN(len(simulator.AllFaults)-1)]
	case n < 14:
		e.kind = workerDies
	case n < 16:
		e.kind = workerGoes
	case n < 17:
		e.kind = workerStops
	case n < 18:
		e.kind = workerIsCut
	case n < 19 && p.brokers > 1:
		e.kind, e.slot = brokerGone, dice.IntN(p.brokers)
	default:
		e.kind = brokersAway
	}
	return e
}

// String tells the whole plan.
func (p plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d brokers, %d workers, %v, %.1f conversations a minute, %+v\n", p.brokers, p.workers, p.env, p.serves.PerMinute, p.serves.Switches)
	for _, e := range p.events {
		fmt.Fprintf(&b, "  %v\n", e)
	}
	return b.String()
}
