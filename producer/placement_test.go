package producer

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// of is a candidate with one account, "x".
func of(started int64, c claim) candidate {
	return candidate{Started: started, Accounts: map[string]claim{"x": c}}
}

// TestPlaceOne: the parts of each member in the work on one account.
func TestPlaceOne(t *testing.T) {
	for name, c := range map[string]struct {
		members map[string]candidate
		want    map[string]Part
	}{
		"alone":                              {map[string]candidate{"a": of(1, claim{})}, map[string]Part{"a": "hold"}},
		"alone, and fenced before":           {map[string]candidate{"a": of(1, claim{Yields: true})}, map[string]Part{"a": "hold"}},
		"alone, and has resigned":            {map[string]candidate{"a": of(1, claim{Resigned: 3})}, map[string]Part{"a": "hold"}},
		"who holds it keeps it":              {map[string]candidate{"a": of(9, claim{}), "b": of(1, claim{Since: 5})}, map[string]Part{"a": "standby", "b": "hold"}},
		"the later of two who hold it":       {map[string]candidate{"a": of(1, claim{Since: 5}), "b": of(1, claim{Since: 6})}, map[string]Part{"a": "standby", "b": "hold"}},
		"the youngest of those who stand by": {map[string]candidate{"a": of(1, claim{Warm: true}), "b": of(3, claim{Warm: true})}, map[string]Part{"a": "standby", "b": "hold"}},
		"who is warm before who is young":    {map[string]candidate{"a": of(1, claim{Warm: true}), "b": of(3, claim{})}, map[string]Part{"a": "hold", "b": "standby"}},
		"not the fenced one":                 {map[string]candidate{"a": of(9, claim{Yields: true}), "b": of(1, claim{})}, map[string]Part{"a": "standby", "b": "hold"}},
		"not who has resigned":               {map[string]candidate{"a": of(9, claim{Resigned: 1, Warm: true}), "b": of(1, claim{})}, map[string]Part{"a": "standby", "b": "hold"}},
		"the holder was fenced":              {map[string]candidate{"a": of(9, claim{Yields: true, Since: 9}), "b": of(1, claim{})}, map[string]Part{"a": "release", "b": "standby"}},
		"the holder has resigned":            {map[string]candidate{"a": of(9, claim{Resigned: 2, Since: 9}), "b": of(1, claim{Resigned: 1})}, map[string]Part{"a": "release", "b": "standby"}},
		"as often as the other":              {map[string]candidate{"a": of(9, claim{Resigned: 1, Since: 9}), "b": of(1, claim{Resigned: 1})}, map[string]Part{"a": "hold", "b": "standby"}},
		"who finishes is waited for":         {map[string]candidate{"a": of(9, claim{Finishing: true, Since: 9}), "b": of(1, claim{Warm: true})}, map[string]Part{"a": "release", "b": "standby"}},
		"who finishes, alone":                {map[string]candidate{"a": of(9, claim{Finishing: true, Since: 9})}, map[string]Part{"a": ""}},
		"who leaves is given nothing":        {map[string]candidate{"a": {Started: 9, Draining: true, Accounts: map[string]claim{"x": {Warm: true}}}, "b": of(1, claim{})}, map[string]Part{"a": "standby", "b": "hold"}},
		"who leaves keeps what it holds":     {map[string]candidate{"a": {Draining: true, Accounts: map[string]claim{"x": {Since: 1}}}, "b": of(1, claim{Warm: true})}, map[string]Part{"a": "hold", "b": "standby"}},
		"who does not know the account":      {map[string]candidate{"a": {Started: 9}, "b": of(1, claim{})}, map[string]Part{"b": "hold"}},
		"the standby stays":                  {map[string]candidate{"a": of(1, claim{Since: 1}), "b": of(3, claim{Warm: true}), "c": of(2, claim{})}, map[string]Part{"a": "hold", "b": "standby", "c": ""}},
		"the youngest stands by, but before it is warm the other does, too": {
			map[string]candidate{"a": of(1, claim{Since: 1}), "b": of(2, claim{Warm: true}), "c": of(3, claim{})}, map[string]Part{"a": "hold", "b": "standby", "c": "standby"}},
		"the youngest stands by": {
			map[string]candidate{"a": of(1, claim{Since: 1}), "b": of(2, claim{Warm: true}), "c": of(3, claim{Warm: true})}, map[string]Part{"a": "hold", "b": "", "c": "standby"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := map[string]Part{}
			for id, a := range place(c.members) {
				if p, ok := a.Accounts["x"]; ok {
					got[id] = p.Part
				}
			}
			if !maps.Equal(got, c.want) {
				t.Errorf("placed %v, want %v", got, c.want)
			}
		})
	}
}

