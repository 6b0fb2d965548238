package check

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/proof/kraft"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/producer"
)

// TestTakesNothingOnKafka is TestTakesNothing on Apache Kafka, where the worker is in no group, so that the check takes it for idle
// and asks for an epoch: before a worker was there, and beside one that commits.
func TestTakesNothingOnKafka(t *testing.T) {
	c := kraft.ForTest(t, kraft.Config{Nodes: 1})
	env := map[string]string{
		"SMARTASSIST_URL": "http://127.0.0.1:1", "SMARTASSIST_ACCOUNT_ID": accountID, "SMARTASSIST_JWT": token, "KAFKA_BROKERS": strings.Join(c.Brokers(), ","),
	}
	process, accounts, err := config.LoadAll(func(name string) (string, bool) { v, ok := env[name]; return v, ok }, nil)
	if err != nil {
		t.Fatal(err)
	}
	look := func() {
		t.Helper()
		for _, l := range Run(t.Context(), Config{Process: process, Accounts: accounts}).Lines {
			if t.Log(l); l.State == Fail && l.Area != Service {
				t.Error("failed")
			}
		}
	}
	look()
	cfg := accounts[0].Config
	p, err := producer.Open(producer.Config{Cluster: cfg.Kafka.Cluster("worker", nil, zerolog.Nop()), TransactionalID: cfg.TransactionalID()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.EnsureTopics(ctx, true, worker.Topics(cfg)); err != nil {
		t.Fatal(err)
	}
	if err := p.Acquire(ctx); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.Commit(ctx, []producer.Record{{Topic: prefix + "voice", Key: []byte("k"), Value: []byte("v")}}, nil); err != nil {
			t.Fatal(err)
		}
		look()
	}
}
