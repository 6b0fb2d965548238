package poller

import (
	"slices"
	"time"
)

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

// forgettable returns how far the memory may forget at this instant, by the earlier clock: what no window that can still be asked for
// could return again. The oldest gap counts as well as the horizon: after an outage, windows before the horizon are still to be
// read; and so does what is withheld. It never goes by a horizon that was not the same for a day.
func (a Agenda) forgettable(at time.Time) time.Time {
	oldest := at.Add(-a.Horizon.Kept)
	if gap, ok := a.Coverage.Gap(a.within(Window{a.From, at.Add(-a.Settle)})); ok && !a.From.IsZero() {
		oldest = earlier(oldest, gap.Start)
	}
	for _, s := range a.Coverage.Stretches() {
		if s.Withheld {
			oldest = earlier(oldest, s.Start)
			break
		}
	}
	for _, p := range a.Passes {
		if p.active() {
			oldest = earlier(oldest, a.frontier(p))
		}
	}
	return oldest.Add(-24 * time.Hour).UTC().Truncate(time.Second)
}

// dropFailing forgets failing windows that are not read again: what was never read is wanted however old it is.
func (a *Agenda) dropFailing(at time.Time) {
	horizon := at.Add(-Horizon(a.Tiers))
	keeps := a.keeps()
	old := func(f Failing) bool {
		if f.Pass != 0 { // what stands beside it is remembered no longer
			return f.Partial && f.Start.Before(keeps)
		}
		notRead := f.Partial && f.Len() > time.Second // and it is not known that none of its seconds can be
		return f.End.Before(a.Reach) || f.End.Before(horizon) && f.Reason == Reread && !notRead
	}
	if slices.ContainsFunc(a.Failing, old) {
		a.Failing = slices.DeleteFunc(slices.Clone(a.Failing), old)
	}
}

// keeps returns how far back entries of the memory are kept: as far as it reaches, and as passes have still to read.
func (a Agenda) keeps() time.Time {
	oldest := a.Reach
	for _, p := range a.Passes {
		if p.active() {
			oldest = earlier(oldest, a.frontier(p).Add(-24*time.Hour))
		}
	}
	return oldest
}

// keepsLetters is the same of rows without an identity: one content is a dead letter once in all of a pass, as many rows as have it.
func (a Agenda) keepsLetters() time.Time {
	oldest := a.keeps()
	for _, p := range a.Passes {
		if p.active() {
			oldest = earlier(oldest, p.Start.Add(-24*time.Hour))
		}
	}
	return oldest
}
