package fleet

import (
	"context"
	"flag"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/lan"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
)

// What is between the workers, the service and the brokers: see package lan.
type (
	wire    = lan.Wire
	loss    = lan.Loss
	request = lan.Request
)

const (
	arrives  = lan.Arrives
	lost     = lan.Lost
	unheard  = lan.Unheard
	late     = lan.Late
	delayed  = lan.Delayed
	overHTTP = lan.OverHTTP
)

func newWire(dial func(ctx context.Context, network, address string) (net.Conn, error)) *wire {
	return lan.NewWire(dial, serviceAddr)
}

// seeds is how many random worlds the randomised tests go through; one seed alone is -first=N -seeds=1.
var (
	seeds     = flag.Int("seeds", worlds, "random worlds per randomised test")
	firstSeed = flag.Uint64("first", 1, "the first seed")
)

// forSeeds runs a randomised test for each seed and says how to run one of them again.
func forSeeds(t *testing.T, test func(t *testing.T, seed uint64)) {
	for seed := *firstSeed; seed < *firstSeed+uint64(*seeds); seed++ {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			defer func() {
				if t.Failed() {
					name, _, _ := strings.Cut(t.Name(), "/")
					t.Logf("again: go test ./cmd/internal/fleet -run '^%s$' -first=%d -seeds=1", name, seed)
				}
			}()
			test(t, seed)
		})
	}
}

// complete is the check that nothing that the service showed in time is missing.
func (w *world) complete(r *verify.Report) { r.CheckComplete(w.service, 2*time.Minute) }

// fresh fails the test where the coverage does not reach the present.
func (w *world) fresh(r *verify.Report) {
	w.t.Helper()
	if behind := time.Since(r.CompleteThrough); behind > 10*time.Minute {
		w.t.Errorf("complete through %v, %v ago", r.CompleteThrough, behind)
	}
}

// withinBudget fails the test where more was asked than the default budget allows.
func (w *world) withinBudget() {
	w.t.Helper()
	if most := w.service.MaxPerMinute(); most > 30 {
		w.t.Errorf("%d requests in a minute, the budget is 30", most)
	}
}

// logged fails the test where the log does not hold the text exactly so often.
func (w *world) logged(text string, times int) {
	w.t.Helper()
	if n := w.log.count(text); n != times {
		w.t.Errorf("%d log lines say %q, want %d:\n%s", n, text, times, w.log.tail())
	}
}
