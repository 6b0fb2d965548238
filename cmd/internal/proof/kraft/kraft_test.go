package kraft

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestANodeDiesAndReturns: another one leads and coordinates, and what was written is there.
func TestANodeDiesAndReturns(t *testing.T) {
	c := ForTest(t, Config{Nodes: 3})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	client := clientOf(t, c)
	create := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "held", 1, -1
	create.Topics = append(create.Topics, topic)
	if _, err := create.RequestWith(ctx, client); err != nil {
		t.Fatal(err)
	}
	leader, err := c.LeaderOf(ctx, "held", 0)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := c.Kill(ctx, leader); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: "held", Value: []byte("v")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	t.Logf("a record was taken %v after its leader's death", time.Since(began))
	if next, err := c.LeaderOf(ctx, "held", 0); err != nil || next == leader {
		t.Errorf("leader %d died, then %d led: %v", leader, next, err)
	}
	if other, err := c.TransactionCoordinatorOf(ctx, "some"); err != nil || other == leader {
		t.Errorf("%d is dead and coordinates: %v", other, err)
	}
	if err := c.Restart(ctx, leader); err != nil {
		t.Fatal(err)
	}
	if err := c.Await(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestNoBrokerOutlivesItsTest: the brokers die with a test binary that gets no chance to end them.
func TestNoBrokerOutlivesItsTest(t *testing.T) {
	if dir := os.Getenv("KRAFT_TEST_DIR"); dir != "" {
		if _, err := Start(t.Context(), dir, Config{Nodes: 1, Tied: true}); err != nil {
			t.Fatal(err)
		}
		self, _ := os.FindProcess(os.Getpid())
		_ = self.Kill()
	}
	Skip(t)
	dir := t.TempDir()
	test := exec.Command(os.Args[0], "-test.run", "^TestNoBrokerOutlivesItsTest$")
	test.Env = append(os.Environ(), "KRAFT_TEST_DIR="+dir)
	if out, err := test.CombinedOutput(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("%v\n%s", err, out)
	}
	if !exists(filepath.Join(dir, "node1", "pid")) {
		t.Fatal("no broker was started")
	}
	c, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := until(ctx, "the broker is gone", 10*time.Millisecond, func(context.Context) error {
		if pid := (node{c, 1}).pid(); pid != 0 {
			return os.ErrExist
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// clientOf returns a client of the cluster that is closed with the test.
func clientOf(t *testing.T, c *Cluster) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}
