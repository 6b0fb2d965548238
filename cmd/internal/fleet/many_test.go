package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/proof/lan"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
)

// tenant is an account of a company: a service of its own, and what it returned.
type tenant struct {
	id      string
	addr    string
	service *simulator.Service
	journal verify.Journal
	env     map[string]string // what its file says beside the URL and the login
	digest  int               // of the file
	wrong   error             // what is wrong with the file; nil: nothing
}

// company is many accounts, brokers, and replicas that share the accounts, on a virtual network and in virtual time.
type company struct {
	t        *testing.T
	network  *lan.Network
	cluster  *kfake.Cluster
	tenants  []*tenant
	settings map[string]string // of every process
	log      lockedBuffer
	started  int

	mu     sync.Mutex
	files  []*tenant                                       // that ACCOUNTS_DIR holds a file of
	folder func([]config.AccountFile) []config.AccountFile // changes what all read; nil: as it is
	reads  func(*config.AccountFile)                       // changes what replicas that are started from now on read; nil: as it is
}

// member is a process that works on accounts of a company.
type member struct {
	*Fleet
	wire *wire
	stop func() error
}

// inCompany runs the test in a bubble with so many accounts, all of which have a file.
func inCompany(t *testing.T, accounts int, c simulator.Config, test func(*company)) {
	synctest.Test(t, func(t *testing.T) {
		co := &company{t: t, network: &lan.Network{}, settings: map[string]string{
			"KAFKA_BROKERS": kafkaAddr, "REREAD_SPARE": "false", "KAFKA_COMPRESSION": "snappy", "START_FROM": "30m",
		}}
		t.Logf("seed %d", c.Seed)
		for i := range accounts {
			c := c
			c.Seed += uint64(i) << 20
			defer co.tenant(i, c)()
		}
		co.files = slices.Clone(co.tenants)
		var err error
		if co.cluster, err = kfake.NewCluster(kfake.NumBrokers(3), kfake.Ports(9092, 9093, 9094), kfake.ListenFn(co.network.Listen)); err != nil {
			t.Fatal(err)
		}
		defer co.cluster.Close()
		test(co)
	})
}

// tenant adds an account; stop ends its service.
func (c *company) tenant(i int, s simulator.Config) (stop func()) {
	n := &tenant{id: fmt.Sprintf("account-%02d", i), addr: fmt.Sprintf("127.0.0.1:%d", 7000+i), env: map[string]string{}}
	s.AccountID, s.JWT, s.Observe = n.id, "a.to.ken", n.journal.Observe
	var err error
	if n.service, err = simulator.New(s); err != nil {
		c.t.Fatal(err)
	}
	l, err := c.network.Listen("tcp", n.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	server := &http.Server{Handler: n.service}
	go func() { _ = server.Serve(l) }()
	c.tenants = append(c.tenants, n)
	return func() { _ = server.Close() }
}

// read is what config would read from the folder.
func (c *company) read() ([]config.AccountFile, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []config.AccountFile
	for _, n := range c.files {
		out = append(out, c.file(n))
	}
	if c.folder != nil {
		out = c.folder(out)
	}
	return out, nil
}

func (c *company) file(n *tenant) config.AccountFile {
	f := config.AccountFile{Name: n.id, Err: n.wrong, Digest: fmt.Sprint(n.digest, n.wrong)}
	if n.wrong != nil {
		return f
	}
	f.Config = c.load(c.env(n))
	return f
}

// env is the environment as it is for an account.
func (c *company) env(n *tenant) map[string]string {
	env := maps.Clone(c.settings)
	maps.Copy(env, map[string]string{"SMARTASSIST_URL": "http://" + n.addr, "SMARTASSIST_ACCOUNT_ID": n.id, "SMARTASSIST_JWT": "a.to.ken"})
	maps.Copy(env, n.env)
	return env
}

func (c *company) load(env map[string]string) *config.Config {
	cfg, err := config.Load(func(name string) (string, bool) { v, ok := env[name]; return v, ok }, nil)
	if err != nil {
		c.t.Error(err)
	}
	cfg.AccountsDir = "/accounts"
	return cfg
}

func (c *company) tenantOf(id string) *tenant {
	return c.tenants[slices.IndexFunc(c.tenants, func(n *tenant) bool { return n.id == id })]
}

// stopAll drains the replicas.
func (c *company) stopAll(members ...*member) {
	c.t.Helper()
	for _, m := range members {
		if err := m.stop(); err != nil {
			c.t.Errorf("%s: %v", m.Name, err)
		}
	}
}

// partitionOf is where the state of an account lies.
func partitionOf(account string) int {
	var ids []int
	for i := range 16 {
		ids = append(ids, i)
	}
	return kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: []byte(account)}, ids...)
}

