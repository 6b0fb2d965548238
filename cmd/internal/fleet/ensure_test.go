package fleet

import (
	"testing"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

// TestUnwiseTopics are used as they are; the log warns once of each, by its name and the setting.
func TestUnwiseTopics(t *testing.T) {
	const week = "604800000"
	for name, c := range map[string]struct {
		suffix   string
		configs  map[string]string
		warnings map[string]int
	}{
		"Kafka's default": {"voice", map[string]string{"retention.ms": week}, nil},
		"kept for ever":   {"voice", map[string]string{"retention.ms": "-1"}, nil},
		"progress short":  {"progress", map[string]string{"retention.ms": "3600000"}, nil},
		"short":           {"voice", map[string]string{"retention.ms": "604799999"}, map[string]int{"are published again, as revision 1": 1}},
		"short letters":   {"dead-letter", map[string]string{"retention.ms": "3600000"}, map[string]int{"are published again, as revision 1": 1}},
		"compacts":        {"rtm", map[string]string{"cleanup.policy": "compact"}, map[string]int{"only the newest revision of each conversation stays in it": 1}},
		"compacts, too":   {"rtm", map[string]string{"cleanup.policy": "compact,delete", "retention.ms": "1"}, map[string]int{"only the newest revision of each conversation stays in it": 1}},
		"letters compact": {"dead-letter", map[string]string{"cleanup.policy": "compact"}, map[string]int{"only the last part of a dead letter stays": 1}},
		"progress too":    {"progress", map[string]string{"cleanup.policy": "compact"}, map[string]int{"only the last commit stays in it": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
				w.create(c.suffix, 1, c.configs)
				stop := w.start()
				time.Sleep(10 * time.Minute)
				w.wire.Cut(kafkaAddr) // and a second session
				time.Sleep(time.Minute)
				w.wire.Mend()
				time.Sleep(5 * time.Minute)
				w.must(stop())
				n := 0
				for text, times := range c.warnings {
					w.logged(text, times)
					n += times
				}
				w.logged(`"setting":`, n)
				if n > 0 {
					w.logged(`"topic":"conversations.`+c.suffix+`","setting":"`, n)
				}
				w.verify(w.complete)
			})
		})
	}
}
