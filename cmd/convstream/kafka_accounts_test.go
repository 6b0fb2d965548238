package main

import (
	"context"
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/scenario"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
)

// Many accounts on three replicas that are killed. Whole, with CONVSTREAM_REAL_KAFKA=required in the environment:
//
//	go test ./cmd/convstream -run TestKafkaAccounts -v -timeout 90m -args -accounts 40 -replica-kills 100 -broker-kills 10
var (
	accountsFlag     = flag.Int("accounts", 8, "accounts of TestKafkaAccounts")
	replicaKillsFlag = flag.Int("replica-kills", 5, "how often TestKafkaAccounts kills a replica")
	brokerKillsFlag  = flag.Int("broker-kills", 1, "in how many of these it kills a broker as well")
)

// companyTimeout is the shortest that brokers take.
const companyTimeout = 6 * time.Second

// longestTaken bounds how long an account of a dead replica is not worked on. Where its file is removed just then, nobody ends the
// transaction of an account, and all who are about to take over others wait until the brokers do so, after 30 s.
const longestTaken = companyTimeout + 30*time.Second + patient

// toll is what came of the kills of a company.
type toll struct {
	taken  []time.Duration // for each account of a killed replica: until another one worked on it
	broken []time.Duration // the same where a broker was dead as well
	evens  []time.Duration // from the start of the next process until the accounts are spread evenly
	files  map[change]int
	phases map[phase]int // of the kills in a transaction
}

// TestKafkaAccounts kills replicas, and brokers, while accounts' files change; then a fourth replica comes, and goes. Every content
// of every read that was committed must be in the topics, once; and no service may see more requests than its account's budget.
func TestKafkaAccounts(t *testing.T) {
	startKafka(t)
	seed, began := seedOf(t), time.Now()
	c := newCompany(t, *accountsFlag, seed)
	for range 3 {
		c.newReplica().start()
	}
	_, took := c.awaitEven()
	t.Logf("three replicas are even after %v", took.Round(time.Millisecond))
	y := &toll{files: map[change]int{}, phases: map[phase]int{}}
	for n := range *replicaKillsFlag {
		breaks := (n+1)*(*brokerKillsFlag) / *replicaKillsFlag > n*(*brokerKillsFlag) / *replicaKillsFlag
		c.round(y, n, breaks)
	}
	for _, n := range c.tenants {
		n.filed = true
		c.file(n)
	}
	moved := c.fourth()
	c.awaitComplete(time.Now())
	for _, r := range c.replicas[:3] {
		r.drain()
	}
	sum := c.judge()
	t.Logf("SUMMARY seed %d: %d accounts, 3 replicas; %d kills of a replica, %d of a broker; kills in a transaction, as its last request told: %v; files %v; "+
		"%d revisions, %d dead letters, %d commits: lost %d, twice %d; at most %d requests in a minute; until another replica works %s; with a broker dead %s; "+
		"from the next start until even %s; a fourth replica moved %d; LEASE_TIMEOUT %v; in %v", seed, len(c.tenants), *replicaKillsFlag, *brokerKillsFlag, y.phases, y.files,
		sum.Revisions, sum.DeadLetters, sum.Commits, sum.Lost, sum.Twice, sum.most, spread(y.taken), spread(y.broken),
		spread(y.evens), moved, companyTimeout, time.Since(began).Round(time.Second))
	for _, d := range y.taken {
		if d > longestTaken {
			t.Errorf("an account was worked on again only after %v, LEASE_TIMEOUT is %v", d, companyTimeout)
		}
	}
}

// round is one kill, and what comes of it.
func (c *company) round(y *toll, n int, breaks bool) {
	c.t.Helper()
	mend, what := c.change(change(n % 4))
	y.files[what]++
	node := 0
	if breaks {
		node = 1 + c.dice.IntN(3)
		c.must(c.kafka.Kill(c.t.Context(), node))
		time.Sleep(time.Duration(c.dice.Int64N(int64(3 * time.Second)))) // anywhere in the election of the next leaders
	}
	before, victim := c.work(), c.replicas[c.dice.IntN(3)]
	died := c.killOne(y, victim)
	u := &upheaval{company: c, victim: victim, died: died, node: node, orphans: c.of(victim, before), mend: mend,
		back: died.Add(c.upTo(8 * time.Second)), nodeBack: died.Add(c.upTo(9 * time.Second))}
	held := len(u.orphans)
	for !u.over() {
		time.Sleep(betweenLooks)
	}
	list := &y.taken
	if breaks {
		list = &y.broken
		ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
		defer cancel()
		c.must(c.kafka.Await(ctx))
	}
	*list = append(*list, u.taken...)
	y.evens = append(y.evens, u.even)
	c.t.Logf("kill %d: %s; broker %d; %d accounts taken over: %s; even %v after the start of the next process, %v after the kill",
		n+1, what, node, held, spread(u.taken), u.even.Round(time.Millisecond), time.Since(died).Round(time.Millisecond))
}

func (c *company) upTo(d time.Duration) time.Duration { return time.Duration(c.dice.Int64N(int64(d))) }

