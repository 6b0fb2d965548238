package poller

import (
	"math"
	"time"
)

const (
	widest     = 24 * time.Hour // the service accepts seven days; a day costs little and says more
	firstGuess = time.Hour      // width before anything is known
	smoothing  = 0.5            // weight of a new observation that spans an hour or more, or so many rows as these
	manyRows   = 800

	// A window that is to fit into one page is made wide enough for so many rows: a page holds 100. Where it is configured to hold
	// fewer, windows stay as wide all the same. What is too wide is narrowed or walked, which costs a few requests; windows
	// made for a handful of rows would never get by where that many conversations are under way at any time, and each shows
	// in all of them.
	pageRows = 80

	// A window that is walked page by page is made wide enough for so many rows. Half a page is lost at its end, and a request
	// where it is asked for again because its pages have moved.
	walkRows = 2500

	// walkRowsOfPages is that where offsets count pages: so many come with the first nine, which is within the documented cap.
	walkRowsOfPages = 800

	// nearby is how many hours before an hour that was not observed yet may speak for it.
	nearby = 6
)

// Density is how many rows a second the account has, by the hour of the week (UTC, from Sunday 0:00): contact centres
// sleep at night. It decides how wide windows are made, and nothing else: a wrong guess costs a request, never a row.
type Density struct {
	Hours [168]float32 `json:"hours"` // rows a second; 0 = not observed yet
	Mean  float64      `json:"mean"`  // over all hours; 0 = not observed yet
}

// Observe returns the density after a read of the window returned so many rows. A window below a minute may be the one
// second in which a campaign started: it counts for little, and at most as four times what was expected.
func (d Density) Observe(w Window, rows int) Density {
	if w.Empty() {
		return d
	}
	// Never quite zero: zero means unknown.
	rate := max(float64(rows)/w.Len().Seconds(), 1/widest.Seconds())
	if old := d.rate(w.Start); old > 0 && w.Len() < time.Minute {
		rate = min(rate, 4*old)
	}
	weight := smoothing * math.Sqrt(min(1, max(w.Len().Hours(), float64(rows)/manyRows)))
	before := d
	d.Mean = blend(d.Mean, rate, weight)
	for at := w.Start.Truncate(time.Hour); at.Before(w.End); at = at.Add(time.Hour) {
		d.Hours[hourOfWeek(at)] = float32(blend(before.rate(at), rate, weight))
	}
	return d
}

func blend(old, observed, weight float64) float64 {
	if old == 0 {
		return observed
	}
	return old + weight*(observed-old)
}

// hours calls f for each part of the window that lies in one hour, with its rate, until it returns false.
func (d Density) hours(w Window, f func(part Window, rate float64) bool) {
	for at := w.Start; at.Before(w.End); {
		end := earlier(at.Truncate(time.Hour).Add(time.Hour), w.End)
		if !f(Window{at, end}, d.rate(at)) {
			return
		}
		at = end
	}
}

// Rows returns how many rows are to be expected in the window.
func (d Density) Rows(w Window) (rows float64) {
	if w.Len() > 7*widest {
		return d.Mean * w.Len().Seconds()
	}
	d.hours(w, func(part Window, rate float64) bool {
		rows += rate * part.Len().Seconds()
		return true
	})
	return rows
}

// Width returns how wide a window that begins at the instant should be to hold so many rows, in whole seconds from 1 s to
// 24 h.
func (d Density) Width(at time.Time, rows float64) (width time.Duration) {
	if d.rate(at) == 0 {
		return firstGuess
	}
	d.hours(Window{at, at.Add(widest)}, func(part Window, rate float64) bool {
		here := rate * part.Len().Seconds()
		if here < rows {
			rows -= here
			width += part.Len()
			return true
		}
		width += time.Duration(rows / rate * float64(time.Second))
		return false
	})
	return max(time.Second, width.Truncate(time.Second))
}

// rate returns the rows a second at the instant: what was observed in its hour of the week, else shortly before that, else in
// the mean; 0 while nothing was.
func (d Density) rate(at time.Time) float64 {
	hour := hourOfWeek(at)
	for back := range nearby + 1 {
		if h := d.Hours[(hour+len(d.Hours)-back)%len(d.Hours)]; h > 0 {
			return float64(h)
		}
	}
	return d.Mean
}

func hourOfWeek(t time.Time) int { t = t.UTC(); return int(t.Weekday())*24 + t.Hour() }
