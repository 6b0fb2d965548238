package producer

import (
	"cmp"
	"maps"
	"slices"
)

// place decides which member works on which account, and which stands by for it; the result is by member id. The leader of the
// group computes it from what the members reported of themselves, and from nothing else: any member may be the leader of the next
// generation.
//
// A member that holds a lease keeps it, or every member that joins or leaves would cost a handover; of two that hold it the later
// one has fenced the earlier. An account without a holder goes to a member of the lowest rank (not fenced, not resigned), then to one
// that knows its state, then to the one with the fewest accounts, then to the one that started last: in a rolling update the old ones
// are about to end. If one member has two accounts more than another, one account moves, in steps, so that it is never worked on by
// two and hardly ever by none. First its new member reads the state, then the holder finishes and reports it, then the new member gets
// the lease.
func place(members map[string]candidate) map[string]assignment {
	p := &placement{
		members: members, ids: slices.Sorted(maps.Keys(members)), holders: map[string]string{}, next: map[string]string{},
		standbys: map[string]string{}, work: map[string]int{}, standing: map[string]int{},
	}
	accounts := map[string]bool{}
	for _, m := range members {
		for account := range m.Accounts {
			accounts[account] = true
		}
	}
	p.accounts = slices.Sorted(maps.Keys(accounts))
	p.keep()
	p.fill()
	p.balance()
	p.standBy()
	return p.assignments()
}

// placement is a decision while it is made. next differs from holders for an account that is to move.
type placement struct {
	members  map[string]candidate
	ids      []string // of the members, sorted
	accounts []string // sorted

	holders  map[string]string // account -> id of the member that holds its lease, or is finishing
	next     map[string]string // account -> id of the member that is to hold it
	standbys map[string]string // account -> id of the member that is to stand by
	work     map[string]int    // member id -> accounts that it is to hold
	standing map[string]int    // member id -> accounts that it is to stand by for
}

func (p *placement) claim(id, account string) claim { return p.members[id].Accounts[account] }

// eligible returns the ids of the members that can be assigned the account.
func (p *placement) eligible(account string) (ids []string) {
	for _, id := range p.ids {
		if _, ok := p.members[id].Accounts[account]; ok && !p.members[id].Draining {
			ids = append(ids, id)
		}
	}
	return ids
}

// keep leaves each lease with its holder, unless that one gives it up, or another member has a better rank.
func (p *placement) keep() {
	for _, account := range p.accounts {
		holder, since := "", int64(0)
		for _, id := range p.ids {
			if c := p.claim(id, account); c.Since > since {
				holder, since = id, c.Since
			}
		}
		if holder == "" {
			continue
		}
		p.holders[account] = holder
		c := p.claim(holder, account)
		better := slices.ContainsFunc(p.eligible(account), func(id string) bool { return p.claim(id, account).rank() < c.rank() })
		if !c.Finishing && !better {
			p.assign(account, holder)
		}
	}
}

func (p *placement) assign(account, id string) {
	p.next[account] = id
	p.work[id]++
}

// fill finds a member for each account that has none.
func (p *placement) fill() {
	for _, account := range p.accounts {
		if _, given := p.next[account]; given {
			continue
		}
		able := slices.DeleteFunc(p.eligible(account), func(id string) bool { return p.claim(id, account).Finishing })
		if len(able) == 0 {
			continue
		}
		p.assign(account, slices.MinFunc(able, func(a, b string) int {
			x, y := p.claim(a, account), p.claim(b, account)
			return cmp.Or(cmp.Compare(x.rank(), y.rank()), toInt(y.Warm)-toInt(x.Warm), cmp.Compare(p.work[a], p.work[b]), p.younger(a, b))
		}))
	}
}

// younger orders members, the one that started last first.
func (p *placement) younger(a, b string) int {
	return cmp.Or(cmp.Compare(p.members[b].Started, p.members[a].Started), cmp.Compare(a, b))
}

// balance moves accounts from the members with the most to those with the fewest, until they differ by at most one.
func (p *placement) balance() {
	for {
		account, to := p.move()
		if account == "" {
			return
		}
		p.work[p.next[account]]--
		p.assign(account, to)
	}
}

// move returns the account to move next and its new member; "" if all is even. It prefers accounts whose state the new member knows:
// they can move at once.
func (p *placement) move() (account, to string) {
	gain := 1
	warm := false
	for _, a := range p.accounts {
		from, given := p.next[a]
		if !given || p.claim(from, a).Finishing {
			continue
		}
		for _, id := range p.eligible(a) {
			c := p.claim(id, a)
			if c.rank() > 0 || c.Finishing {
				continue
			}
			if g := p.work[from] - p.work[id]; g > gain || g == gain && g > 1 && c.Warm && !warm {
				account, to, gain, warm = a, id, g, c.Warm
			}
		}
	}
	return account, to
}