// killOne kills a replica, half of the times in a transaction.
func (c *company) killOne(y *toll, victim *replica) time.Time {
	if c.dice.IntN(2) == 0 {
		time.Sleep(c.upTo(3 * time.Second)) // anywhere between two polls
		return victim.kill(nil)
	}
	m := scenario.AMoment(c.dice)
	died := victim.kill(&m)
	y.phases[victim.seen.was()]++
	return died
}

// upheaval is the time from a kill until the accounts are spread evenly again.
type upheaval struct {
	company  *company
	victim   *replica
	died     time.Time
	back     time.Time // when the next process starts
	node     int       // of the broker that is dead, too; 0: none
	nodeBack time.Time
	mend     func() // the files, before the next process starts: a wrong one would keep it from starting

	orphans []string // accounts of the victim that nobody works on yet
	taken   []time.Duration
	even    time.Duration
}

// over does what is due, looks what the replicas do, and reports whether they do what they should.
func (u *upheaval) over() bool {
	c, now := u.company, time.Now()
	c.t.Helper()
	if u.victim.process == nil && now.After(u.back) {
		u.mend()
		u.victim.start()
		u.back = now
	}
	if u.node != 0 && now.After(u.nodeBack) {
		c.must(c.kafka.Restart(c.t.Context(), u.node))
		u.node = 0
	}
	w := c.work()
	u.orphans = slices.DeleteFunc(u.orphans, func(id string) bool {
		if len(w[id]) == 0 {
			return false
		}
		u.taken = append(u.taken, time.Since(u.died))
		return true
	})
	u.even = time.Since(u.back)
	if u.victim.process != nil && u.node == 0 && len(u.orphans) == 0 && c.even(w) {
		return true
	}
	c.giveUp(u.died, w)
	return false
}

// change is what becomes of a file.
type change int

const (
	changed change = iota
	removed
	broken
	added
)

// String names it.
func (c change) String() string { return [...]string{"changed", "removed", "broken", "added"}[c] }

// change makes a change to one of the files that it can be made to. mend undoes what no process could start with.
func (c *company) change(what change) (mend func(), made change) {
	c.t.Helper()
	list := slices.DeleteFunc(slices.Clone(c.tenants), func(n *tenant) bool { return n.filed == (what == added) })
	n := list[c.dice.IntN(len(list))]
	mend = func() {}
	switch what {
	case broken:
		good := n.poll
		n.poll, mend = "never", func() { n.poll = good; c.file(n) }
	case changed:
		n.poll = (6*time.Second + c.upTo(8*time.Second).Round(time.Second)).String()
	default:
		n.filed = what == added
	}
	c.file(n)
	return mend, what
}

// fourth starts a fourth replica and drains it again; it returns how many accounts moved when it came.
func (c *company) fourth() (moved int) {
	c.t.Helper()
	before, _ := c.awaitEven()
	fourth := c.newReplica()
	fourth.start()
	after, took := c.awaitEven()
	for _, n := range c.tenants {
		if after[n.id][0] == before[n.id][0] {
			continue
		}
		if moved++; after[n.id][0] != fourth {
			c.t.Errorf("%s moved from one old replica to another when a fourth came", n.id)
		}
	}
	if most := (len(c.tenants) + 3) / 4; moved > most {
		c.t.Errorf("%d of %d accounts moved when a fourth replica came", moved, len(c.tenants))
	}
	begun := time.Now()
	fourth.drain()
	drained := time.Since(begun)
	_, again := c.awaitEven()
	c.t.Logf("four replicas are even after %v, %d accounts moved; the fourth drained in %v, three are even %v later",
		took.Round(time.Millisecond), moved, drained.Round(time.Millisecond), again.Round(time.Millisecond))
	return moved
}

// sum is what the judge found of all accounts.
type sum struct {
	verify.Report
	most int // requests of an account in a minute
}

// judge holds the topics against what each service served, and the requests against each budget.
func (c *company) judge() (s sum) {
	c.t.Helper()
	records := c.consume(c.topics.Published())
	for _, n := range c.tenants {
		r := verify.Check(records[n.id], c.topics, &n.journal)
		r.CheckComplete(n.service, realSettle)
		for _, p := range r.Problems {
			c.t.Errorf("%s: %s", n.id, p)
		}
		if most := n.service.MaxPerMinute(); most > tenantBudget {
			c.t.Errorf("%s: %d requests in a minute; the budget is %d", n.id, most, tenantBudget)
		}
		if r.Conversations < 5 {
			c.t.Errorf("%s: %d conversations: this run says little", n.id, r.Conversations)
		}
		s.Conversations += r.Conversations
		s.Lost, s.Twice, s.Revisions, s.DeadLetters, s.Commits = s.Lost+r.Lost, s.Twice+r.Twice, s.Revisions+r.Revisions, s.DeadLetters+r.DeadLetters, s.Commits+r.Commits
		s.most = max(s.most, n.service.MaxPerMinute())
	}
	if s.Revisions <= s.Conversations { // of one account there may be so few
		c.t.Errorf("%d conversations in %d revisions: this run says little", s.Conversations, s.Revisions)
	}
	return s
}
