package poller

import "time"

// widths is how wide the next window may be, by why it is read; none is as usual.
type widths [4]struct {
	why  Why
	most time.Duration
}

func (w widths) of(why Why) time.Duration {
	for _, e := range w {
		if e.why == why {
			return e.most
		}
	}
	return 0
}

func (w widths) with(why Why, most time.Duration) widths {
	for i, e := range w {
		if e.why == why || e.why == "" {
			w[i].why, w[i].most = why, most
			return w
		}
	}
	return w
}

// narrower is how wide the next window of the kind may be: windows grow at most twofold after one that held too much.
func (a *Agenda) narrower(why Why, r Read) time.Duration {
	if r.Narrow > 0 || a.narrow.of(why) == 0 {
		return r.Narrow
	}
	if next := 2 * r.Len(); next < a.width(r.End) {
		return next
	}
	return 0
}

// narrowed is the window, or its beginning where one before it was too much.
func (a Agenda) narrowed(w Window, why Why) Window {
	if most := a.narrow.of(why); most > 0 {
		w.End = earlier(w.End, w.Start.Add(most))
	}
	return w
}
