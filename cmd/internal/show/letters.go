package show

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
)

// Letter is a dead letter with what became of it.
type Letter struct {
	encoder.Letter
	Resolution *poller.Resolution // nil: not resolved
	Err        error              // why the row is not all there
}

// LetterPrinter prints one dead letter. Its error is the writer's.
type LetterPrinter func(Letter) error

// LetterLines prints a line a letter, coloured on a terminal, and nothing of the row.
func LetterLines(out io.Writer) LetterPrinter {
	p := lines{out: out, colour: colours(out)}
	return func(l Letter) error {
		size := fmt.Sprintf("%d bytes", len(l.Row))
		if l.Parts > 1 {
			size += fmt.Sprintf(" in %d parts", l.Parts)
		}
		identity := "no identity"
		if len(l.Key) > 0 {
			identity = clean(string(l.Key))
		}
		became := ""
		if r := l.Resolution; r != nil {
			became = ", " + p.paint(32, Resolved(*r))
		}
		if l.Err != nil {
			became += ", " + p.paint(31, clean(l.Err.Error()))
		}
		_, err := fmt.Fprintf(out, "%s %s %s, %s, read %s in %s: %s%s\n", p.paint(33, clean(l.ID)), clean(l.Account), identity, size,
			l.At.UTC().Format(time.DateTime), clean(l.Window), p.paint(31, clean(l.Error)), became)
		return err
	}
}

// Resolved says what became of a letter that was resolved.
func Resolved(r poller.Resolution) string {
	at := r.At.UTC().Format(time.DateTime)
	if r.Fate == poller.LetterPublished {
		return fmt.Sprintf("published as revision %d at %s", r.Revision, at)
	}
	return "superseded by what was published since, seen at " + at
}

// letterJSON is a letter as an object.
type letterJSON struct {
	ID       string        `json:"id"`
	Account  string        `json:"account"`
	Identity *string       `json:"identity"` // null where it is not known
	ReadAt   time.Time     `json:"readAt"`
	Window   string        `json:"window"`
	Error    string        `json:"error"`
	Bytes    int           `json:"bytes"`
	Parts    int           `json:"parts"`
	Resolved *resolvedJSON `json:"resolved"` // null where it is not resolved
	Damage   string        `json:"damage,omitempty"`
	Row      any           `json:"row,omitempty"`
}

type resolvedJSON struct {
	As       poller.Fate `json:"as"`
	Revision int32       `json:"revision,omitempty"`
	At       time.Time   `json:"at"`
}

// LetterJSON prints an object a letter, for jq; the row only where it is asked for.
func LetterJSON(out io.Writer, withRow bool) LetterPrinter {
	e := json.NewEncoder(Safe(out))
	e.SetEscapeHTML(false)
	return func(l Letter) error {
		o := letterJSON{ID: l.ID, Account: l.Account, ReadAt: l.At, Window: l.Window, Error: l.Error, Bytes: len(l.Row), Parts: l.Parts}
		if len(l.Key) > 0 {
			identity := string(l.Key)
			o.Identity = &identity
		}
		if r := l.Resolution; r != nil {
			o.Resolved = &resolvedJSON{r.Fate, r.Revision, r.At}
		}
		if l.Err != nil {
			o.Damage = l.Err.Error()
		}
		if withRow {
			o.Row = textOrJSON(l.Row)
		}
		return e.Encode(o)
	}
}

// LetterRows prints each letter's row as it was received, one a line.
func LetterRows(out io.Writer) LetterPrinter {
	out = Safe(out)
	return func(l Letter) error { return line(out, l.Row) }
}
