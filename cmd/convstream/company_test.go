package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/cmd/internal/proof/kraft"
	"github.com/convstream/convstream/cmd/internal/proof/scenario"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
)

// company is many accounts, each with a service and a file of its own, on Apache Kafka, and the replicas that share them.
type company struct {
	t        *testing.T
	kafka    *kraft.Cluster
	dice     *rand.Rand
	topics   verify.Topics
	folder   string            // ACCOUNTS_DIR
	env      map[string]string // of every replica
	tenants  []*tenant
	replicas []*replica
}

// tenant is one account of a company.
type tenant struct {
	id, url string
	service *simulator.Service
	journal verify.Journal
	poll    string // what its file sets POLL_INTERVAL to
	filed   bool   // it has a file
}

// tenantBudget is the requests a minute of each account. Its service refuses more.
const tenantBudget = 30

func newCompany(t *testing.T, accounts int, seed uint64) *company {
	t.Helper()
	c := &company{
		t: t, kafka: startKafka(t), dice: rand.New(rand.NewPCG(seed, 41)), folder: t.TempDir(),
		topics: verify.Topics{Topics: encoder.Topics{Prefix: fmt.Sprintf("accounts-%d.", realWorlds.Add(1))}},
	}
	c.env = map[string]string{
		"ACCOUNTS_DIR": c.folder, "TOPIC_PREFIX": c.topics.Prefix, "TOPIC_PARTITIONS": "3", "LEASE_TIMEOUT": companyTimeout.String(),
		"SMARTASSIST_REQUESTS_PER_MINUTE": fmt.Sprint(tenantBudget), "START_FROM": "1m", "SETTLE": realSettle.String(),
		"REREAD": "20s:10s,10m:1m", "REREAD_SPARE": "false",
	}
	for i := range accounts {
		c.tenants = append(c.tenants, c.newTenant(i, seed+uint64(i)<<20))
	}
	return c
}

