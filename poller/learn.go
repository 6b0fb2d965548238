package poller

import (
	"math"
	"time"

	"github.com/go-json-experiment/json"
)

// Learned is what the account's own rows have shown of when they change, and of how late they appear. It decides what spare
// requests are spent on, and nothing else. It is a value.
type Learned struct {
	Watched Histogram // seconds for which rows of an age were watched for changes
	Changed Histogram // changes that were found, by the age of the row
	Late    Histogram // rows, by how long after their start they were first seen
	At      time.Time // when the figures were last faded
}

// ageBuckets is how many buckets a Histogram has: the first ends at firstAge, each at ageStep times the one before; the last
// holds the rest. They reach beyond a month.
const (
	ageBuckets = 50
	firstAge   = 30 * time.Second
	ageStep    = 1.25
)

// Histogram counts by age.
type Histogram [ageBuckets]float64

// ageBounds are the ends of the buckets, in seconds.
var ageBounds = func() (b [ageBuckets]float64) {
	b[0] = firstAge.Seconds()
	for i := 1; i < ageBuckets; i++ {
		b[i] = b[i-1] * ageStep
	}
	b[ageBuckets-1] = math.Inf(1)
	return b
}()

// ageBucket returns the bucket of an age in seconds.
func ageBucket(age float64) int {
	if age < ageBounds[0] {
		return 0
	}
	i := 1 + int(math.Log(age/ageBounds[0])/math.Log(ageStep))
	i = min(max(i, 1), ageBuckets-1)
	for age < ageBounds[i-1] { // what rounding took
		i--
	}
	for i < ageBuckets-1 && age >= ageBounds[i] {
		i++
	}
	return i
}

// spread calls f for the part of [from, to) in each bucket, in seconds.
func spread(from, to float64, f func(bucket int, seconds float64)) {
	for i := ageBucket(from); from < to; i++ {
		end := min(to, ageBounds[i])
		f(i, end-from)
		from = end
	}
}

// fading is how long it takes until what was learned counts for a third: the account's habits change.
const fading = 14 * 24 * time.Hour

// Faded returns what is left of it at the instant.
func (l Learned) Faded(now time.Time) Learned {
	age := now.Sub(l.At)
	if l.At.IsZero() || age < 0 {
		l.At = now
		return l
	}
	if age < time.Hour {
		return l
	}
	keep := math.Exp(-age.Hours() / fading.Hours())
	for i := range l.Watched {
		l.Watched[i] *= keep
		l.Changed[i] *= keep
		l.Late[i] *= keep
	}
	l.At = now
	return l
}

// Watch notes that a row which began at the instant was read once and again, and whether it had changed. A change counts for the
// ages at which it may have come, as likely as changes are there.
func (l *Learned) Watch(start, before, now time.Time, changed bool) {
	from, to := max(0, before.Sub(start).Seconds()), now.Sub(start).Seconds()
	if from >= to {
		return
	}
	total := 0.0
	spread(from, to, func(i int, seconds float64) {
		l.Watched[i] += seconds
		total += seconds * l.rate(i)
	})
	if !changed {
		return
	}
	spread(from, to, func(i int, seconds float64) {
		l.Changed[i] += seconds * l.rate(i) / total
	})
}

// Appeared notes that a row was first seen so long after its start.
func (l *Learned) Appeared(after time.Duration) { l.Late[ageBucket(max(0, after.Seconds()))]++ }

// rate returns the changes a second of one row at the age of the bucket. What was watched for long without a change has nearly
// none; what was not watched yet is thought to change as often as rows do that halve their changes with each doubling of age.
func (l *Learned) rate(i int) float64 {
	guess := 0.2 / min(ageBounds[i], 90*24*3600)
	return (l.Changed[i] + 0.5) / (l.Watched[i] + 0.5/guess)
}

// forecast is how often rows are expected to change, by what was learned: the rate by age, and its integrals at the beginning of
// each bucket.
type forecast struct {
	once  [ageBuckets]float64 // changes of a row up to the age
	twice [ageBuckets]float64 // the integral of once
	rates [ageBuckets]float64 // changes a second at the age
}

