package poller

import "time"

// Tier is one step of the re-read schedule: what is at most Age old is read every Every.
type Tier struct{ Age, Every time.Duration }

// Why says for what a window is read.
type Why string

// The reasons for a read, in their order of urgency.
const (
	Head    Why = "head"    // the newest rows, up to now
	Settled Why = "settled" // the tail behind the head, once it has settled: only where one head read cannot do both
	Reread  Why = "reread"  // covered before, and due again
	Gap     Why = "gap"     // wanted and never read
	Replay  Why = "replay"  // nothing was read: dead letters were tried again
)

// Task is a window to read now.
type Task struct {
	Window
	Why Why
}

// Plan holds everything on which the choice of the next window depends.
type Plan struct {
	Now      time.Time     // our clock
	Behind   time.Duration // how far the service's clock was behind ours in its last answer; never negative
	Ahead    time.Duration // how far it was ahead; never negative
	From     time.Time     // the wanted range begins here
	Settle   time.Duration
	Interval time.Duration // of reading the head
	Tiers    []Tier        // ages ascending
	Coverage Coverage
	Density  Density
	Widest   func(at time.Time) time.Duration // upper limit of a settled window that begins there; nil = none
	HeadRead time.Time                        // when the head was last read up to the present
	Peeked   time.Time                        // everything up to here was read at least once
	Passing  bool                             // the last head read ended before the present: the rest of it comes next
	Turn     int                              // counts tasks: what may share takes turns by it
	HeadOnly bool                             // other windows are in trouble and wait
	Unproven bool                             // the last head read proved nothing: what has settled is read by itself
}

// Next is the window to read now; false if none is due before the next poll interval. It is a pure function.
//
// The head comes first. Where the account is so busy that one request cannot reach from the settled past to the
// present, the head reads only what is new, and what has settled is read once more by its own tasks, in turn with it.
// Re-reads and gaps share what is left by turns, and every tenth task is theirs even if the head is never done: the
// re-read tiers stretch under pressure, all of them together since the most overdue one is next.
func (p Plan) Next() (Task, bool) {
	head, headDue := p.head()
	settled, rest := p.settled, p.rest
	if p.HeadOnly {
		settled = func() (Task, bool) { return Task{}, false }
		rest = settled
	}
	tail, tailDue := settled()
	if p.Turn%10 == 9 {
		if t, ok := rest(); ok {
			return t, true
		}
	}
	if headDue && (!tailDue || p.Turn%2 == 0) {
		return head, true
	}
	if tailDue {
		return tail, true
	}
	return rest()
}

func (p Plan) rest() (Task, bool) {
	reread, rereadDue := p.reread()
	gap, gapDue := p.gap()
	if rereadDue && (!gapDue || p.Turn%2 == 0) {
		return reread, true
	}
	return gap, gapDue
}

// SettledUpTo is the instant up to which a read made now would count.
func (p Plan) SettledUpTo() time.Time { return p.Now.Add(-p.Behind - p.Settle).Truncate(time.Second) }

// present is the end of the head: the newest rows bear the time of the service's clock. What of it lies in our future is
// read once more when it has settled by ours.
func (p Plan) present() time.Time { return p.Now.Add(p.Ahead).UTC().Truncate(time.Second) }

// tail is where the coverage ends near the present; what is older than the head reaches is left to the gaps.
func (p Plan) tail() time.Time {
	floor := later(p.From, p.SettledUpTo().Add(-2*p.Interval))
	end := p.Coverage.End()
	if p.oneRead(Span(end, p.present())) {
		return later(end, p.From)
	}
	return later(end, floor)
}

// oneRead tells whether one page is likely to hold the window.
func (p Plan) oneRead(w Window) bool {
	return w.Len() <= p.Density.Width(w.Start)
}

func (p Plan) head() (Task, bool) {
	whole := Span(p.tail(), p.present())
	if (p.Now.Before(p.HeadRead.Add(p.Interval)) && !p.Passing) || whole.Empty() {
		return Task{}, false
	}
	if !p.Passing && p.oneRead(whole) {
		return Task{whole, Head}, true
	}
	fresh := Span(later(later(p.Peeked, p.SettledUpTo()), whole.Start), p.present())
	fresh.End = earlier(fresh.End, fresh.Start.Add(p.Density.Width(fresh.Start)))
	return Task{fresh, Head}, !fresh.Empty()
}