func (c *company) newTenant(i int, seed uint64) *tenant {
	c.t.Helper()
	n := &tenant{id: fmt.Sprintf("account-%02d", i), poll: "10s", filed: true}
	var err error
	n.service, err = simulator.New(simulator.Config{
		Seed: seed, AccountID: n.id, JWT: token, Observe: n.journal.Observe, RateLimit: tenantBudget,
		History: time.Minute, PerMinute: 6, LateBy: time.Second, SurveyBy: 10 * time.Second, Faults: simulator.Faults{Poison: 0.01},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	server := httptest.NewServer(n.service)
	c.t.Cleanup(server.Close)
	n.url = server.URL
	c.file(n)
	return n
}

// file makes the tenant's file what the tenant says.
func (c *company) file(n *tenant) {
	c.t.Helper()
	path, young := filepath.Join(c.folder, n.id+".env"), filepath.Join(c.folder, ".young")
	if !n.filed {
		c.must(os.Remove(path))
		return
	}
	text := fmt.Sprintf("SMARTASSIST_URL=%s\nSMARTASSIST_ACCOUNT_ID=%s\nSMARTASSIST_JWT=%s\nPOLL_INTERVAL=%s\n", n.url, n.id, token, n.poll)
	c.must(os.WriteFile(young, []byte(text), 0o600))
	c.must(os.Rename(young, path))
}

// must ends the test where the cluster does not do as it is told.
func (c *company) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// replica is one process after the other, with a way of its own to the brokers.
type replica struct {
	*process // nil while there is none
	company  *company
	seen     *transactions
	brokers  string
	admin    string
}

// newReplica has no process yet.
func (c *company) newReplica() *replica {
	c.t.Helper()
	r := &replica{company: c, seen: newTransactions()}
	door, through := throughDoor(c.t, c.kafka)
	door.Watch(r.seen.see)
	r.brokers = strings.Join(through, ",")
	c.replicas = append(c.replicas, r)
	return r
}

func (r *replica) start() {
	r.company.t.Helper()
	env := maps.Clone(r.company.env)
	r.admin = freePort(r.company.t)
	env["KAFKA_BROKERS"], env["ADMIN_ADDR"] = r.brokers, r.admin
	r.process = start(r.company.t, env)
}

// kill kills the process, at a moment of its transactions or, without one, now. It returns when that was.
func (r *replica) kill(m *scenario.Moment) time.Time {
	r.t.Helper()
	if m != nil {
		met := r.seen.expect(*m, r.process.kill)
		select {
		case <-met:
		case <-r.ended:
		case <-time.After(patient):
			r.t.Fatalf("no commit within %v\n%s", patient, r.stderr)
		}
	}
	r.process.kill()
	died := time.Now()
	if code := r.exit(); code != -1 {
		r.t.Fatalf("ended by itself with exit code %d before it was killed\n%s", code, r.stderr)
	}
	r.process = nil
	r.seen.forget()
	return died
}

// drain ends the process as an orchestrator does.
func (r *replica) drain() {
	r.t.Helper()
	(&world{t: r.t}).drain(r.process)
	r.process = nil
}

// work is who works on which account, by its id, as the replicas say at about one time.
type work map[string][]*replica

func (c *company) work() work {
	c.t.Helper()
	out := work{}
	for _, r := range c.replicas {
		if r.process == nil {
			continue
		}
		select {
		case <-r.ended:
			c.t.Fatalf("a replica ended by itself\n%s", r.stderr)
		default:
		}
		for _, a := range accountsAt(r.admin) {
			if a.Role == scenario.Active {
				out[a.Account] = append(out[a.Account], r)
			}
		}
	}
	return out
}

// of returns the ids of the accounts with a file that the replica works on.
func (c *company) of(r *replica, w work) (ids []string) {
	for _, n := range c.tenants {
		if n.filed && slices.Contains(w[n.id], r) {
			ids = append(ids, n.id)
		}
	}
	return ids
}

// even reports whether each account that has a file is worked on by one replica, no other account is, and of the replicas that
// run each works on equally many, but for one.
func (c *company) even(w work) bool {
	filed := 0
	for _, n := range c.tenants {
		if n.filed {
			if filed++; len(w[n.id]) != 1 {
				return false
			}
		}
	}
	var counts []int
	for _, r := range c.replicas {
		if r.process != nil {
			counts = append(counts, len(c.of(r, w)))
		}
	}
	return len(w) == filed && slices.Max(counts)-slices.Min(counts) <= 1
}

// awaitEven waits until the accounts are spread evenly, and returns who works on them, and how long that took.
func (c *company) awaitEven() (work, time.Duration) {
	c.t.Helper()
	for begun := time.Now(); ; time.Sleep(betweenLooks) {
		w := c.work()
		if c.even(w) {
			return w, time.Since(begun)
		}
		c.giveUp(begun, w)
	}
}

const (
	// betweenLooks is how long no replica is asked what it does.
	betweenLooks = 200 * time.Millisecond
	// longestUneven is where a test gives up.
	longestUneven = 4 * patient
)

func (c *company) giveUp(begun time.Time, w work) {
	c.t.Helper()
	if time.Since(begun) < longestUneven {
		return
	}
	for i, r := range c.replicas {
		if r.process != nil {
			c.t.Logf("replica %d works on %v", i, c.of(r, w))
		}
	}
	c.t.Fatalf("not spread evenly within %v", longestUneven)
}

// consume returns what is committed in the topics, by the account's id.
func (c *company) consume(topics []string) map[string][]*kgo.Record {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 3*patient)
	defer cancel()
	records, err := verify.Consume(ctx, c.kafka.Brokers(), nil, topics)
	if err != nil {
		c.t.Fatal(err)
	}
	out := map[string][]*kgo.Record{}
	for _, r := range records {
		for _, h := range r.Headers {
			if id, of := strings.CutPrefix(string(h.Value), "/smartassist/"); of && h.Key == "ce_source" {
				out[id] = append(out[id], r)
			}
		}
	}
	return out
}

// awaitComplete waits until the last commit of every account says that everything before the instant is there.
func (c *company) awaitComplete(through time.Time) {
	c.t.Helper()
	for begun := time.Now(); ; time.Sleep(time.Second) {
		var behind []string
		progress := c.consume([]string{c.topics.Progress()})
		for _, n := range c.tenants {
			list := progress[n.id]
			if len(list) == 0 {
				behind = append(behind, n.id)
			} else if last, err := encoder.DecodeProgress(list[len(list)-1].Value); err != nil {
				c.t.Fatal(err)
			} else if last.CompleteThrough.Before(through) {
				behind = append(behind, n.id)
			}
		}
		if len(behind) == 0 {
			return
		}
		if time.Since(begun) > longestUneven {
			c.t.Fatalf("not complete through %v within %v: %v", through, longestUneven, behind)
		}
	}
}
