package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/kraft"
	"github.com/convstream/convstream/cmd/internal/proof/proxy"
	"github.com/convstream/convstream/cmd/internal/proof/scenario"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
)

// doors is how many worlds can share the cluster at one time: each has a network of its own to it.
const doors = 8

// kafka is one cluster of three nodes for all tests of this package, started for the first that needs it.
var (
	kafkaDir string
	kafka    struct {
		once   sync.Once
		c      *kraft.Cluster
		err    error
		doors  chan int
		keys   map[string]*keys // of the secured listeners
		issuer *issuer          // of the tokens that they take
	}
	versionFlag = flag.String("kafka-version", kraft.Version, "of the Apache Kafka on which the tests run that need it")
)

func startKafka(t *testing.T) *kraft.Cluster {
	t.Helper()
	kraft.Skip(t)
	kafka.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		kafka.doors = make(chan int, doors)
		for d := range doors {
			kafka.doors <- d
		}
		began := time.Now()
		c := kraft.Config{Version: *versionFlag, Nodes: 3, Doors: doors, Tied: true}
		if c.Logins() {
			kafka.err = secured(&c, kafkaDir+"-keys")
		}
		if kafka.err == nil {
			kafka.c, kafka.err = kraft.Start(ctx, kafkaDir, c)
		}
		t.Logf("Apache Kafka %s, three nodes, started in %v", c.Version, time.Since(began).Round(100*time.Millisecond))
	})
	if kafka.err != nil {
		t.Fatal(kafka.err)
	}
	return kafka.c
}

func stopKafka() {
	if kafka.c != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = kafka.c.Stop(ctx)
	}
}

// realWorld is a world whose brokers are Apache Kafka, with a proxy between them and the workers.
type realWorld struct {
	*world
	kafka  *kraft.Cluster
	proxy  *proxy.Proxy
	seen   *transactions
	prefix string
	dice   *rand.Rand
}

const (
	realPoll   = 2 * time.Second
	realSettle = 3 * time.Second
)

// realWorlds counts them: each has topics of its own on the one cluster.
var realWorlds atomic.Int64

// newRealWorld waits for a door where all are taken, so a test that holds one must not wait for other worlds.
func newRealWorld(t *testing.T, name string, seed uint64) *realWorld {
	t.Helper()
	return newRealWorldOf(t, name, seed, realService(seed))
}

// newRealWorldOf is newRealWorld with another service.
func newRealWorldOf(t *testing.T, name string, seed uint64, c simulator.Config) *realWorld {
	t.Helper()
	w := &realWorld{
		kafka: startKafka(t), seen: newTransactions(),
		prefix: fmt.Sprintf("%s-%d.", name, realWorlds.Add(1)), dice: rand.New(rand.NewPCG(seed, 40)),
	}
	var through []string
	w.proxy, through = throughDoor(t, w.kafka)
	w.world = newWorldOn(t, through, w.prefix, c, realSettings())
	w.brokers = w.kafka.Brokers() // the judge has a way of its own
	w.proxy.Watch(w.seen.see)
	return w
}

func realService(seed uint64) simulator.Config {
	return simulator.Config{
		Seed: seed, History: time.Minute, PerMinute: 90, LateBy: time.Second, SurveyBy: 10 * time.Second,
		Faults: simulator.Faults{Poison: 0.01},
	}
}

func realSettings() map[string]string {
	return map[string]string{"START_FROM": "1m", "POLL_INTERVAL": realPoll.String(), "SETTLE": realSettle.String(), "TOPIC_PARTITIONS": "2"}
}

// throughDoor returns a proxy to the cluster and the addresses at which it stands, until the test ends. It waits for a door where all
// are taken.
func throughDoor(t *testing.T, cluster *kraft.Cluster) (p *proxy.Proxy, through []string) {
	t.Helper()
	p = proxy.New()
	door := <-kafka.doors
	t.Cleanup(func() { p.Close(); kafka.doors <- door })
	for _, way := range cluster.Door(door) {
		if err := p.Stand(way.Listen, way.Target); err != nil {
			t.Fatal(err)
		}
		through = append(through, way.Listen)
	}
	return p, through
}

// context bounds what is done to the cluster.
func (w *realWorld) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(w.t.Context(), 2*time.Minute)
}

// do changes something of the cluster.
func (w *realWorld) do(change func(context.Context) error) {
	w.t.Helper()
	ctx, cancel := w.context()
	defer cancel()
	w.must(change(ctx))
}

