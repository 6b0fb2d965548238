package main

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/convstream/convstream/cmd/internal/proof/scenario"
)

// seedOf is -seed, or one that is drawn; either way the log tells it.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d (repeat with -args -seed %d)", seed, seed)
	return seed
}

// TestKafkaScenarios plays in real time, on Apache Kafka, what cmd/internal/worker plays in virtual time.
func TestKafkaScenarios(t *testing.T) {
	startKafka(t)
	seed := seedOf(t)
	for i, s := range scenario.All() {
		name := strings.ReplaceAll(s.Name, " ", "-")
		t.Run(name, func(t *testing.T) {
			if !s.Breaks {
				t.Parallel()
			}
			s.Play(t, newRealWorld(t, name, seed+uint64(i)))
		})
	}
}
