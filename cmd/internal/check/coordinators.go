package check

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/producer"
)

// group checks the group, and then the transactional ids, as far as the members of the group allow.
func (k *cluster) group(ctx context.Context) {
	idle := false
	if !k.Process.Lease {
		k.say(Line{Area: Group, Subject: k.Process.LeaseGroup(), State: OK, Says: "not used (LEASE=off)"})
	} else {
		g := k.to.Group(ctx, k.Process.LeaseGroup())
		idle = g.Err == nil && len(g.Denied) == 0 && g.Members == 0
		k.groupLines(g)
	}
	k.transactions(k.coordinated(ctx, idle), idle)
}

// coordinated requests the coordinators of the transactional ids of all accounts.
func (k *cluster) coordinated(ctx context.Context, idle bool) []producer.Coordinated {
	all := make([]producer.Coordinated, len(k.Accounts))
	var probes errgroup.Group
	probes.SetLimit(brokersAtOnce)
	for i, a := range k.Accounts {
		probes.Go(func() error {
			all[i] = k.to.Transactional(ctx, a.Config.TransactionalID(), idle)
			return nil
		})
	}
	_ = probes.Wait() // no probe returns an error
	return all
}

// transactions says once what is denied with all transactional ids alike.
func (k *cluster) transactions(all []producer.Coordinated, idle bool) {
	denied, alike := all[0].Denied, len(all) > 1
	for _, c := range all {
		alike = alike && len(denied) > 0 && slices.Equal(c.Denied, denied)
	}
	var ids []string
	for i, c := range all {
		cfg := k.Accounts[i].Config
		ids = append(ids, cfg.TransactionalID())
		if len(c.Denied) > 0 && !alike {
			k.sayOf(cfg, k.denied(transactionalID, cfg.TransactionalID(), c.Denied))
		}
		k.sayOf(cfg, k.transactionLine(cfg, c, idle))
	}
	if alike {
		l := k.denied(transactionalID, k.Process.TransactionalIDs()+"*", denied)
		l.Do = k.permit(transactionalID, ids, []string{k.Process.TransactionalIDs() + "*"}, namesOf(denied)...)
		k.say(l)
	}
}

const transactionalID = "transactional-id"

// sayOf says what is about one account, where there are several.
func (k *cluster) sayOf(cfg *config.Config, l Line) {
	if len(k.Accounts) > 1 {
		l.Account = cfg.AccountID
	}
	k.say(l)
}

func (k *cluster) groupLines(g producer.GroupState) {
	l := Line{Area: Group, Subject: k.Process.LeaseGroup(), State: OK}
	if len(g.Denied) > 0 {
		k.say(k.denied("group", l.Subject, g.Denied))
	}
	switch {
	case g.Err != nil:
		l = k.failedAfter(l, g.Err)
	case len(g.Denied) > 0:
		l.State, l.Says = Skip, "needs the permission above"
	case g.Foreign:
		l.State, l.Says, l.Do = Fail, "another application uses this consumer group", "set another TOPIC_PREFIX, or LEASE=off"
	case g.Members == 0:
		l.Says = "has a coordinator, and no members"
	default:
		l.Says = fmt.Sprintf("has a coordinator; members: %d", g.Members)
	}
	k.say(l)
}

func (k *cluster) transactionLine(cfg *config.Config, c producer.Coordinated, idle bool) Line {
	l := Line{Area: Transactions, Subject: cfg.TransactionalID(), State: OK}
	switch {
	case c.Err != nil:
		l = k.failedAfter(l, c.Err)
	case len(c.Denied) > 0:
		l.State, l.Says = Skip, "needs the permission above"
	case idle && c.Timeout < producer.TransactionTimeout:
		l.State, l.Says = Warn, fmt.Sprintf("has a coordinator, which allows a timeout of %v: a commit that takes longer than three quarters of it is repeated", c.Timeout)
		l.Do = fmt.Sprintf("set the brokers' transaction.max.timeout.ms to %d or more", producer.TransactionTimeout.Milliseconds())
	case idle:
		l.Says = fmt.Sprintf("has a coordinator, which allows a timeout of %v", c.Timeout)
	default:
		l.Says = "has a coordinator; the timeout was not checked, as a worker may be using the id"
	}
	return l
}
