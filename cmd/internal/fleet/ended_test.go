package fleet

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/poller/simulator"
)

// TestAnAccountThatEnded, the first of them, neither stops the others nor makes the process unready.
func TestAnAccountThatEnded(t *testing.T) {
	t.Parallel()
	inCompany(t, 3, simulator.Config{Seed: 1, History: 30 * time.Minute, PerMinute: 1}, func(c *company) {
		m := c.start()
		c.spread(time.Minute, m)
		if err := m.stop(); err != nil {
			t.Fatal(err)
		}
		client, err := kgo.NewClient(kgo.SeedBrokers(kafkaAddr), kgo.Dialer(c.network.DialContext), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		newer := &kgo.Record{Topic: "conversations.state", Partition: int32(partitionOf("account-00")), Key: []byte("account-00/of a newer version"), Value: []byte("?")}
		if err := client.ProduceSync(context.Background(), newer).FirstErr(); err != nil {
			t.Fatal(err)
		}
		client.Close()
		m = c.start()
		time.Sleep(time.Minute)
		s := m.Status(context.Background())
		if !s.Ready {
			t.Errorf("the process is not ready: %s", s.NotReady)
		}
		if first := s.Accounts[0]; !strings.Contains(first.Ended, "a newer one wrote it") {
			t.Errorf("account %s has not ended: role %s, ended %q", first.Account, first.Role, first.Ended)
		}
		for _, a := range s.Accounts[1:] {
			if a.Role != admin.Active {
				t.Errorf("account %s is %s", a.Account, a.Role)
			}
		}
		if err := m.stop(); err != nil {
			t.Error(err)
		}
	})
}
