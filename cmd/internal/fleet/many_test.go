package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/poller/simulator"
)

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
