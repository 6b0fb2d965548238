package proxy

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// asker asks for the cluster's metadata through a proxy.
type asker struct {
	*Proxy
	client *kgo.Client

	mu   sync.Mutex
	seen map[Passing]int
}

func newAsker(t *testing.T) *asker {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	a := &asker{Proxy: New(), seen: map[Passing]int{}}
	t.Cleanup(a.Close)
	a.Watch(func(what Passing) bool { a.mu.Lock(); defer a.mu.Unlock(); a.seen[what]++; return true })
	if err := a.Stand("127.0.0.1:0", cluster.ListenAddrs()[0]); err != nil {
		t.Fatal(err)
	}
	a.client, err = kgo.NewClient(kgo.SeedBrokers(a.listeners[0].Addr().String()), kgo.RequestRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.client.Close)
	return a
}

func (a *asker) ask(t *testing.T) error {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, a.client.SeedBrokers()[0])
	return err
}

func (a *asker) count(what Passing) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seen[what]
}

// TestWhatPassesIsSeen in both directions.
func TestWhatPassesIsSeen(t *testing.T) {
	a := newAsker(t)
	if err := a.ask(t); err != nil {
		t.Fatal(err)
	}
	for _, answer := range []bool{false, true} {
		if n := a.count(Passing{Key: kmsg.Metadata, Answer: answer}); n != 1 {
			t.Errorf("seen %d times, want once (answer: %t)", n, answer)
		}
	}
}

// TestCutAndMended: nothing passes in between, neither on old connections nor on new ones.
func TestCutAndMended(t *testing.T) {
	a := newAsker(t)
	if err := a.ask(t); err != nil {
		t.Fatal(err)
	}
	a.Cut()
	for range 2 {
		if err := a.ask(t); err == nil {
			t.Error("answered although the network is cut")
		}
	}
	a.Mend()
	if err := a.ask(t); err != nil {
		t.Error(err)
	}
}

// TestDelayHoldsBothWays.
func TestDelayHoldsBothWays(t *testing.T) {
	a := newAsker(t)
	if err := a.ask(t); err != nil {
		t.Fatal(err)
	}
	a.Delay(50 * time.Millisecond)
	began := time.Now()
	if err := a.ask(t); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("took %v, want a delay of 50ms each way", took)
	}
}

// TestHalfClosed: the request reaches the broker, the answer nobody, and a new connection works.
func TestHalfClosed(t *testing.T) {
	a := newAsker(t)
	if err := a.ask(t); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	a.Watch(func(what Passing) bool {
		if what.Key == kmsg.Metadata && !what.Answer {
			once.Do(a.HalfClose)
		}
		return true
	})
	if err := a.ask(t); err == nil {
		t.Error("answered although the way back is closed")
	}
	a.Watch(nil)
	if err := a.ask(t); err != nil {
		t.Error(err)
	}
}

// TestDropped: what must not pass breaks its connection.
func TestDropped(t *testing.T) {
	a := newAsker(t)
	a.Watch(func(what Passing) bool { return what.Key != kmsg.Metadata })
	if err := a.ask(t); err == nil {
		t.Error("answered although the request was dropped")
	}
	a.Watch(nil)
	if err := a.ask(t); err != nil {
		t.Error(err)
	}
}