// TestPlaceNames: each member is told who holds the lease and who stands by. While an account moves nobody holds it, and its new member
// is asked to report that it is warm before that.
func TestPlaceNames(t *testing.T) {
	both := func(x, y claim) map[string]claim { return map[string]claim{"x": x, "y": y} }
	for name, c := range map[string]struct {
		a, b map[string]claim
		x    map[string]assigned // by member
	}{
		"one stands by": {map[string]claim{"x": {Since: 1}}, map[string]claim{"x": {}}, map[string]assigned{
			"a": {Part: HolderPart, Holder: "A", Standby: "B"}, "b": {Part: StandbyPart, Holder: "A", Standby: "B"}}},
		"it moves when its new member is warm": {both(claim{Since: 1}, claim{Since: 1}), both(claim{}, claim{}), map[string]assigned{
			"a": {Part: HolderPart, Holder: "A", Standby: "B"}, "b": {Part: StandbyPart, Holder: "A", Standby: "B", ReportWarm: true}}},
		"it moves": {both(claim{Since: 1}, claim{Since: 1}), both(claim{Warm: true}, claim{}), map[string]assigned{
			"a": {Part: ReleasePart, Standby: "B"}, "b": {Part: StandbyPart, Standby: "B"}}},
		"its holder has resigned, and nobody is warm": {map[string]claim{"x": {Since: 1, Resigned: 1}}, map[string]claim{"x": {}}, map[string]assigned{
			"a": {Part: ReleasePart, Standby: "B"}, "b": {Part: StandbyPart, Standby: "B"}}},
		"its holder finishes": {map[string]claim{"x": {Since: 1, Finishing: true}}, map[string]claim{"x": {}}, map[string]assigned{
			"a": {Part: ReleasePart, Standby: "B"}, "b": {Part: StandbyPart, Standby: "B"}}},
	} {
		got := place(map[string]candidate{"a": {Name: "A", Started: 1, Accounts: c.a}, "b": {Name: "B", Started: 2, Accounts: c.b}})
		for id, want := range c.x {
			if is := got[id].Accounts["x"]; is != want {
				t.Errorf("%s: %s is told %+v, want %+v", name, id, is, want)
			}
		}
	}
}

func TestFencedByNonMember(t *testing.T) {
	for name, c := range map[string]struct {
		members map[string]candidate
		want    bool
	}{
		"nobody was fenced":                  {map[string]candidate{"a": of(1, claim{}), "b": of(1, claim{Since: 1})}, false},
		"fenced by the holder":               {map[string]candidate{"a": of(1, claim{Yields: true}), "b": of(1, claim{Since: 1})}, false},
		"fenced by none of them":             {map[string]candidate{"a": of(1, claim{Yields: true}), "b": of(1, claim{})}, true},
		"fenced, and alone":                  {map[string]candidate{"a": of(1, claim{Yields: true})}, true},
		"fenced by who has lost it since":    {map[string]candidate{"a": of(1, claim{Yields: true, Held: 1}), "b": of(1, claim{Held: 2})}, false},
		"fenced later than the other had it": {map[string]candidate{"a": of(1, claim{Yields: true, Held: 2}), "b": of(1, claim{Held: 1})}, true},
		"the holder was fenced, too":         {map[string]candidate{"a": of(1, claim{Yields: true, Since: 1}), "b": of(1, claim{})}, true},
	} {
		for id, a := range place(c.members) {
			if got := a.Accounts["x"].FencedByNonMember; got != c.want {
				t.Errorf("%s: %s is told %t", name, id, got)
			}
		}
	}
}

// company simulates members that follow their assignments from one generation to the next.
type company struct {
	members map[string]candidate
	clock   int64
	moved   int // leases that were given back to be another's
}

func (c *company) join(id string, accounts int) {
	c.clock++
	m := candidate{Name: id, Started: c.clock, Accounts: map[string]claim{}}
	for i := range accounts {
		m.Accounts[fmt.Sprintf("account %02d", i)] = claim{}
	}
	c.members[id] = m
}

