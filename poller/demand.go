package poller

import "time"

// Demand is how many requests a minute it takes to keep to the settings, where rows come evenly and windows are as wide as they
// can be. What is really spent is more where rows come in bursts and less where neighbours are read along.
type Demand struct {
	Head    float64   // the newest rows, and these once more when they have settled
	Rereads []float64 // of each tier
}

// Demand returns what an account of so many rows a day asks for, where the service pages like that.
func (c Config) Demand(rowsADay float64, p Paging) Demand {
	perSecond := rowsADay / widest.Seconds()
	rows := func(d time.Duration) float64 { return perSecond * d.Seconds() }
	d := Demand{Head: p.requests(rows(c.Interval)) / c.Interval.Minutes()}
	if rows(c.Settle+2*c.Interval) > pageRows { // one read cannot reach back to what has settled
		d.Head += p.each(rows(time.Minute), time.Minute)
	}
	var younger time.Duration
	for _, t := range c.Tiers {
		d.Rereads = append(d.Rereads, p.each(rows(t.Age-younger), t.Age-younger)/t.Every.Minutes())
		younger = t.Age
	}
	return d
}

// each returns how many requests it takes to read so many rows, once, that lie in so much time.
func (p Paging) each(rows float64, span time.Duration) float64 {
	windows := max(rows/p.rows(), span.Hours()/widest.Hours())
	return windows * p.requests(rows/max(windows, 1e-9))
}

// Total returns all of it.
func (d Demand) Total() float64 {
	total := d.Head
	for _, r := range d.Rereads {
		total += r
	}
	return total
}

// Fitting returns how many tiers, the youngest first, so many requests a minute carry.
func (d Demand) Fitting(perMinute float64) (tiers int) {
	sum := d.Head
	for _, r := range d.Rereads {
		if sum += r; sum > perMinute {
			break
		}
		tiers++
	}
	return tiers
}

// Stretch returns how much longer than its cadence every tier takes with so many requests a minute; 1 where all fit, 0 where not
// even the head does.
func (d Demand) Stretch(perMinute float64) float64 {
	left := perMinute - d.Head
	if left <= 0 {
		return 0
	}
	return max(1, (d.Total()-d.Head)/left)
}