// ask asks an admin port from loopback.
func ask(h http.Handler, method, path, body string) string {
	r := httptest.NewRequest(method, "http://127.0.0.1:8080"+path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:4711"
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Body.String()
}

// change changes the files.
func (c *company) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// start starts a replica.
func (c *company) start() *member {
	c.t.Helper()
	read, change := c.read, c.reads
	if change != nil {
		read = func() ([]config.AccountFile, error) {
			files, err := c.read()
			for i := range files {
				change(&files[i])
			}
			return files, err
		}
	}
	files, _ := read()
	files = slices.DeleteFunc(files, func(f config.AccountFile) bool { return f.Err != nil }) // at a start, config names what is wrong
	process := c.file(&tenant{id: "any", addr: "127.0.0.1:1"}).Config.Process
	c.started++
	process.AdminAddr = fmt.Sprintf("127.0.0.1:%d", 8080+c.started)
	m := &member{wire: newWire(c.network.DialContext)}
	var err error
	if m.Fleet, err = New(Config{
		Process: &process, Accounts: files, Reload: read, Log: zerolog.New(&c.log).With().Timestamp().Str("replica", fmt.Sprint("replica ", c.started)).Logger(),
		Name: fmt.Sprint("replica ", c.started), Network: worker.Network{Dial: m.wire.DialContext, Listen: c.network.Listen},
	}); err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); err = m.Run(ctx) }()
	m.stop = sync.OnceValue(func() error { cancel(); <-ended; return err })
	c.t.Cleanup(func() { _ = m.stop() })
	return m
}

// kill ends a replica of which nobody hears any more.
func (m *member) kill() {
	m.wire.Cut("")
	go func() { _ = m.stop() }()
}

// works returns the ids of the accounts that the replica works on, in order.
func (m *member) works() (ids []string) {
	for _, a := range m.list() {
		if a.worker.Load().Role() == admin.Active {
			ids = append(ids, a.id)
		}
	}
	return ids
}

// spread waits until every account is worked on by one of the replicas, and they have equally many but for one; it returns
// how long that took.
func (c *company) spread(most time.Duration, members ...*member) time.Duration {
	c.t.Helper()
	for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		var counts []int
		held := map[string]int{}
		for _, m := range members {
			ids := m.works()
			counts = append(counts, len(ids))
			for _, id := range ids {
				held[id]++
			}
		}
		for id, n := range held {
			if n > 1 {
				c.t.Fatalf("%d replicas work on %s", n, id)
			}
		}
		if len(held) == len(c.files) && slices.Max(counts)-slices.Min(counts) <= 1 {
			return time.Since(begun)
		}
		if time.Since(begun) > most {
			c.t.Fatalf("after %v the replicas work on %v accounts\n%s", most, counts, c.log.tail())
		}
	}
}

// verify holds the topics against what each service returned.
func (c *company) verify() {
	c.t.Helper()
	topics := verify.Topics{Topics: encoder.Topics{Prefix: "conversations."}}
	records, err := verify.Consume(context.Background(), []string{kafkaAddr}, c.network.DialContext, topics.Published())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, n := range c.tenants {
		var own []*kgo.Record
		for _, r := range records {
			if slices.ContainsFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == "ce_source" && string(h.Value) == "/smartassist/"+n.id }) {
				own = append(own, r)
			}
		}
		r := verify.Check(own, topics, &n.journal)
		r.CheckComplete(n.service, 2*time.Minute)
		for _, p := range r.Problems {
			c.t.Errorf("%s: %v", n.id, p)
		}
		if most := n.service.MaxPerMinute(); most > 30 {
			c.t.Errorf("%s: %d requests in a minute, the budget is 30", n.id, most)
		}
		if r.Revisions == 0 {
			c.t.Errorf("%s: nothing was published", n.id)
		}
	}
}

// TestManyAccounts: accounts are spread over replicas, move when one comes, are taken over when one goes, and nothing is lost or
// comes twice.
func TestManyAccounts(t *testing.T) {
	t.Parallel()
	const accounts = 8
	inCompany(t, accounts, simulator.Config{Seed: 1, History: 30 * time.Minute, PerMinute: 1}, func(c *company) {
		a, b, d := c.start(), c.start(), c.start()
		t.Logf("three replicas are even after %v", c.spread(time.Minute, a, b, d))
		time.Sleep(10 * time.Minute)
		before := map[string]string{}
		for _, m := range []*member{a, b, d} {
			for _, id := range m.works() {
				before[id] = m.Name
			}
		}
		e := c.start()
		t.Logf("four replicas are even after %v", c.spread(time.Minute, a, b, d, e))
		if n := len(e.works()); n != accounts/4 {
			t.Errorf("the fourth works on %d", n)
		}
		for _, m := range []*member{a, b, d} {
			for _, id := range m.works() {
				if before[id] != m.Name {
					t.Errorf("%s moved from %s to %s when a fourth replica came", id, before[id], m.Name)
				}
			}
		}
		time.Sleep(10 * time.Minute)
		begun := time.Now()
		if err := a.stop(); err != nil {
			t.Error(err)
		}
		t.Logf("drained in %v, even after %v more", time.Since(begun), c.spread(2*time.Second, b, d, e))
		time.Sleep(10 * time.Minute)
		b.kill()
		took := c.spread(30*time.Second, d, e)
		t.Logf("after a crash even after %v", took)
		time.Sleep(10 * time.Minute)
		c.stopAll(d, e)
		c.verify()
	})
}

