package simulator

import (
	"math"
	"math/bits"
)

// dice draws a sequence of numbers from a seed (splitmix64). It is our own, and
// not math/rand, so that a seed gives the same world under every Go version, and
// because it is a plain value: a row makes its own dice for each purpose, and what
// one purpose draws never moves what another gets.
type dice struct{ state uint64 }

// The purposes. Each draws its own sequence from the same seed.
const (
	streamMinute = iota + 1
	streamConversation
	streamThin
	streamPoison
	streamBurst
	streamTimes
	streamIDs
	streamUser
	streamSession
	streamContact
	streamSegment
	streamMeta
	streamBot
	streamExtras
	streamFault
	streamStyle
	streamTwinBot
)

func roll(seed, stream uint64) dice { return dice{mix(seed ^ mix(stream))} }

func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (d *dice) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	return mix(d.state)
}

// n is at least 0 and below n; 0 when n is not positive.
func (d *dice) n(n int64) int64 {
	if n <= 0 {
		return 0
	}
	hi, _ := bits.Mul64(d.next(), uint64(n))
	return int64(hi)
}

// between is at least lo and at most hi.
func (d *dice) between(lo, hi int64) int64 { return lo + d.n(hi-lo+1) }

func (d *dice) float() float64 { return float64(d.next()>>11) / (1 << 53) }

func (d *dice) chance(p float64) bool { return d.float() < p }

// poisson draws how many independent events of this mean happen.
func (d *dice) poisson(mean float64) int {
	if mean > 50 { // the normal approximation: good enough, and its cost does not grow
		r := math.Sqrt(-2*math.Log(1-d.float())) * math.Cos(2*math.Pi*d.float())
		return max(0, int(math.Round(mean+r*math.Sqrt(mean))))
	}
	limit, p, k := math.Exp(-mean), d.float(), 0
	for p > limit {
		p *= d.float()
		k++
	}
	return k
}

func pick[T any](d *dice, list []T) T { return list[d.n(int64(len(list)))] }
