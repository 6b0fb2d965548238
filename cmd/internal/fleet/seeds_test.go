package fleet

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestSeeds plays random worlds: any reading of the service's documents and any of its faults, one to three brokers and every
// fault of every request to them, workers that die, freeze, are cut off and replaced, with a lease or without; and what does
// not come right by trying again: seconds that cannot be answered for, clocks that step, settings that change. Afterwards
// nothing may be lost, nothing be there twice, completeThrough be honest and at the present or at a second that is
// listed as partial, the budget kept, and never two workers may have held the lease at once. Nothing may be stuck: what lies in no bad
// second is read, and new rows get through in minutes.
//
//	go test ./cmd/internal/fleet -run '^TestSeeds$' -seeds 10000 -timeout 0 -v
//	... -trouble none, or -trouble seconds,clocks: with that alone
func TestSeeds(t *testing.T) {
	var mu sync.Mutex
	met := map[string]int{}
	n := max(1, 12*worlds)
	flag.Visit(func(f *flag.Flag) {
		if f.Name == "seeds" {
			n = *seeds
		}
	})
	t.Run("worlds", func(t *testing.T) {
		for seed := *firstSeed; seed < *firstSeed+uint64(n); seed++ {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				faults := aWorld(t, seed)
				mu.Lock()
				defer mu.Unlock()
				for what, n := range faults {
					met[what] += n
				}
			})
		}
	})
	t.Logf("%d worlds; faults met in them:\n%s", n, table(met))
}

// aWorld plays one, and tells the shortest way to it where it fails.
func aWorld(t *testing.T, seed uint64) (met map[string]int) {
	p := drawPlan(seed)
	problems, met := simulate(t, p)
	if len(problems) == 0 {
		return met
	}
	shorter, left := shrink(t, p, problems)
	t.Errorf("seed %d:\n%s\nagain: go test ./cmd/internal/fleet -run '^TestSeeds$' -first=%d -seeds=1\nthe shortest history found (%d of %d events), which ends with:\n%s\n%v",
		seed, brief(problems), seed, len(shorter.events), len(p.events), brief(left), shorter)
	return met
}

func brief(problems []string) string {
	return "  " + strings.Join(problems[:min(len(problems), 5)], "\n  ")
}

// shrinking bounds how often a failing world is played again.
var shrinking = flag.Int("shrink", 40, "how often TestSeeds plays a failing world again, to tell a shorter one")

// shrink removes events as long as what is left still fails in the same way: halves of them, quarters, and so on.
func shrink(t *testing.T, p plan, problems []string) (plan, []string) {
	tries := 0
	for size := (len(p.events) + 1) / 2; size > 0; size /= 2 {
		for from := 0; from < len(p.events) && tries < *shrinking; {
			less := p
			less.events = slices.Delete(slices.Clone(p.events), from, min(from+size, len(p.events)))
			tries++
			if still, _ := simulate(t, less); alike(still, problems) {
				p, problems = less, still
				continue
			}
			from += size
		}
	}
	return p, problems
}

// alike tells whether there are problems, and those of two plays are of one kind: only stuck, or worse.
func alike(some, others []string) bool {
	stuck := func(problem string) bool { return strings.HasPrefix(problem, "stuck: ") }
	all := func(problems []string) bool {
		return !slices.ContainsFunc(problems, func(p string) bool { return !stuck(p) })
	}
	return len(some) > 0 && all(some) == all(others)
}

// table lists faults by kind.
func table(met map[string]int) string {
	var b strings.Builder
	sum := 0
	for _, what := range slices.Sorted(maps.Keys(met)) {
		fmt.Fprintf(&b, "%7d  %s\n", met[what], what)
		sum += met[what]
	}
	fmt.Fprintf(&b, "%7d  in all", sum)
	return b.String()
}
