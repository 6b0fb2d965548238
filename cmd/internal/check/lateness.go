package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/producer"
)

// lastRecords is how many of the last records of each partition are read. A ledger is written with every commit, so that few records
// have it; those of other accounts lie between. If they do not have that of every account, more are read, once.
var lastRecords = []int64{500, 20_000}

// latePatience is how long the brokers may be silent while the topic state is read.
const latePatience = 10 * time.Second

// lateness reports for each account what its worker has learned of how late rows show and when they change. It reads the ends of the
// topic state as a consumer without a group does.
func (k *cluster) lateness(ctx context.Context) {
	l := Line{Area: Lateness, Subject: "SETTLE, REREAD", State: OK}
	topic := k.Process.Topics().State()
	at := slices.IndexFunc(k.found, func(s producer.TopicState) bool { return s.Name == topic })
	switch {
	case at < 0:
		l.State, l.Says = Skip, "the topics are not known"
	case isDenied(k.found[at].Err):
		l.State, l.Says = Skip, "needs Read on "+topic
	case k.found[at].Err != nil:
		l.State, l.Says = Skip, "needs "+topic
	case k.found[at].Missing:
		l.Says = fmt.Sprintf("nothing is known yet: %s does not exist", topic)
	default:
		k.learned(ctx, l, topic)
		return
	}
	k.say(l)
}

// learned reports what the ledgers hold.
func (k *cluster) learned(ctx context.Context, l Line, topic string) {
	ledgers, err := k.ledgers(ctx, topic)
	switch {
	case isDenied(err):
		l.State, l.Says = Skip, "needs Read on "+topic
		k.say(l)
		return
	case err != nil:
		k.say(k.failedAfter(l, err))
		return
	}
	for _, a := range k.Accounts {
		k.sayOf(a.Config, advised(l, a.Config, ledgers[a.Config.AccountID], topic))
	}
}

// ledgers returns the newest record of each account's ledger among the last records of the topic.
func (k *cluster) ledgers(ctx context.Context, topic string) (map[string]*poller.Record, error) {
	found := map[string]*poller.Record{}
	for _, last := range lastRecords {
		err := producer.Tail(ctx, k.at, producer.TailOptions{Topics: []string{topic}, Last: last, Patience: latePatience}, func(m producer.Message) error {
			r := poller.Record{Key: m.Key, Value: m.Value}
			if account, rest, _ := strings.Cut(string(m.Key), "/"); rest == "ledger" {
				found[account] = &r
			}
			return nil
		})
		missing := slices.ContainsFunc(k.Accounts, func(a config.AccountFile) bool { return found[a.Config.AccountID] == nil })
		if err != nil || !missing {
			return found, err
		}
	}
	return found, nil
}

// advised completes the line of an account, whose ledger is nil if there is none.
func advised(l Line, cfg *config.Config, ledger *poller.Record, topic string) Line {
	if ledger == nil || ledger.Value == nil {
		l.Says = fmt.Sprintf("nothing is known yet: no commit of the account is among the last records of %s", topic)
		return l
	}
	state := poller.State{Account: cfg.AccountID}
	polling, err := worker.PollingConfig(cfg, zerolog.Nop())
	if err == nil {
		err = state.Restore(*ledger)
	}
	switch {
	case errors.Is(err, poller.ErrNewer):
		l.State, l.Says = Skip, err.Error()
	case err != nil:
		l.State, l.Says = Fail, err.Error()
	default:
		l.Says = strings.Join(polling.Advice(state.Learned), "; ")
	}
	return l
}