// standBy chooses the standby of each account: the present one, unless standbys are spread unevenly.
func (p *placement) standBy() {
	for _, account := range p.accounts {
		if p.moves(account) { // its new member
			p.assignStandby(account, p.next[account])
		}
	}
	for _, warm := range []bool{true, false} {
		for _, account := range p.accounts {
			able := p.eligibleStandbys(account)
			if warm {
				able = slices.DeleteFunc(able, func(id string) bool { return !p.claim(id, account).Warm })
			}
			if _, chosen := p.standbys[account]; chosen || len(able) == 0 {
				continue
			}
			p.assignStandby(account, slices.MinFunc(able, func(a, b string) int {
				return cmp.Or(cmp.Compare(p.claim(a, account).rank(), p.claim(b, account).rank()),
					cmp.Compare(p.standing[a], p.standing[b]), cmp.Compare(p.work[a], p.work[b]), p.younger(a, b))
			}))
		}
	}
	for p.balanceStandbys() {
	}
}

func (p *placement) moves(account string) bool {
	next, given := p.next[account]
	return given && p.holders[account] != "" && p.holders[account] != next
}

func (p *placement) assignStandby(account, id string) {
	p.standbys[account] = id
	p.standing[id]++
}

func (p *placement) eligibleStandbys(account string) []string {
	return slices.DeleteFunc(p.eligible(account), func(id string) bool {
		return id == p.next[account] || id == p.holders[account]
	})
}

// balanceStandbys moves the standby of one account to a member that stands by for fewer, or for one fewer and started later; it reports
// whether there was one to move.
func (p *placement) balanceStandbys() bool {
	for _, account := range p.accounts {
		from, chosen := p.standbys[account]
		if !chosen || p.moves(account) {
			continue
		}
		for _, id := range p.eligibleStandbys(account) {
			gain := p.standing[from] - p.standing[id]
			if id == from || p.claim(id, account).rank() > p.claim(from, account).rank() || gain < 1 {
				continue
			}
			if gain > 1 || p.members[id].Started > p.members[from].Started {
				p.standing[from]--
				p.assignStandby(account, id)
				return true
			}
		}
	}
	return false
}

// assignments returns the decision as each member's assignment.
func (p *placement) assignments() map[string]assignment {
	out := map[string]assignment{}
	for _, id := range p.ids {
		parts := map[string]assigned{}
		for account := range p.members[id].Accounts {
			parts[account] = p.part(id, account)
		}
		out[id] = assignment{parts}
	}
	return out
}

func (p *placement) part(id, account string) assigned {
	holder, next, standby := p.holders[account], p.next[account], p.standbys[account]
	a := assigned{Standby: p.members[standby].Name, FencedByNonMember: p.fencedByNonMember(account)}
	moves := p.moves(account)
	// An account that moves for balance waits until its new member is warm; one whose holder has the worse rank moves at once.
	waits := moves && !p.claim(holder, account).Finishing && !p.claim(next, account).Warm && p.claim(holder, account).rank() <= p.claim(next, account).rank()
	switch {
	case moves && !waits && id == holder:
		a.Part = ReleasePart
	case moves && !waits && id == next:
		a.Part = StandbyPart
	case waits && id == holder, !moves && id == next:
		a.Part = HolderPart
	case id == standby:
		a.Part, a.ReportWarm = StandbyPart, waits || p.hasStandIn(account)
	case id != holder && p.claim(id, account).Warm && !p.claim(standby, account).Warm:
		a.Part = StandbyPart // until the chosen standby is warm
	}
	switch {
	case waits:
		a.Holder = p.members[holder].Name
	case !moves:
		a.Holder = p.members[next].Name
	}
	return a
}

// hasStandIn reports whether another member stays warm for the account until its standby is.
func (p *placement) hasStandIn(account string) bool {
	return slices.ContainsFunc(p.ids, func(id string) bool {
		return id != p.standbys[account] && id != p.next[account] && id != p.holders[account] && p.claim(id, account).Warm
	})
}

// fencedByNonMember reports whether a member was fenced by a worker that is not a member of the group. A member that began to hold the
// lease after the fenced one may have fenced it, even if its lease has expired since.
func (p *placement) fencedByNonMember(account string) bool {
	fenced, held := false, int64(0)
	for _, id := range p.ids {
		if c := p.claim(id, account); c.Yields {
			fenced, held = true, max(held, c.Held)
		}
	}
	return fenced && !slices.ContainsFunc(p.ids, func(id string) bool {
		c := p.claim(id, account)
		return !c.Yields && (c.Since > 0 || c.Held > held)
	})
}

func toInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
