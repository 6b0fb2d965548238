package producer

import (
	"cmp"
	"maps"
	"slices"
)

// place decides who works on which account, and who stands by for it; the result is by member id. It is computed by the leader
// of the group from what the members said of themselves, and from nothing else: any member may be the leader of the next
// generation.
//
// Whoever holds a lease keeps it, or every member that comes or goes would cost a handover; of two that hold it the later
// one has fenced the earlier. An account without a holder goes to who is able (has not been fenced, has not resigned), then
// to who knows its state, then to who has the least to do, then to the youngest: in a rolling update the old ones are about to
// go. Where one member has two accounts more than another, one moves: in steps, so that it is never worked on by two and
// hardly ever by none. First the member that is to have it reads its state, then the holder finishes and says so, then the
// lease is the other's.
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
	return p.told()
}

// placement is a decision in the making. next differs from holders for an account that is to move.
type placement struct {
	members  map[string]candidate
	ids      []string // of the members, sorted
	accounts []string // sorted

	holders  map[string]string // account -> id of the member that holds its lease, or is finishing; "" for none
	next     map[string]string // account -> id of the member that is to hold it
	standbys map[string]string // account -> id of the member that is to stand by
	work     map[string]int    // member id -> accounts that it is to hold
	standing map[string]int    // member id -> accounts that it is to stand by for
}

func (p *placement) claim(id, account string) claim { return p.members[id].Accounts[account] }

// able returns the ids of the members that can be given the account.
func (p *placement) able(account string) (ids []string) {
	for _, id := range p.ids {
		if _, ok := p.members[id].Accounts[account]; ok && !p.members[id].Leaving {
			ids = append(ids, id)
		}
	}
	return ids
}

// keep leaves each lease with its holder, unless that one gives it up, or another is better able to do the work.
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
		best := slices.ContainsFunc(p.able(account), func(id string) bool { return p.claim(id, account).rank() < c.rank() })
		if !c.Busy && !best {
			p.give(account, holder)
		}
	}
}

func (p *placement) give(account, id string) {
	p.next[account] = id
	p.work[id]++
}

// fill finds a member for each account that has none.
func (p *placement) fill() {
	for _, account := range p.accounts {
		if _, given := p.next[account]; given {
			continue
		}
		able := slices.DeleteFunc(p.able(account), func(id string) bool { return p.claim(id, account).Busy })
		if len(able) == 0 {
			continue
		}
		p.give(account, slices.MinFunc(able, func(a, b string) int {
			x, y := p.claim(a, account), p.claim(b, account)
			return cmp.Or(cmp.Compare(x.rank(), y.rank()), boolean(y.Warm)-boolean(x.Warm), cmp.Compare(p.work[a], p.work[b]), p.younger(a, b))
		}))
	}
}

// younger orders members, the one that started last first.
func (p *placement) younger(a, b string) int {
	return cmp.Or(cmp.Compare(p.members[b].Started, p.members[a].Started), cmp.Compare(a, b))
}

// balance moves accounts from those who have the most to those who have the least, until they differ by one.
func (p *placement) balance() {
	for {
		account, to := p.move()
		if account == "" {
			return
		}
		p.work[p.next[account]]--
		p.give(account, to)
	}
}

// move returns the account that is moved next, and to whom; "" where all is even. Of several those that can move at once are
// preferred: their state is known there.
func (p *placement) move() (account, to string) {
	gain := 1
	warm := false
	for _, a := range p.accounts {
		from, given := p.next[a]
		if !given || p.claim(from, a).Busy {
			continue
		}
		for _, id := range p.able(a) {
			c := p.claim(id, a)
			if c.rank() > 0 || c.Busy {
				continue
			}
			if g := p.work[from] - p.work[id]; g > gain || g == gain && g > 1 && c.Warm && !warm {
				account, to, gain, warm = a, id, g, c.Warm
			}
		}
	}
	return account, to
}

// standBy chooses for each account who stands by: who does already, unless the work of standing by is uneven.
func (p *placement) standBy() {
	for _, account := range p.accounts {
		if p.moves(account) { // who is to have it
			p.stand(account, p.next[account])
		}
	}
	for _, warm := range []bool{true, false} {
		for _, account := range p.accounts {
			able := p.mayStand(account)
			if warm {
				able = slices.DeleteFunc(able, func(id string) bool { return !p.claim(id, account).Warm })
			}
			if _, chosen := p.standbys[account]; chosen || len(able) == 0 {
				continue
			}
			p.stand(account, slices.MinFunc(able, func(a, b string) int {
				return cmp.Or(cmp.Compare(p.claim(a, account).rank(), p.claim(b, account).rank()),
					cmp.Compare(p.standing[a], p.standing[b]), cmp.Compare(p.work[a], p.work[b]), p.younger(a, b))
			}))
		}
	}
	for p.evenOut() {
	}
}

func (p *placement) moves(account string) bool {
	next, given := p.next[account]
	return given && p.holders[account] != "" && p.holders[account] != next
}

func (p *placement) stand(account, id string) {
	p.standbys[account] = id
	p.standing[id]++
}

func (p *placement) mayStand(account string) []string {
	return slices.DeleteFunc(p.able(account), func(id string) bool {
		return id == p.next[account] || id == p.holders[account]
	})
}

// evenOut moves the standby of one account to a member that stands by for less, or for one less and is younger.
func (p *placement) evenOut() bool {
	for _, account := range p.accounts {
		from, chosen := p.standbys[account]
		if !chosen || p.moves(account) {
			continue
		}
		for _, id := range p.mayStand(account) {
			gain := p.standing[from] - p.standing[id]
			if id == from || p.claim(id, account).rank() > p.claim(from, account).rank() || gain < 1 {
				continue
			}
			if gain > 1 || p.members[id].Started > p.members[from].Started {
				p.standing[from]--
				p.stand(account, id)
				return true
			}
		}
	}
	return false
}

// told puts the decision into what each member is told.
func (p *placement) told() map[string]assignment {
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
	a := assigned{Standby: p.members[standby].Name, Stranger: p.stranger(account)}
	moves := p.moves(account)
	// An account that moves for the sake of balance stays until the other one is warm; a holder that cannot do the work goes at once.
	waits := moves && !p.claim(holder, account).Busy && !p.claim(next, account).Warm && p.claim(holder, account).rank() <= p.claim(next, account).rank()
	switch {
	case moves && !waits && id == holder:
		a.Part = ReleasePart
	case moves && !waits && id == next:
		a.Part = StandbyPart
	case waits && id == holder, !moves && id == next:
		a.Part = HolderPart
	case id == standby:
		a.Part, a.Report = StandbyPart, waits || p.relieves(account)
	case id != holder && p.claim(id, account).Warm && !p.claim(standby, account).Warm:
		a.Part = StandbyPart // until the other one is warm
	}
	switch {
	case waits:
		a.Holder = p.members[holder].Name
	case !moves:
		a.Holder = p.members[next].Name
	}
	return a
}

// relieves reports whether another member is warm for the account only until its standby is.
func (p *placement) relieves(account string) bool {
	return slices.ContainsFunc(p.ids, func(id string) bool {
		return id != p.standbys[account] && id != p.next[account] && id != p.holders[account] && p.claim(id, account).Warm
	})
}

// stranger reports whether a member was fenced, and by none of the members: whoever did it takes no part in the group. A member that
// began to hold the lease after the fenced one may have done it, also where it has lost the lease since, to the brokers' silence.
func (p *placement) stranger(account string) bool {
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

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}
