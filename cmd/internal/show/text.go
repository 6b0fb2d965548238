package show

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/mattn/go-isatty"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/producer"
)

// colours tells that out is a terminal whose user wants colours: see no-color.org.
func colours(out io.Writer) bool {
	return isTerminal(out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// Safe returns out, or where that is a terminal a writer that keeps from it what would steer it or turn its text around. Each
// Write is one line.
func Safe(out io.Writer) io.Writer {
	if isTerminal(out) {
		return safe{out}
	}
	return out
}

type safe struct{ out io.Writer }

// Write writes JSON as equal JSON, with escapes; of any other line it replaces what does not print.
func (s safe) Write(line []byte) (int, error) {
	text := strings.TrimSuffix(string(line), "\n")
	if json.Valid(line) {
		text = escaped(text)
	} else {
		text = clean(text)
	}
	if _, err := io.WriteString(s.out, text+"\n"); err != nil {
		return 0, err
	}
	return len(line), nil
}

// escaped is JSON in which nothing is left that does not print. Such a character stands in strings only.
func escaped(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, "\\u%04x\\u%04x", high, low)
		default:
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}

// Text is what others have written, for a terminal: its lines, without what would steer it.
func Text(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}

// clean keeps what others have written from breaking lines or steering the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}

// textOrJSON is a value as JSON where it is that, else as text.
func textOrJSON(value []byte) any {
	if json.Valid(value) {
		return json.RawMessage(value)
	}
	return string(value)
}

// keyText is a key as text. Those of the memory of conversations end with a hash, which is none.
func (t Topics) keyText(m producer.Message) string {
	const memory = "/seen/"
	if i := bytes.Index(m.Key, []byte(memory)); t.Kind(m.Topic) == encoder.KindState && i >= 0 {
		return string(m.Key[:i+len(memory)]) + hex.EncodeToString(m.Key[i+len(memory):])
	}
	return string(m.Key)
}

func (t Topics) keyOrNull(m producer.Message) any {
	if m.Key == nil {
		return nil
	}
	return t.keyText(m)
}

// stateValue is a value of the state for JSON: null where the key is deleted, hex where it is an entry of the memory.
func stateValue(value []byte) any {
	switch {
	case value == nil:
		return nil
	case json.Valid(value):
		return json.RawMessage(value)
	}
	return hex.EncodeToString(value)
}

// stateText is the same on a line, not too much of it.
func stateText(value []byte) string {
	const enough = 200
	switch {
	case value == nil:
		return "deleted"
	case !json.Valid(value):
		return hex.EncodeToString(value)
	case len(value) > enough:
		return fmt.Sprintf("%s... (%d bytes)", clean(string(value[:enough])), len(value))
	}
	return clean(string(value))
}

// partText says which part of a dead letter a record is, where it was cut.
func partText(l encoder.LetterPart) string {
	if l.Part == "" {
		return ""
	}
	return fmt.Sprintf(" part %s of %s", clean(l.Part), clean(l.Of))
}