// settled is the tail of the coverage where head reads do not cover it: they no longer reach back to it, or prove nothing.
func (p Plan) settled() (Task, bool) {
	tail := p.tail()
	if p.oneRead(Span(tail, p.present())) && !p.Unproven {
		return Task{}, false
	}
	w := Span(tail, p.SettledUpTo())
	width := p.width(w.Start)
	if w.Len() < min(width, p.Interval) {
		return Task{}, false
	}
	w.End = earlier(w.End, w.Start.Add(width))
	return Task{w, Settled}, true
}

// reread is the piece of the coverage whose re-reading is most overdue, in units of its tier's cadence, and with it the
// neighbours that are on their way to it, as far as one page is likely to hold: they cost nothing then.
func (p Plan) reread() (Task, bool) {
	pieces := p.pieces()
	best, most := -1, 0.0
	for i, piece := range pieces {
		// The older the tier, the more it gives way when not everything can be done.
		if score := piece.overdue / float64(2+piece.tier); piece.overdue >= 1 && score > most {
			best, most = i, score
		}
	}
	if best < 0 {
		return Task{}, false
	}
	w := pieces[best].Window
	for _, next := range pieces[best+1:] {
		if !next.Start.Equal(w.End) || next.overdue < alongWith {
			break
		}
		w.End = next.End
	}
	width := p.width(w.Start)
	for i := best - 1; i >= 0 && w.Len() < width && pieces[i].End.Equal(w.Start) && pieces[i].overdue >= alongWith; i-- {
		w.Start = later(pieces[i].Start, w.End.Add(-width))
	}
	w.End = earlier(w.End, w.Start.Add(width))
	return Task{w, Reread}, true
}

// alongWith is how overdue a neighbour must be to be read along with a piece that is due.
const alongWith = 0.3

// piece is a part of the coverage that lies in one tier.
type piece struct {
	Window
	tier    int
	overdue float64 // time since it was last read, in units of the tier's cadence
}

// pieces cuts the coverage at the bounds of the tiers, in order of time.
func (p Plan) pieces() []piece {
	out := make([]piece, 0, len(p.Coverage.stretches)+len(p.Tiers))
	for _, s := range p.Coverage.Stretches() {
		for tier := len(p.Tiers) - 1; tier >= 0; tier-- {
			w := s.Window
			if youngest := p.ago(tier - 1); w.End.After(youngest) {
				w.End = youngest
			}
			if oldest := p.ago(tier); w.Start.Before(oldest) {
				w.Start = oldest
			}
			if !w.Empty() {
				out = append(out, piece{w, tier, float64(p.Now.Sub(s.ReadAt)) / float64(p.Tiers[tier].Every)})
			}
		}
	}
	return out
}

// ago is the instant at which the tier begins; the present for tier -1.
func (p Plan) ago(tier int) time.Time {
	if tier < 0 {
		return p.Now
	}
	return p.Now.Add(-p.Tiers[tier].Age).Truncate(time.Second)
}

// gap is the oldest part of the wanted range that was never read and has settled.
func (p Plan) gap() (Task, bool) {
	w, ok := p.Coverage.Gap(Span(p.From, earlier(p.SettledUpTo(), p.tail())))
	if !ok {
		return Task{}, false
	}
	w.End = earlier(w.End, w.Start.Add(p.width(w.Start)))
	return Task{w, Gap}, true
}

func (p Plan) width(at time.Time) time.Duration {
	width := p.Density.Width(at)
	if p.Widest != nil {
		width = min(width, p.Widest(at))
	}
	return max(time.Second, width.Truncate(time.Second)) // windows are whole seconds, and are asked for as such
}

// Tolerance is how far the instants of reading of two neighbours may lie apart for them to be scheduled as one: a
// fraction of the cadence of the tier into which the end of the later one falls; beyond the horizon any.
func Tolerance(tiers []Tier, now time.Time) func(end time.Time) time.Duration {
	return func(end time.Time) time.Duration {
		for _, t := range tiers {
			if now.Sub(end) < t.Age {
				return t.Every / 8
			}
		}
		return 1<<63 - 1
	}
}

// Horizon is how far back anything is read again: the age of the last tier, zero where nothing is.
func Horizon(tiers []Tier) time.Duration {
	if len(tiers) == 0 {
		return 0
	}
	return tiers[len(tiers)-1].Age
}
