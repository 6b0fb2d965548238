package simulator

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// BadSecond is a second that the service cannot answer for, however often it is
// asked: every request whose window, as it was asked for, holds the second fails.
type BadSecond struct {
	// At is the second (what lies below a second is ignored), by the world's clock.
	At time.Time
	// Kind is how requests fail.
	Kind BadKind
	// Until is when it is mended, by the service's clock. Zero: never.
	Until time.Time
}

// BadKind is how the requests for a bad second fail.
type BadKind string

// The kinds of bad seconds. For the last three, one conversation of the second is
// written so that brackets and quotes do not fit any more, and only pages that
// hold it are broken: what comes behind its beginning cannot be told apart.
const (
	BadError     BadKind = "500"             // 500 with a JSON error
	BadHang      BadKind = "hang"            // no answer until the client gives up
	BadCut       BadKind = "cut"             // a proxy closes the connection in the middle of the body
	StrayQuote   BadKind = "stray-quote"     // {"note":"5" pipe"}
	Backslash    BadKind = "backslash"       // "C:\dir\"
	NoEndBracket BadKind = "missing-bracket" // the object is not closed
)

// AllBadKinds are all kinds of bad seconds.
var AllBadKinds = []BadKind{BadError, BadHang, BadCut, StrayQuote, Backslash, NoEndBracket}

// Tears tells whether a second of this kind breaks pages, rather than failing
// requests.
func (k BadKind) Tears() bool { return k == StrayQuote || k == Backslash || k == NoEndBracket }

// Flaky is a time in which other faults are drawn than usual.
type Flaky struct {
	From, To time.Time         // by the service's clock
	Rate     map[Fault]float64 // instead of Faults.Rate
}

// bad is the bad second that the request meets, the worst one of several; nil: none.
func (f Faults) bad(q query, now time.Time) *BadSecond {
	west := time.Duration(q.view.offset) * time.Minute
	var found *BadSecond
	for i, b := range f.BadSeconds {
		at := b.At.Truncate(time.Second)
		if at.Before(q.start.Add(west)) || at.After(q.end.Add(west)) || !b.Until.IsZero() && !now.Before(b.Until) {
			continue
		}
		if found == nil || found.Kind.Tears() {
			found = &f.BadSeconds[i]
		}
	}
	return found
}

// tear is the row of a page that breaks it, and how.
type tear struct {
	row  *row
	kind BadKind
}

// tears finds the one row of a bad second that breaks each page it is on.
func (s *Service) tears(b *BadSecond, f found, now int64) tear {
	t := tear{}
	if b == nil || !b.Kind.Tears() {
		return t
	}
	t.kind = b.Kind
	second := b.At.Truncate(time.Second).UnixMilli()
	window := Switches{FilterBy: s.config.Switches.FilterBy, Bounds: Inclusive}
	for _, rows := range [][]*row{f.bots, f.contacts} {
		for _, r := range rows {
			start, end := r.times(now)
			if r.kind > assistRow || r.hidden || !window.inWindow(second, second, start, end) {
				continue
			}
			if t.row == nil || r.id < t.row.id {
				t.row = r
			}
		}
	}
	return t
}

// write writes the row like that. What is open where the quotes turn inside out is
// more than what the end of the page closes: so the row has no end.
func (t tear) write(raw []byte) []byte {
	open := bytes.Clone(raw[:len(raw)-1])
	switch t.kind {
	case StrayQuote:
		return append(open, `,"notes":[{"note":"5" pipe"}]}`...)
	case Backslash:
		return append(open, `,"files":[{"path":"C:\dir\"}]}`...)
	}
	return open
}

// tearAt ends the rows of a page whose i-th row begins at a place of the body and
// tears it.
func (p *written) tearAt(i, place int, key func(writtenRow) Key) {
	rest := p.body[place:]
	for _, r := range p.rows[i:] {
		p.rest = append(p.rest, key(r))
	}
	sum := sha256.Sum256(rest)
	p.marker = AnsweredRow{Key: Key{Session: hex.EncodeToString(sum[:8])}, Dead: true, Hash: ContentHash(rest)}
	p.rows = p.rows[:i]
}

// endsIn tells whether brackets and quotes give the value at the beginning of the
// text an end at which a list goes on: brackets in the texts of other rows may
// make up for what is missing.
func endsIn(text []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				next := bytes.TrimLeft(text[i+1:], " \t\r\n")
				return c == '}' && len(next) > 0 && (next[0] == ',' || next[0] == ']')
			}
		}
	}
	return false
}
