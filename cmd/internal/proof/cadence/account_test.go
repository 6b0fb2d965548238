package cadence

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"time"
)

// conversation is a row of the account, and what was published of it.
type conversation struct {
	start     int64     // Unix milliseconds
	changes   [4]uint32 // when its content changes, in milliseconds after the start, ascending
	count     uint8     // of changes
	published int8      // how many changes the last committed content had seen; unpublished for none
}

const (
	unpublished = -1
	showsAfter  = 3 * time.Second // its start
)

func (c *conversation) shown() int64        { return c.start + showsAfter.Milliseconds() }
func (c *conversation) changed(k int) int64 { return c.start + int64(c.changes[k]) }

// contentAt is the number of changes up to the instant.
func (c *conversation) contentAt(ms int64) int {
	for k := range int(c.count) {
		if c.changed(k) > ms {
			return k
		}
	}
	return int(c.count)
}

// A law draws when a conversation's content changes, as times since its start.
type law func(*rand.Rand) []time.Duration

// usual is the law of most accounts: two changes in the first minutes, some later.
func usual(r *rand.Rand) []time.Duration {
	closed := exponential(r, 5*time.Minute)
	changes := []time.Duration{closed, closed + exponential(r, 5*time.Minute)}
	if r.IntN(10) == 0 {
		changes = append(changes, uniform(r, 5*time.Hour))
	}
	if r.IntN(50) == 0 {
		changes = append(changes, uniform(r, 40*time.Hour))
	}
	return changes
}

// surveys is the law of an account whose rows change when a survey is answered, and never else.
func surveys(r *rand.Rand) []time.Duration {
	return []time.Duration{8*time.Hour + exponential(r, 10*time.Minute)}
}

// constant is the law of an account whose rows never change.
func constant(*rand.Rand) []time.Duration { return nil }

func exponential(r *rand.Rand, mean time.Duration) time.Duration {
	return time.Duration(r.ExpFloat64() * float64(mean))
}

func uniform(r *rand.Rand, below time.Duration) time.Duration {
	return time.Duration(r.Float64() * float64(below))
}

// The daily curve: little at night, most at noon, where the busiest hour is 2.2 times the mean. See TestDailyCurve.
const (
	night    = 0.05
	noon     = 2.2676 // above the night, in units of the mean
	steepest = 1.3683
)

// daily is the rate at the time of day, the mean being 1.
func daily(at float64) float64 {
	day := 24 * time.Hour.Seconds()
	cosine := (1 - math.Cos(2*math.Pi*math.Mod(at, day)/day)) / 2
	return night + (1-night)*noon*math.Pow(cosine, steepest)
}

// flat is the curve of an account that is equally busy at all times.
func flat(float64) float64 { return 1 }

// account holds conversations in order of their starts, which are a Poisson process. It grows as time goes on, and what it
// holds depends on the seed only.
type account struct {
	rows []conversation

	random *rand.Rand
	mean   float64               // conversations a second
	curve  func(float64) float64 // of the Unix second
	law    law
	next   float64 // Unix second at which the next conversation starts
}

// newAccount returns an account without conversations; the first will start soon after from.
func newAccount(seed uint64, from time.Time, perDay float64, curve func(float64) float64, l law) *account {
	return &account{
		random: rand.New(rand.NewPCG(seed, 0)), mean: perDay / (24 * time.Hour).Seconds(), curve: curve, law: l,
		next: float64(from.Unix()),
	}
}

// grow adds the conversations that start before the instant.
func (a *account) grow(until time.Time) {
	const most = 2.4 // what no curve exceeds
	for a.next < float64(until.Unix()) {
		if a.random.Float64()*most < a.curve(a.next) {
			a.rows = append(a.rows, a.draw())
		}
		a.next += a.random.ExpFloat64() / (a.mean * most)
	}
}

func (a *account) draw() conversation {
	c := conversation{start: int64(a.next * 1000), published: unpublished}
	changes := a.law(a.random)
	slices.Sort(changes)
	for k, after := range changes {
		c.changes[k] = uint32(after.Milliseconds())
	}
	c.count = uint8(len(changes))
	return c
}

// from is the index of the first conversation that does not start before the Unix millisecond.
func (a *account) from(start int64) int {
	return sort.Search(len(a.rows), func(i int) bool { return a.rows[i].start >= start })
}
