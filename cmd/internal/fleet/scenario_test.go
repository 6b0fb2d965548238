package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/cmd/internal/proof/scenario"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
	"github.com/convstream/convstream/producer"
)

// TestScenarios plays in virtual time what cmd/convstream plays with processes on Apache Kafka.
func TestScenarios(t *testing.T) {
	for _, s := range scenario.All() {
		t.Run(strings.ReplaceAll(s.Name, " ", "-"), func(t *testing.T) {
			forSeeds(t, func(t *testing.T, seed uint64) {
				c := simulator.Config{Seed: seed, History: time.Hour, PerMinute: 1}
				inWorldOf(t, 3, c, map[string]string{"START_FROM": "1h"}, func(w *world) {
					p := &play{world: w, lan: w.wire, dice: rand.New(rand.NewPCG(seed, 4))}
					s.Play(w.t, p)
				})
			})
		})
	}
}

// play is a world that scenarios can be played in.
type play struct {
	*world
	lan  *wire // what all workers share; each has a wire of its own to it
	dice *rand.Rand
}

const pollInterval = 30 * time.Second // the default

func (p *play) Dice() *rand.Rand     { return p.dice }
func (p *play) Wait(polls int)       { time.Sleep(time.Duration(polls) * pollInterval) } // virtual
func (p *play) Pass(d time.Duration) { time.Sleep(d) }
func (p *play) WithinBudget()        { p.withinBudget() }

// Check implements scenario.World.
func (p *play) Check() *verify.Report {
	p.t.Helper()
	r := p.verify(p.complete)
	p.t.Log(describe(r))
	return r
}

// Start implements scenario.World.
func (p *play) Start(id string, env map[string]string) scenario.Worker {
	p.t.Helper()
	usual := p.env
	p.env = maps.Clone(usual)
	maps.Copy(p.env, env)
	p.env["ADMIN_ADDR"] = fmt.Sprintf("127.0.0.1:80%02d", id[0]-'a')
	w := &player{play: p, gate: newGate(p.lan.DialContext)}
	w.wire = newWire(w.gate.DialContext)
	p.wire = w.wire
	w.stop = p.start()
	w.worker = p.worker
	p.env, w.ended = usual, p.ended
	return w
}

// last is the newest commit that a read_committed consumer sees; number 0 before the first.
func (p *play) last() encoder.Progress {
	records, err := verify.Consume(context.Background(), []string{kafkaAddr}, p.network.DialContext, []string{"conversations.progress"})
	if err != nil || len(records) == 0 {
		return encoder.Progress{} // a worker may still have to create the topic
	}
	progress, err := encoder.DecodeProgress(records[len(records)-1].Value)
	if err != nil {
		p.t.Fatal(err)
	}
	return *progress
}

func (p *play) await(what string, is func(encoder.Progress) bool) {
	p.t.Helper()
	for began := time.Now(); !is(p.last()); time.Sleep(pollInterval / 3) {
		if time.Since(began) > time.Hour {
			p.t.Fatalf("not within an hour: %s\n%s", what, p.log.tail())
		}
	}
}

// AwaitCommits implements scenario.World.
func (p *play) AwaitCommits(n int) {
	p.t.Helper()
	want := p.last().Sequence + int64(n)
	p.await(fmt.Sprintf("commit %d", want), func(last encoder.Progress) bool { return last.Sequence >= want })
}

// AwaitComplete implements scenario.World.
func (p *play) AwaitComplete() {
	p.t.Helper()
	now := time.Now()
	p.await("coverage of now", func(last encoder.Progress) bool { return !last.CompleteThrough.Before(now) })
}

// Break implements scenario.World.
func (p *play) Break(f scenario.Fault) (mend func()) {
	switch f {
	case scenario.LeaderDies:
		return p.remove(p.cluster.LeaderFor("conversations.progress", 0))
	case scenario.CoordinatorDies:
		return p.remove(p.cluster.CoordinatorFor("conversations.convstream." + accountID))
	case scenario.TooFewReplicas:
		return p.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1}).Remove
	case scenario.BrokersDie, scenario.NetworkCut:
		p.lan.CutBrokers()
		return p.lan.Mend
	case scenario.NetworkSlow:
		p.lan.LateBy = 2 * time.Second
		p.lan.Decide(func(kmsg.Key) loss { return late })
	case scenario.HalfClosed:
		p.lan.Decide(func(kmsg.Key) loss { return unheard })
	default:
		p.t.Fatalf("no way to break: %s", f)
	}
	return func() { p.lan.Decide(nil) }
}

