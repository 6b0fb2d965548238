package show

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Bar shows how far something is: on a terminal a line that is drawn again, elsewhere a new line now and then.
type Bar struct {
	out      io.Writer
	terminal bool
	last     time.Time // when it was shown last; zero: it is not there
}

// NewBar returns a Bar that is not shown yet.
func NewBar(out io.Writer) *Bar { return &Bar{out: out, terminal: isTerminal(out)} }

const (
	barWidth = 20
	// barEvery is how often a line is written that is not drawn again.
	barEvery = 30 * time.Second
	// A line that is longer than the terminal is wide is cut there: of one that went on below only the last part would be drawn again.
	redraw, withoutWrapping, withWrapping = "\r\x1b[K", "\x1b[?7l", "\x1b[?7h"
)

// Show shows the part that is done, from 0 to 1, and what is said of it. A negative part is not known.
func (b *Bar) Show(part float64, text string) {
	if !b.terminal && time.Since(b.last) < barEvery {
		return
	}
	b.last = time.Now()
	text = clean(text)
	if part >= 0 {
		part = min(1, part)
		n := int(part * barWidth)
		// Rounded down: 100 % is the end and nothing before it.
		text = fmt.Sprintf("[%s%s] %3d%% %s", strings.Repeat("=", n), strings.Repeat(" ", barWidth-n), int(part*100), text)
	}
	if b.terminal {
		_, _ = io.WriteString(b.out, redraw+withoutWrapping+text+withWrapping)
		return
	}
	_, _ = fmt.Fprintln(b.out, text)
}

// Hide takes the bar away, so that something else can be written.
func (b *Bar) Hide() {
	if b.terminal && !b.last.IsZero() {
		b.last = time.Time{}
		_, _ = io.WriteString(b.out, redraw)
	}
}

// Note writes a line above the bar, whether or not that is shown.
func (b *Bar) Note(text string) {
	b.Hide()
	_, _ = fmt.Fprintln(b.out, clean(text))
}