// rebalance simulates one generation: each member follows its assignment at once.
func (c *company) rebalance(t fataler) {
	c.clock++
	holders := map[string]string{}
	for id, told := range place(c.members) {
		for account, a := range told.Accounts {
			was := c.members[id].Accounts[account]
			now := claim{Resigned: was.Resigned}
			switch a.Part {
			case HolderPart:
				if other, twice := holders[account]; twice {
					t.Fatalf("%s is given to %s and to %s", account, other, id)
				}
				holders[account] = id
				if now.Since = was.Since; now.Since == 0 {
					now.Since = c.clock
				}
			case ReleasePart:
				c.moved++
			case StandbyPart:
				now.Warm = true
			}
			c.members[id].Accounts[account] = now
		}
	}
	// Whoever has a lease that was not taken from it still holds it: nobody else is given it.
	for id, m := range c.members {
		for account, cl := range m.Accounts {
			if other := holders[account]; cl.Since > 0 && other != id {
				t.Fatalf("%s holds %s, and %q is given it", id, account, other)
			}
		}
	}
}

type fataler interface{ Fatalf(string, ...any) }

// settled simulates generations until nothing changes, and returns how many accounts each member holds and stands by for.
func (c *company) settled(t fataler) (work, standing map[string]int) {
	for range 20 {
		before := fmt.Sprint(place(c.members))
		c.rebalance(t)
		if fmt.Sprint(place(c.members)) == before {
			work, standing = map[string]int{}, map[string]int{}
			for id, told := range place(c.members) {
				work[id], standing[id] = 0, 0
				for _, a := range told.Accounts {
					work[id] += toInt(a.Part == HolderPart)
					standing[id] += toInt(a.Part == StandbyPart)
				}
			}
			return work, standing
		}
	}
	t.Fatalf("no end of rebalancing")
	return nil, nil
}

func spread(counts map[string]int) int {
	return slices.Max(slices.Collect(maps.Values(counts))) - slices.Min(slices.Collect(maps.Values(counts)))
}

// TestPlaceMany: forty accounts on three members are spread evenly; a fourth member moves a quarter of them and no more; when one
// has gone only what it had moves.
func TestPlaceMany(t *testing.T) {
	const accounts = 40
	c := &company{members: map[string]candidate{}}
	for _, id := range []string{"a", "b", "c"} {
		c.join(id, accounts)
	}
	if work, standing := c.settled(t); spread(work) > 1 || spread(standing) > 1 || work["a"]+work["b"]+work["c"] != accounts {
		t.Fatalf("three members work on %v and stand by for %v", work, standing)
	}
	c.moved = 0
	c.join("d", accounts)
	if work, standing := c.settled(t); spread(work) > 1 || spread(standing) > 1 || c.moved != accounts/4 {
		t.Errorf("with a fourth %d moved; now they work on %v and stand by for %v", c.moved, work, standing)
	}
	c.moved = 0
	warm := map[string]bool{}
	for account := range c.members["a"].Accounts {
		if c.members["a"].Accounts[account].Since > 0 {
			warm[account] = true
		}
	}
	delete(c.members, "a")
	for id, told := range place(c.members) {
		for account, a := range told.Accounts {
			if warm[account] && a.Part == HolderPart && !c.members[id].Accounts[account].Warm {
				t.Errorf("%s is given %s, and does not know its state", id, account)
			}
		}
	}
	if work, standing := c.settled(t); spread(work) > 1 || spread(standing) > 1 {
		t.Errorf("without the first they work on %v and stand by for %v", work, standing)
	}
	t.Logf("when one of four went, %d accounts moved besides its own", c.moved)
}

// TestPlacementSettles: whichever members join, leave, resign and are fenced, no member is assigned what another holds, and within a
// few generations every account has a holder, a standby if there are two members, and both are spread evenly.
func TestPlacementSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &company{members: map[string]candidate{}}
		accounts := rapid.IntRange(1, 12).Draw(t, "accounts")
		sick := false
		for range rapid.IntRange(1, 12).Draw(t, "events") {
			id := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "member")
			switch rapid.SampledFrom([]string{"join", "go", "resign", "rebalance"}).Draw(t, "event") {
			case "join":
				c.join(id, accounts)
			case "go":
				delete(c.members, id)
			case "rebalance":
				c.rebalance(t)
			case "resign":
				for account, cl := range c.members[id].Accounts {
					if cl.Since > 0 {
						c.members[id].Accounts[account] = claim{Resigned: cl.Resigned + 1}
						sick = true
					}
				}
			}
		}
		if len(c.members) == 0 {
			return
		}
		work, standing := c.settled(t)
		held, stood := 0, 0
		for id := range work {
			held, stood = held+work[id], stood+standing[id]
		}
		if held != accounts || len(c.members) > 1 && stood != accounts || !sick && (spread(work) > 1 || spread(standing) > 1) {
			t.Fatalf("%d accounts; they work on %v and stand by for %v", accounts, work, standing)
		}
	})
}
