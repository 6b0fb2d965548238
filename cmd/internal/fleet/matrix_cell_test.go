package fleet

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/cmd/internal/worker"
)

// The outcomes of a cell.
const (
	goesOn    = "goes on"                         // as if nothing had been
	asksAgain = "asks again"                      // the service, after a pause; log and /status tell of it
	recovers  = "recovers, goes on"               // a new session: state read, new epoch
	stepsBack = "steps back, goes on"             // stands by first: another one may hold the lease
	drains    = "drains"                          // what it was told to
	ends      = "exit 1: "                        // and what it says
	replaced  = "its successor recovers, goes on" // the worker was killed at that moment
	notSent   = "not sent"
)

// The ways to live through a mishap: the columns of a row's table.
const (
	withLease = "LEASE=on"
	killed    = "LEASE=on, killed at that moment"
	unleased  = "LEASE=off"
)

var ways = []string{withLease, killed, unleased}

// cell is one cell of the matrix, while it is played in a world.
type cell struct {
	*world
	asked
	mishap
	way string

	armed atomic.Bool
	met   chan struct{} // closed when the mishap happened
	meet  func()        // closes it
	at    time.Time     // when
	keys  map[kmsg.Key]bool
}

// matrixWorld is a short history, and a service that is asked all the time.
var matrixWorld = map[string]string{"START_FROM": "10m", "POLL_INTERVAL": "30s", "REREAD": "1h:5m"}

func newCell(w *world, a asked, m mishap, way string) *cell {
	c := &cell{world: w, asked: a, mishap: m, way: way, met: make(chan struct{}), keys: map[kmsg.Key]bool{}}
	c.meet = sync.OnceFunc(func() { c.at = time.Now(); close(c.met) })
	return c
}

// applies tells whether the request is made at all that way.
func (a asked) applies(way string) bool {
	group := a.key >= kmsg.JoinGroup && a.key <= kmsg.SyncGroup || a.about == leaseGroup
	return way != unleased || !group
}

// play lets the mishap happen, holds the topics against the service, and tells what came of it.
func (c *cell) play() (outcome string) {
	if c.way == unleased {
		c.env["LEASE"] = "off"
	}
	c.wire.LateBy = 70 * time.Second // longer than any timeout
	c.wire.DecideAll(c.fate)
	if c.in == again {
		c.run(2 * time.Minute)
	}
	c.setUp()
	c.armed.Store(c.in == first || c.in == again)
	before := len(c.log.String())
	stop := c.start()
	if c.in == working || c.in == draining {
		time.Sleep(2*time.Minute + 137*time.Millisecond)
		c.armed.Store(true)
	}
	outcome = c.lived(stop)
	if outcome == goesOn {
		outcome = seen(c.log.String()[before:])
	}
	c.judge()
	return outcome
}

// setUp has the broker or the service answer as the mishap says.
func (c *cell) setUp() {
	if c.code == nil {
		return
	}
	fault := kfake.Fault{
		Keys: []kmsg.Key{c.key}, Err: c.code, Count: 1, TopLevel: strings.HasPrefix(c.what, "FETCH_SESSION"),
		When: func(r kmsg.Request) bool {
			if m, ok := r.(*kmsg.MetadataRequest); !c.armed.Load() || ok && !asksOf(m, workersTopic) {
				return false
			}
			c.meet()
			return true
		},
	}
	switch c.about {
	case leaseGroup:
		fault.Group = leaseGroup
	case transactionalID:
		fault.TxnID = transactionalID
	}
	c.cluster.Fault(fault)
}

func asksOf(r *kmsg.MetadataRequest, topic string) bool {
	return slices.ContainsFunc(r.Topics, func(t kmsg.MetadataRequestTopic) bool { return t.Topic != nil && *t.Topic == topic })
}

// lived is what became of the worker, as far as one sees from outside.
func (c *cell) lived(stop func() error) string {
	if c.in == draining {
		return c.drained(stop)
	}
	select {
	case <-c.met:
	case <-time.After(10 * time.Minute):
		c.t.Fatalf("the request was not made: the cell shows nothing\n%s", c.log.tail())
	}
	if c.way == killed {
		return c.killed(stop)
	}
	time.Sleep(6 * time.Minute)
	select {
	case <-c.ended:
		err := stop()
		c.successor()
		return ends + said(err)
	default:
	}
	if err := stop(); err != nil {
		c.t.Fatalf("drain: %v", err)
	}
	return goesOn
}

// drained is lived where the mishap happens on the way out.
func (c *cell) drained(stop func() error) string {
	if c.way == killed {
		done := make(chan error, 1)
		go func() { done <- stop() }()
		<-c.met
		return c.killed(func() error { return <-done }) // to call stop again meanwhile would block without letting time pass
	}
	err := stop()
	select {
	case <-c.met:
	default:
		c.t.Fatal("the request was not made: the cell shows nothing")
	}
	c.successor()
	if err != nil {
		return ends + said(err)
	}
	return drains
}

var anyTopic = regexp.MustCompile(`conversations\.(voice|rtm|agentassist|other)(-\d+)?`)

// said is an error as the operator reads it, the same whichever topic it met.
func said(err error) string { return anyTopic.ReplaceAllString(worker.Explain(err), "TOPIC") }

func (c *cell) killed(stop func() error) string {
	c.wire.Cut("")
	_ = stop()
	c.successor()
	return replaced
}

func (c *cell) successor() {
	c.wire = newWire(c.network.DialContext)
	c.run(5 * time.Minute)
}

// fate is the wire's part: it loses the request, and where the worker is killed everything after it.
func (c *cell) fate(r request) loss {
	c.keys[r.Key] = true
	switch {
	case !c.armed.Load():
		return arrives
	case c.happened():
		if c.way == killed {
			return lost
		}
		return arrives
	case !c.matches(r), c.code != nil && c.way != killed: // the broker tells when it has given the code
		return arrives
	}
	c.meet()
	if c.gives != "" {
		c.service.Script(c.gives)
	}
	if c.loss == arrives && c.way == killed {
		return unheard
	}
	return c.loss
}

func (c *cell) happened() bool {
	select {
	case <-c.met:
		return true
	default:
		return false
	}
}

// seen is what the log tells of a worker that still lives.
func seen(log string) string {
	switch {
	case strings.Contains(log, "stepping back"):
		return stepsBack
	case strings.Contains(log, "nothing can be committed"), strings.Count(log, "state recovered") > 1:
		return recovers
	case strings.Contains(log, "service cannot be read"):
		return asksAgain
	}
	return goesOn
}

// judge holds the topics against the service. Work must have gone on after the mishap.
func (c *cell) judge() {
	r := c.verify(c.complete, func(r *verify.Report) { r.CheckClaims(2 * time.Minute) })
	if !r.CompleteThrough.After(c.at) {
		c.t.Errorf("complete through %v, the mishap was at %v: nobody goes on\n%s", r.CompleteThrough, c.at, c.log.tail())
	}
	c.withinBudget()
}