// TestManyAccountsAtRandom kills, drains, starts and freezes replicas, cuts them off, and changes files.
func TestManyAccountsAtRandom(t *testing.T) {
	long(t)
	forSeeds(t, func(t *testing.T, seed uint64) {
		dice := rand.New(rand.NewPCG(seed, 10))
		inCompany(t, 4+dice.IntN(5), simulator.Config{Seed: seed, History: 30 * time.Minute, PerMinute: 1}, func(c *company) {
			members := []*member{c.start(), c.start()}
			for range 15 {
				time.Sleep(time.Duration(dice.Int64N(int64(3 * time.Minute))))
				members = c.disturb(dice, members)
			}
			for len(members) > 2 {
				members[0].kill()
				members = members[1:]
			}
			c.change(func() {
				for _, n := range c.tenants {
					n.wrong = nil
				}
				c.files = slices.Clone(c.tenants)
			})
			c.spread(2*time.Minute, members...)
			time.Sleep(15 * time.Minute)
			c.stopAll(members...)
			c.verify()
		})
	})
}

var errWrongFile = errors.New("REREAD: never is not a list of tiers")

// disturb does one thing to the company and returns the replicas that run then.
func (c *company) disturb(dice *rand.Rand, members []*member) []*member {
	i := dice.IntN(len(members))
	n := c.tenants[dice.IntN(len(c.tenants))]
	switch what := dice.IntN(11); {
	case what == 0 && len(members) > 1:
		members[i].kill()
		return slices.Delete(members, i, i+1)
	case what == 1 && len(members) > 1:
		if err := members[i].stop(); err != nil {
			c.t.Error(err)
		}
		return slices.Delete(members, i, i+1)
	case what == 2 && len(members) > 1: // cut off from everything for a while
		m := members[i]
		m.wire.Cut("")
		time.Sleep(time.Duration(dice.Int64N(int64(time.Minute))))
		m.wire.Mend()
	case what == 3:
		c.change(func() { n.digest++; n.env["POLL_INTERVAL"] = fmt.Sprint(10+dice.IntN(30), "s") })
	case what == 4:
		c.change(func() { n.wrong = errWrongFile })
	case what == 5:
		c.change(func() { n.wrong = nil })
	case what == 6 && len(c.files) > 2:
		c.change(func() { c.files = slices.DeleteFunc(c.files, func(f *tenant) bool { return f == n }) })
	case what == 7:
		c.change(func() {
			if !slices.Contains(c.files, n) {
				c.files = append(c.files, n)
			}
		})
	case what == 8: // requests and answers are lost, or late: joins come in step, or not at all
		var mu sync.Mutex
		losses := rand.New(rand.NewPCG(dice.Uint64(), 0))
		rate := 0.05 + 0.4*dice.Float64()
		members[i].wire.Decide(func(kmsg.Key) loss {
			mu.Lock()
			defer mu.Unlock()
			if losses.Float64() > rate {
				return arrives
			}
			return lost + loss(losses.IntN(int(delayed)))
		})
		time.Sleep(time.Duration(dice.Int64N(int64(2 * time.Minute))))
		members[i].wire.Decide(nil)
	case what == 9: // a broker goes for a while
		node := int32(dice.IntN(3))
		if err := c.cluster.RemoveNode(node); err != nil {
			c.t.Error(err)
		}
		time.Sleep(time.Duration(dice.Int64N(int64(30 * time.Second))))
		if _, _, err := c.cluster.AddNode(node, 9092+int(node)); err != nil {
			c.t.Error(err)
		}
	case len(members) < 4:
		return append(members, c.start())
	}
	return members
}

// TestAGroupThatCannotBeJoined is told of once, and not once for each account.
func TestAGroupThatCannotBeJoined(t *testing.T) {
	long(t)
	t.Parallel()
	inCompany(t, 5, simulator.Config{Seed: 1, History: 30 * time.Minute, PerMinute: 1}, func(c *company) {
		denied := c.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.GroupAuthorizationFailed, Count: -1})
		m := c.start()
		time.Sleep(10 * time.Minute)
		if err := m.Readiness(context.Background()); err == nil || !strings.Contains(err.Error(), "needs Read on group") {
			t.Errorf("ready: %v", err)
		}
		denied.Remove()
		c.spread(2*time.Minute, m)
		time.Sleep(time.Minute)
		for text, want := range map[string]int{"is not in the consumer group": 1, "is in the consumer group again": 1} {
			if n := c.log.count(text); n != want {
				t.Errorf("%d lines say %q, want %d\n%s", n, text, want, c.log.tail())
			}
		}
		c.stopAll(m)
		c.verify()
	})
}