func (l *Learned) forecast() *forecast {
	var w forecast
	from := 0.0
	for i := range ageBuckets {
		w.rates[i] = l.rate(i)
		if i == ageBuckets-1 {
			break
		}
		d := ageBounds[i] - from
		w.twice[i+1] = w.twice[i] + w.once[i]*d + w.rates[i]*d*d/2
		w.once[i+1] = w.once[i] + w.rates[i]*d
		from = ageBounds[i]
	}
	return &w
}

func (w *forecast) at(age float64) (once, twice float64) {
	i := ageBucket(age)
	d := age
	if i > 0 {
		d -= ageBounds[i-1]
	}
	return w.once[i] + w.rates[i]*d, w.twice[i] + w.once[i]*d + w.rates[i]*d*d/2
}

// unseen returns how many changes a row is expected to have that was of the one age when it was last read and is of the other
// now, and for how long they have been waiting, in seconds together.
func (w *forecast) unseen(before, now float64) (changes, waiting float64) {
	if before = max(before, 0); now <= before {
		return 0, 0
	}
	h0, g0 := w.at(before)
	h1, g1 := w.at(now)
	return h1 - h0, g1 - g0 - h0*(now-before)
}

// learn notes what the rows of a read say of when rows change, and how late they appear.
func (a *Agenda) learn(read Read, j Judgement) {
	if len(read.Rows) == 0 {
		return
	}
	l := a.Learned.Faded(read.At)
	changed, first := map[string]bool{}, map[string]bool{}
	head := read.At.Add(-a.Settle - 2*a.Interval) // where the newest rows are looked for all the time
	for _, r := range j.Fresh {
		if r.Number > 1 {
			changed[r.Row.Identity()] = true
			continue
		}
		first[r.Row.Identity()] = true
		// Rows of a gap may have shown long ago, and a contact shows when the bot hands over.
		if start := r.Row.Start; r.Supersedes == "" && (start.After(later(a.From, head)) || !a.Coverage.ReadAt(start.UTC().Truncate(time.Second)).IsZero()) {
			l.Appeared(read.At.Sub(start))
		}
	}
	for _, row := range read.Rows {
		if row.Err != nil || row.Start.IsZero() || first[row.Identity()] {
			continue
		}
		before := a.Coverage.ReadAt(row.Start.UTC().Truncate(time.Second))
		if before.IsZero() {
			before = read.At.Add(-a.Interval)
		}
		l.Watch(row.Start, before, read.At, changed[row.Identity()])
	}
	a.Learned = l
	if j.New > 0 {
		a.LastRow = later(a.LastRow, read.At.UTC().Truncate(time.Second))
	}
	if since(a.forecastAt, read.At) >= forecastEvery {
		a.forecast, a.forecastAt = l.forecast(), read.At
	}
}

// lawEvery is how often what was learned goes into the choice of what is read.
const forecastEvery = 10 * time.Minute

// learnedText is a Learned as JSON in the ledger, with as many digits as matter.
type learnedText struct {
	Watched []float32 `json:"watched"`
	Changed []float32 `json:"changed"`
	Late    []float32 `json:"late"`
	At      int64     `json:"at"`
}

// MarshalJSON implements json.Marshaler.
func (l Learned) MarshalJSON() ([]byte, error) {
	if l.At.IsZero() {
		return []byte("null"), nil
	}
	t := learnedText{At: l.At.Unix()}
	for i := range ageBuckets {
		t.Watched = append(t.Watched, float32(l.Watched[i]))
		t.Changed = append(t.Changed, float32(l.Changed[i]))
		t.Late = append(t.Late, float32(l.Late[i]))
	}
	return json.Marshal(t)
}

// UnmarshalJSON implements json.Unmarshaler. Figures of another number of buckets are another version's: then nothing is known.
func (l *Learned) UnmarshalJSON(b []byte) error {
	var t learnedText
	if err := json.Unmarshal(b, &t); err != nil {
		return err
	}
	*l = Learned{}
	if t.At == 0 || len(t.Watched) != ageBuckets || len(t.Changed) != ageBuckets || len(t.Late) != ageBuckets {
		return nil
	}
	l.At = unix(t.At)
	for i := range ageBuckets {
		l.Watched[i], l.Changed[i], l.Late[i] = float64(t.Watched[i]), float64(t.Changed[i]), float64(t.Late[i])
	}
	return nil
}
