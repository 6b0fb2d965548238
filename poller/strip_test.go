package poller

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestStrip: every second of the last days lies in one part, and the part says of it what the coverage does.
func TestStrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := t0.Add(StripDays * 24 * time.Hour)
		second := func(label string) time.Time {
			return t0.Add(time.Duration(rapid.IntRange(-4*3600, StripDays*86400).Draw(t, label)) * time.Second)
		}
		window := func(label string) Window {
			a, b := second(label), second(label)
			return Window{earlier(a, b), later(a, b).Add(time.Second)}
		}
		a := ruled(now)
		a.Coverage, a.From = Coverage{}, second("from")
		for range rapid.IntRange(0, 6).Draw(t, "reads") {
			a.Coverage = a.Coverage.Add(Stretch{Window: window("read"), ReadAt: second("at"), Partial: causeIf(rapid.Bool().Draw(t, "partial")), Accepted: rapid.Bool().Draw(t, "accepted")})
		}
		for id := range int64(rapid.IntRange(0, 2).Draw(t, "passes")) {
			a.Passes = append(a.Passes, Pass{ID: id + 1, Window: window("pass"), Reason: Backfill})
		}
		parts := a.strip(now)
		if first, last := parts[0], parts[len(parts)-1]; !first.Start.Equal(t0) || !last.End.Equal(now) {
			t.Fatalf("from %v to %v", first.Start, last.End)
		}
		for i, p := range parts {
			if i > 0 && !p.Start.Equal(parts[i-1].End) {
				t.Fatalf("%v follows %v", p.Window, parts[i-1].Window)
			}
			at := p.Start.Add(p.Len() / 2).Truncate(time.Second)
			s, read := stretchAt(a.Coverage, at)
			settled := !at.Before(a.settledUpTo(now))
			switch want := p.State; {
			case read != !p.ReadAt.IsZero() || read && s.ReadAt.Before(p.ReadAt),
				want == PartCovered && s.Partial != "",
				want == PartPartial && (s.Partial == "" || s.Accepted),
				want == PartAccepted && !s.Accepted,
				want == PartGap && (read || settled || at.Before(a.From)),
				want == PartNew && (read || !settled),
				want == PartBackfill && (read || !a.Passes[0].Contains(at) && !a.Passes[len(a.Passes)-1].Contains(at)),
				want == PartUnwanted && (read || !at.Before(a.From)):
				t.Fatalf("%v is %s, read %t: %+v; wanted from %v", at, p.State, read, s, a.From)
			}
		}
	})
}
