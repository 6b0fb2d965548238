package check

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/producer"
)

// TestLateness: what the account's ledger holds is reported, as far back as it lies behind records of others, and one that cannot be
// read for what it is.
func TestLateness(t *testing.T) {
	learned := poller.Ledger{Sequence: 7}
	learned.Learned.At, learned.Learned.Late[0], learned.Learned.Changed[0] = time.Unix(1, 0), 1000, 1000
	ledger := func(l poller.Ledger) string {
		records := (&poller.State{Account: accountID}).Records(l, nil)
		return string(records[len(records)-1].Value)
	}
	for name, c := range map[string]struct {
		values []string // of the account's ledger, in order
		behind int      // records of another account after the last
		want   string
		failed int
	}{
		"learned":      {[]string{ledger(poller.Ledger{}), ledger(learned)}, 3, "ok    lateness       SETTLE, REREAD                                    99.9 % of the rows show within 30s of their start: SETTLE 2m covers it; 99 % of the changes come within 30s of the start: REREAD 168h covers it", 0},
		"far back":     {[]string{ledger(learned)}, 2000, "SETTLE 2m covers it; 99 %", 0},
		"too few rows": {[]string{ledger(poller.Ledger{Sequence: 1})}, 0, "SETTLE 2m: too few new rows were seen", 0},
		"none":         {nil, 1, "nothing is known yet: no commit of the account", 0},
		"deleted":      {[]string{ledger(learned), ""}, 1, "nothing is known yet: no commit of the account", 0},
		"newer":        {[]string{`{"format":9}`}, 0, "skip  lateness       SETTLE, REREAD                                    state ledger: format 9, this version knows up to 1; a newer version wrote it", 0},
		"damaged":      {[]string{`{"format":1,`}, 0, "FAIL  lateness", 1},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(*plan) {}, func(w *world) {
				w.ledgers(c.values, c.behind)
				if text := w.text(); !strings.Contains(text, c.want) || !strings.Contains(text, fmt.Sprintf(" %d FAIL", c.failed)) {
					t.Errorf("want %q, %d FAIL:\n%s", c.want, c.failed, text)
				}
			})
		})
	}
}

// ledgers commits values of the account's ledger, "" for its deletion, and behind them so many records of another account.
func (w *world) ledgers(values []string, behind int) {
	cluster := producer.Cluster{Brokers: []string{"localhost:9092"}, ClientID: "worker", Dial: w.dial, Log: zerolog.Nop()}
	p, err := producer.Open(producer.Config{Cluster: cluster, TransactionalID: prefix + "convstream.test"})
	w.must(err)
	w.closes = append(w.closes, p.Close)
	w.must(p.EnsureTopics(w.t.Context(), false, []producer.Topic{{Name: prefix + "state"}}))
	w.must(p.Acquire(w.t.Context()))
	for _, v := range values {
		r := producer.Record{Topic: prefix + "state", Key: []byte(accountID + "/ledger")}
		if v != "" {
			r.Value = []byte(v)
		}
		w.must(p.Commit(w.t.Context(), []producer.Record{r}, nil))
	}
	var others []producer.Record
	for i := range behind {
		others = append(others, producer.Record{Topic: prefix + "state", Key: fmt.Appendf(nil, "other/seen/%d", i), Value: []byte("x")})
	}
	w.must(p.Commit(w.t.Context(), others, nil))
}