// remove takes a broker away; others lead and coordinate at once.
func (p *play) remove(node int32) (mend func()) {
	port := 9092 + int(node)
	p.lan.Cut(fmt.Sprintf("127.0.0.1:%d", port))
	if err := p.cluster.RemoveNode(node); err != nil {
		p.t.Fatal(err)
	}
	return func() {
		if _, _, err := p.cluster.AddNode(node, port); err != nil {
			p.t.Fatal(err)
		}
		p.lan.Mend()
	}
}

// player is a worker of a play.
type player struct {
	*play
	worker *worker.Worker
	stop   func() error
	ended  <-chan struct{}
	wire   *wire
	gate   *gate
}

// Role implements scenario.Worker.
func (w *player) Role() scenario.Role { return scenario.Role(w.worker.Role()) }

// Requests implements scenario.Worker.
func (w *player) Requests() int { return int(w.worker.Status().Budget.Requests) }

// Kill implements scenario.Worker: what nobody hears of is as good as dead.
func (w *player) Kill() {
	w.t.Helper()
	w.wire.Cut("")
	_ = w.stop()
}

// KillIn implements scenario.Worker.
func (w *player) KillIn(m scenario.Moment) {
	w.t.Helper()
	w.at(m, func() {})
	w.Kill()
}

// FreezeIn implements scenario.Worker.
func (w *player) FreezeIn(m scenario.Moment) {
	w.t.Helper()
	w.at(m, w.Freeze)
	w.wire.Decide(nil)
}

// at acts at the moment, and from then on the worker hears nothing. In virtual time a commit takes none, so a moment after a
// request is one after its answer was sent.
func (w *player) at(m scenario.Moment, act func()) {
	w.t.Helper()
	met, asked := make(chan struct{}), 0
	w.wire.Decide(func(k kmsg.Key) loss {
		if k == kmsg.EndTxn || !m.Ends && (k == kmsg.AddPartitionsToTxn || k == kmsg.Produce) {
			asked++
		}
		if asked < m.Request {
			return arrives
		}
		select {
		case <-met:
			return lost
		default:
		}
		act()
		close(met)
		if m.After > 0 {
			return unheard
		}
		return lost
	})
	select {
	case <-met:
	case <-time.After(time.Hour):
		w.t.Errorf("no commit within an hour\n%s", w.log.tail())
	}
}

// Drain implements scenario.Worker.
func (w *player) Drain() {
	w.t.Helper()
	if err := w.stop(); err != nil {
		w.t.Fatalf("drain: %v\n%s", err, w.log.tail())
	}
}

// Freeze implements scenario.Worker: its clocks go on, but it sends and hears nothing.
func (w *player) Freeze() { w.gate.shut() }

// Thaw implements scenario.Worker.
func (w *player) Thaw() { w.gate.open() }

// Fenced implements scenario.Worker.
func (w *player) Fenced() {
	w.t.Helper()
	select {
	case <-w.ended:
		if err := w.stop(); !errors.Is(err, producer.ErrFenced) {
			w.t.Errorf("ended with %v, want %v", err, producer.ErrFenced)
		}
	case <-time.After(time.Hour):
		w.t.Fatalf("goes on although another took over\n%s", w.log.tail())
	}
}

// gate is a network that holds everything back while it is shut.
type gate struct {
	dial func(context.Context, string, string) (net.Conn, error)
	mu   sync.Mutex
	held chan struct{} // closed while the gate is open
}

func newGate(dial func(context.Context, string, string) (net.Conn, error)) *gate {
	g := &gate{dial: dial, held: make(chan struct{})}
	close(g.held)
	return g
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.held)
}

func (g *gate) pass() {
	g.mu.Lock()
	held := g.held
	g.mu.Unlock()
	<-held
}

func (g *gate) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	g.pass()
	conn, err := g.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return gated{conn, g}, nil
}

type gated struct {
	net.Conn
	gate *gate
}

// Write implements net.Conn.
func (c gated) Write(b []byte) (int, error) { c.gate.pass(); return c.Conn.Write(b) }

// Read implements net.Conn.
func (c gated) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.gate.pass()
	return n, err
}
