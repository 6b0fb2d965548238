package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"--for", "30s", "--conversations-per-minute=60", "--history", "0", "--faults", "--seed", "7", "--accounts", "100", "--replicas", "10", "--kafka-addr", "127.0.0.1:0"})
	want := options{
		duration: 30 * time.Second, perMinute: 60, faults: true, seed: 7, accounts: 100, replicas: 10,
		kafkaAddr: "127.0.0.1:0", registryAddr: "127.0.0.1:18081", adminAddr: "127.0.0.1:18080", serviceAddr: "127.0.0.1:18181",
	}
	if err != nil || o != want {
		t.Errorf("%+v, %v, want %+v", o, err, want)
	}
	if o, err := parse([]string{"--conversations-per-minute", "6000"}); err != nil || o.accounts != 1 || o.replicas != 1 {
		t.Errorf("%+v, %v, want one account and one replica", o, err)
	}
	for _, args := range [][]string{
		{"--accounts", "0"}, {"--accounts", "-1"}, {"--accounts", "101"}, {"--accounts", "2.5"}, {"--accounts", "2", "--conversations-per-minute", "3001"},
		{"--replicas", "0"}, {"--replicas", "-3"}, {"--replicas", "11"}, {"--replicas", "two"},
		{"run"}, {"--for", "-1s"}, {"--for", "30"}, {"--history", "-1m"}, {"--conversations-per-minute", "0"},
		{"--conversations-per-minute", "6001"}, {"--conversations-per-minute", "NaN"}, {"--seed", "-1"}, {"--fault"},
	} {
		if o, err := parse(args); err == nil {
			t.Errorf("%v: accepted as %+v", args, o)
		}
	}
}

// screen is written to by the demonstration while the test reads it.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestDemo runs it for some seconds of real time, at the same time with and without faults.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the demonstration in real time: takes ten seconds")
	}
	t.Parallel()
	for _, faults := range []bool{false, true} {
		t.Run(fmt.Sprintf("faults %t", faults), func(t *testing.T) {
			t.Parallel()
			var out screen
			err := demo(t.Context(), options{
				duration: 8 * time.Second, perMinute: 120, history: 2 * time.Minute, faults: faults, seed: 11, accounts: 1, replicas: 1,
				kafkaAddr: "127.0.0.1:0", registryAddr: "127.0.0.1:0", adminAddr: "127.0.0.1:0", serviceAddr: "127.0.0.1:0",
			}, &out)
			if err != nil || !strings.HasSuffix(out.String(), "verified: nothing lost, nothing twice\n") {
				t.Errorf("%v\n%s", err, &out)
			}
			for _, want := range []string{"demo, seed 11", "KAFKA_BROKERS=127.0.0.1:", "SCHEMA_REGISTRY_URL=http://127.0.0.1:", "revision 1", "conversations.voice "} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("does not say %q:\n%s", want, &out)
				}
			}
			if said := strings.Contains(out.String(), "faults: service"); said != faults {
				t.Errorf("tells of faults: %t, want %t", said, faults)
			}
		})
	}
}

// TestInterrupted ends as the passing of time does: drained and verified. An interrupt before anything was published is
// no success.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out screen
	err := demo(ctx, options{perMinute: 60, seed: 1, accounts: 1, replicas: 1, kafkaAddr: "127.0.0.1:0", registryAddr: "127.0.0.1:0", adminAddr: "127.0.0.1:0", serviceAddr: "127.0.0.1:0"}, &out)
	if err == nil {
		t.Errorf("nothing was published and nothing complained:\n%s", &out)
	}
}

// TestTheSecondOneFindsOtherPorts where the default ones are taken, and says so; an address that was asked for is taken or refused.
func TestTheSecondOneFindsOtherPorts(t *testing.T) {
	t.Parallel()
	if l, err := listen("--kafka-addr", "127.0.0.1:19092"); err != nil {
		t.Error(err)
	} else {
		defer l.Close()
	}
	again, err := listen("--kafka-addr", "127.0.0.1:19092")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := listen("--kafka-addr", again.Addr().String()); err == nil || !strings.Contains(err.Error(), "--kafka-addr "+again.Addr().String()) {
		t.Errorf("%v, want it to name the flag and the address", err)
	}
	for _, address := range []string{"127.0.0.1:18080", "127.0.0.1:18081", "127.0.0.1:18181"} {
		if l, err := listen("", address); err == nil {
			defer l.Close()
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	var out screen
	_ = demo(ctx, o, &out) // interrupted before anything was published
	if said := strings.Count(out.String(), " is taken, listening on 127.0.0.1:"); said != 4 || !strings.Contains(out.String(), "\n127.0.0.1:19092 is taken") {
		t.Errorf("it tells of %d ports that are taken\n%s", said, &out)
	}
}
