package poller

import (
	"fmt"
	"time"
)

// Window is a half-open stretch of time [Start, End) in whole seconds, UTC.
type Window struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Span returns the window [start, end), cut to whole seconds.
func Span(start, end time.Time) Window {
	return Window{start.UTC().Truncate(time.Second), end.UTC().Truncate(time.Second)}
}

// Len returns the window's length; never negative.
func (w Window) Len() time.Duration { return max(0, w.End.Sub(w.Start)) }

// Empty reports whether no second lies in the window.
func (w Window) Empty() bool { return !w.Start.Before(w.End) }

// Contains reports whether the instant lies in the window.
func (w Window) Contains(t time.Time) bool { return !t.Before(w.Start) && t.Before(w.End) }

// Intersect returns the part of w that lies in o; it may be empty.
func (w Window) Intersect(o Window) Window {
	return Window{later(w.Start, o.Start), earlier(w.End, o.End)}
}

// FirstHalf returns the earlier half of a window of at least two seconds.
func (w Window) FirstHalf() Window {
	half := (w.Len() / 2).Truncate(time.Second)
	return Window{w.Start, w.Start.Add(max(half, time.Second))}
}

// String returns the bounds in UTC, the date once where it is the same.
func (w Window) String() string {
	layout := "15:04:05"
	if w.Start.Truncate(24*time.Hour) != w.End.Truncate(24*time.Hour) {
		layout = "2006-01-02 15:04:05"
	}
	return fmt.Sprintf("%s to %s", w.Start.UTC().Format("2006-01-02 15:04:05"), w.End.UTC().Format(layout))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