// must ends the test where the cluster does not do as it is told.
func (w *realWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// Dice implements scenario.World.
func (w *realWorld) Dice() *rand.Rand { return w.dice }

// Wait implements scenario.World.
func (w *realWorld) Wait(polls int) { time.Sleep(time.Duration(polls) * realPoll) }

// Pass implements scenario.World.
func (w *realWorld) Pass(d time.Duration) { time.Sleep(d) }

// Start implements scenario.World.
func (w *realWorld) Start(_ string, env map[string]string) scenario.Worker {
	w.t.Helper()
	all := maps.Clone(w.env)
	maps.Copy(all, env)
	all["ADMIN_ADDR"] = freePort(w.t)
	return &realWorker{start(w.t, all), w, all["ADMIN_ADDR"]}
}

// AwaitCommits implements scenario.World.
func (w *realWorld) AwaitCommits(n int) {
	w.t.Helper()
	want := w.last().Sequence + int64(n)
	w.await(fmt.Sprintf("commit %d", want), func(last encoder.Progress) bool { return last.Sequence >= want })
}

// AwaitComplete implements scenario.World.
func (w *realWorld) AwaitComplete() { w.t.Helper(); w.awaitComplete(time.Now()) }

// Check implements scenario.World.
func (w *realWorld) Check() *verify.Report {
	w.t.Helper()
	r := w.report()
	r.CheckComplete(w.service, realSettle)
	complain(w.t, r)
	w.t.Logf("%d conversations, %d revisions, %d dead letters, %d commits: lost %d, twice %d",
		r.Conversations, r.Revisions, r.DeadLetters, r.Commits, r.Lost, r.Twice)
	return r
}

// WithinBudget implements scenario.World.
func (w *realWorld) WithinBudget() {
	w.t.Helper()
	if most := w.service.MaxPerMinute(); most > 60 {
		w.t.Errorf("%d requests in a minute; the budget is 60, restarts included", most)
	}
}

// realWorker is a process.
type realWorker struct {
	*process
	world *realWorld
	admin string // address of its admin port
}

// accountStatus is a part of what /status tells of an account.
type accountStatus struct {
	Account string
	Role    scenario.Role
	Ready   bool
	Budget  struct{ Requests int }
}

// status is nothing while nobody answers.
func (p *realWorker) status() accountStatus {
	accounts := accountsAt(p.admin)
	if len(accounts) != 1 {
		return accountStatus{}
	}
	return accounts[0]
}

// accountsAt returns what /status tells of the accounts; nothing where nobody answers.
func accountsAt(admin string) []accountStatus {
	var s struct{ Accounts []accountStatus }
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	if res, err := client.Get("http://" + admin + "/status"); err == nil {
		defer res.Body.Close()
		_ = json.NewDecoder(res.Body).Decode(&s)
	}
	return s.Accounts
}

// Role implements scenario.Worker.
func (p *realWorker) Role() scenario.Role { return p.status().Role }

// Requests implements scenario.Worker.
func (p *realWorker) Requests() int { return p.status().Budget.Requests }

// Kill implements scenario.Worker.
func (p *realWorker) Kill() {
	p.t.Helper()
	p.kill()
	if code := p.exit(); code != -1 {
		p.t.Fatalf("ended by itself with exit code %d before it was killed\n%s", code, p.stderr)
	}
	p.world.seen.forget()
}

// KillIn implements scenario.Worker.
func (p *realWorker) KillIn(m scenario.Moment) {
	p.t.Helper()
	p.at(m, p.kill)
	p.Kill()
}

// FreezeIn implements scenario.Worker.
func (p *realWorker) FreezeIn(m scenario.Moment) {
	p.t.Helper()
	p.at(m, func() { _ = p.cmd.Process.Signal(syscall.SIGSTOP) })
}

func (p *realWorker) at(m scenario.Moment, act func()) {
	p.t.Helper()
	met := p.world.seen.expect(m, act)
	select {
	case <-met:
	case <-p.ended:
	case <-time.After(patient):
		p.t.Errorf("no commit within %v\n%s", patient, p.stderr)
	}
}

// Drain implements scenario.Worker.
func (p *realWorker) Drain() { p.t.Helper(); p.world.drain(p.process) }

// Freeze implements scenario.Worker.
func (p *realWorker) Freeze() { p.t.Helper(); p.signal(syscall.SIGSTOP) }

// Thaw implements scenario.Worker.
func (p *realWorker) Thaw() { p.t.Helper(); p.signal(syscall.SIGCONT) }

// Fenced implements scenario.Worker.
func (p *realWorker) Fenced() {
	p.t.Helper()
	p.await(p.stderr, "stop one of them")
	if code := p.exit(); code != exitFailed {
		p.t.Errorf("exit %d of a worker that was fenced\n%s", code, p.stderr)
	}
}
