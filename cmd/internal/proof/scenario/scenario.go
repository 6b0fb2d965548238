// Package scenario holds what a worker must survive, told once and played in two worlds: in virtual time with an embedded
// broker (cmd/internal/worker), and in real time with processes of the built binary on Apache Kafka (cmd/convstream).
//
// A scenario knows workers by their ids and nothing of how they run. At its end package verify holds the topics against
// what the service served; that is the judgement, and a scenario adds to it only what is its own.
package scenario

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
)

// World is a simulated service, a Kafka cluster, and the workers between them. Whatever goes wrong in it ends the test.
type World interface {
	// Start starts a worker. Two that live at the same time have different ids; env is beside the world's settings.
	Start(id string, env map[string]string) Worker
	// Wait lets so many poll intervals pass.
	Wait(polls int)
	// Pass lets so much of the world's time pass, for what does not go by poll intervals.
	Pass(time.Duration)
	// AwaitCommits waits until a read_committed consumer sees so many commits more than now.
	AwaitCommits(n int)
	// AwaitComplete waits until a commit says that everything before now is there.
	AwaitComplete()
	// Break does what the fault says and gives what ends it.
	Break(Fault) (mend func())
	// Check holds the topics against the service; the world's workers have ended.
	Check() *verify.Report
	// WithinBudget holds the requests against the budget of one worker.
	WithinBudget()
	// Dice are the world's; its seed is in the test's log.
	Dice() *rand.Rand
}

// Worker is one run of convstream.
type Worker interface {
	// Kill ends it as kill -9 does, now.
	Kill()
	// KillIn ends it like that at a moment of its transactions.
	KillIn(Moment)
	// Drain ends it as an orchestrator does, and holds that it ended well.
	Drain()
	// Freeze stops it where it stands, as SIGSTOP does, until Thaw.
	Freeze()
	// FreezeIn stops it like that at a moment of its transactions.
	FreezeIn(Moment)
	Thaw()
	// Fenced waits until it has ended by itself because another one took over.
	Fenced()
	// Role is what it says it is doing; "" while it cannot be asked.
	Role() Role
	// Requests tells how many it has made to the service.
	Requests() int
}

// Role is what a worker with a lease does.
type Role string

// The roles of a worker that is past its start.
const (
	Active  Role = "active"
	Standby Role = "standby"
)

// Moment is one of a worker's transactions: at a request of them, counted from 1 from now on. With After 0 that request
// does not reach the broker, else it does, and the moment is so much later.
type Moment struct {
	Request int
	Ends    bool // only requests that end a transaction count
	After   time.Duration
}

// String tells it.
func (m Moment) String() string {
	what := "request of a transaction"
	if m.Ends {
		what = "end of a transaction"
	}
	if m.After == 0 {
		return fmt.Sprintf("before %s number %d", what, m.Request)
	}
	return fmt.Sprintf("%v after %s number %d", m.After.Round(time.Microsecond), what, m.Request)
}

// AMoment draws one after a commit began. A commit on Apache Kafka is some ten requests, and some tens of milliseconds; of
// these its end is the shortest part, and the one that matters most.
func AMoment(dice *rand.Rand) Moment {
	m := Moment{Request: 1 + dice.IntN(12)}
	if dice.IntN(3) == 0 {
		m = Moment{Request: 1 + dice.IntN(2), Ends: true}
	}
	switch longest := 40 * time.Millisecond; {
	case dice.IntN(2) == 0:
	case m.Ends:
		m.After = 1 + time.Duration(dice.Int64N(int64(longest/4)))
	default:
		m.After = 1 + time.Duration(dice.Int64N(int64(longest)))
	}
	return m
}

// Fault is what breaks.
type Fault string

// The faults. LeaderDies and the like end the broker as kill -9 does; mending starts it again.
const (
	BrokersDie      Fault = "all brokers die"
	LeaderDies      Fault = "the leader of the progress topic dies"
	CoordinatorDies Fault = "the coordinator of the transaction dies"
	TooFewReplicas  Fault = "fewer replicas than must be in sync"
	NetworkCut      Fault = "the network to the brokers is cut"
	NetworkSlow     Fault = "the network to the brokers is slow"
	HalfClosed      Fault = "connections are closed on the way back" // once; nothing to mend
)

// Scenario is a story of workers and faults. It ends with no worker left, and with everything complete until then.
type Scenario struct {
	Name string
	// Breaks tells that it does something to the brokers themselves: not beside others on one cluster.
	Breaks bool
	Play   func(t *testing.T, w World)
}

// All are the scenarios.
func All() []Scenario {
	out := []Scenario{
		{Name: "polls and drains", Play: pollsAndDrains},
		{Name: "killed in commits", Play: killedInCommits},
		{Name: "two at once", Play: twoAtOnce},
		{Name: "frozen while another takes over", Play: frozen},
		{Name: "frozen for a moment", Play: frozenForAMoment},
		{Name: "frozen in a commit beyond its timeout", Play: frozenInACommit},
		{Name: "the network breaks", Play: networkBreaks},
		{Name: "a rolling update", Play: rollingUpdate},
		{Name: "the active one is killed", Play: activeKilled},
		{Name: "the active one is frozen", Play: activeFrozen},
		{Name: "the standby is killed", Play: standbyKilled},
		{Name: "both are killed", Play: bothKilled},
	}
	for _, f := range []Fault{BrokersDie, LeaderDies, CoordinatorDies, TooFewReplicas} {
		out = append(out, Scenario{Name: string(f), Breaks: true, Play: func(t *testing.T, w World) { broken(w, f) }})
	}
	return out
}
