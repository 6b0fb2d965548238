package poller

import "time"

// widths is how wide the next window may be, by the reason for reading it; a reason that is not among them has the usual width.
type widths [6]struct {
	reason Reason
	most   time.Duration
}

func (w widths) of(reason Reason) time.Duration {
	for _, e := range w {
		if e.reason == reason {
			return e.most
		}
	}
	return 0
}

func (w widths) with(reason Reason, most time.Duration) widths {
	for i, e := range w {
		if e.reason == reason || e.reason == "" {
			w[i].reason, w[i].most = reason, most
			return w
		}
	}
	return w
}

// narrower returns how wide the next window of the kind may be: windows grow at most twofold after one that held too much.
func (a *Agenda) narrower(reason Reason, r Read) time.Duration {
	if r.Narrow > 0 || a.narrow.of(reason) == 0 {
		return r.Narrow
	}
	if next := 2 * r.Len(); next < a.widthFor(reason, r.End) {
		return next
	}
	return 0
}

// narrowed returns the window, or its beginning where one before it was too much.
func (a Agenda) narrowed(w Window, reason Reason) Window {
	if most := a.narrow.of(reason); most > 0 {
		w.End = earlier(w.End, w.Start.Add(most))
	}
	return w
}
