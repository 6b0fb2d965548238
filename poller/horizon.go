package poller

import "time"

// Horizon returns how far back anything is read again: the age of the last tier, zero where nothing is.
func Horizon(tiers []Tier) time.Duration {
	if len(tiers) == 0 {
		return 0
	}
	return tiers[len(tiers)-1].Age
}

// Kept is the horizon that forgetting goes by.
type Kept struct {
	Kept  time.Duration
	Lower time.Time // since when the configured one has been lower; zero if it is not
}

// after returns the horizon to keep at the instant, where so much is configured. It falls only after a day: a setting that was wrong
// for a minute does not shorten the memory.
func (k Kept) after(configured time.Duration, at time.Time) Kept {
	switch {
	case configured >= k.Kept:
		return Kept{Kept: configured}
	case k.Lower.IsZero() || k.Lower.After(at):
		k.Lower = at
	case at.Sub(k.Lower) >= 24*time.Hour:
		return Kept{Kept: configured}
	}
	return k
}
