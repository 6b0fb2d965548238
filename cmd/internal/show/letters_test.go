package show

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/producer"
)

// deadLetter is a row as it stands in the topic, in several parts where they may have only so many bytes.
func deadLetter(t *testing.T, row string, most int) (out []producer.Message) {
	t.Helper()
	e, err := encoder.New(encoder.Config{AccountID: "acc", Topics: encoder.Topics{Prefix: prefix}})
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range e.DeadLetter(encoder.DeadLetter{
		Row: smartassist.ParseRow([]byte(row)), Error: "no\x1b[2J", ObservedAt: time.Unix(1e9, 0), WindowStart: time.Unix(0, 0), WindowEnd: time.Unix(60, 0), MaxBytes: most,
	}) {
		out = append(out, producer.Message{Topic: m.Topic, Offset: int64(i), Key: m.Key, Value: m.Value, Headers: m.Headers})
	}
	return out
}

// TestRowsJoinDeadLetters that were cut, and say where a part is missing instead of giving half a row.
func TestRowsJoinDeadLetters(t *testing.T) {
	row := `["` + strings.Repeat("x", 5000) + `"]`
	parts := deadLetter(t, row, 2048)
	other := deadLetter(t, `[1]`, 0)
	if len(parts) < 3 {
		t.Fatalf("%d parts", len(parts))
	}
	var out bytes.Buffer
	printer := rows(&out)
	for _, m := range append(append(parts[:1:1], other...), parts[1:]...) {
		if err := printer(m); err != nil {
			t.Fatal(err)
		}
	}
	if want := "[1]\n" + row + "\n"; out.String() != want {
		t.Errorf("%d bytes, want %d", out.Len(), len(want))
	}
	out.Reset()
	for _, m := range parts[1:] {
		_ = printer(m)
	}
	if got := out.String(); !strings.Contains(got, "parts of the dead letter are missing") || strings.Contains(got, "xxx") {
		t.Errorf("%.200q", got)
	}
	out.Reset()
	_ = asLine(&out)(parts[1])
	if got := out.String(); !strings.Contains(got, " part 2 of ") || strings.ContainsAny(got, "\x1b") {
		t.Errorf("line %q", got)
	}
}

// TestLetters are shown without their rows unless these are asked for, and steer no terminal.
func TestLetters(t *testing.T) {
	l := Letter{Letter: encoder.Letter{
		ID: "0123456789abcdef", Account: "acc", Key: []byte("c-1\n\x1b[31m"), Error: "why", Window: "a/b", At: time.Unix(1e9, 0), Row: []byte(`{"name":"Zoë"}`), Parts: 3,
	}}
	resolved := l
	resolved.Resolution = &poller.Resolution{Fate: poller.LetterPublished, Revision: 7, At: time.Unix(2e9, 0)}
	for name, c := range map[string]struct {
		letter Letter
		print  func(*bytes.Buffer) LetterPrinter
		want   string
	}{
		"line":     {l, func(b *bytes.Buffer) LetterPrinter { return LetterLines(b) }, "0123456789abcdef acc c-1\uFFFD\uFFFD[31m, 15 bytes in 3 parts, read 2001-09-09 01:46:40 in a/b: why\n"},
		"resolved": {resolved, func(b *bytes.Buffer) LetterPrinter { return LetterLines(b) }, "why, published as revision 7 at 2033-05-18 03:33:20\n"},
		"JSON":     {resolved, func(b *bytes.Buffer) LetterPrinter { return LetterJSON(b, false) }, `"bytes":15,"parts":3,"resolved":{"as":"published","revision":7,"at":"2033-05-18T03:33:20Z"}}` + "\n"},
		"row":      {l, func(b *bytes.Buffer) LetterPrinter { return LetterRows(b) }, `{"name":"Zoë"}` + "\n"},
		"JSON row": {l, func(b *bytes.Buffer) LetterPrinter { return LetterJSON(b, true) }, `"resolved":null,"row":{"name":"Zoë"}}` + "\n"},
	} {
		var out bytes.Buffer
		c.letter.Resolution = resolvedUTC(c.letter.Resolution)
		if err := c.print(&out)(c.letter); err != nil || !strings.HasSuffix(out.String(), c.want) {
			t.Errorf("%s: %q, want it to end with %q", name, out.String(), c.want)
		}
		if strings.Contains(name, "JSON") && !json.Valid(out.Bytes()) {
			t.Errorf("%s: %s", name, out.String())
		}
		if shows := strings.Contains(out.String(), "Zoë"); shows != strings.Contains(name, "row") {
			t.Errorf("%s: shows the row: %v", name, shows)
		}
	}
}

func resolvedUTC(r *poller.Resolution) *poller.Resolution {
	if r == nil {
		return nil
	}
	c := *r
	c.At = c.At.UTC()
	return &c
}

// TestState is text: keys of the memory and their entries in hex, the rest as it is.
func TestState(t *testing.T) {
	entry := producer.Message{Topic: prefix + "state", Key: []byte("acc/seen/\x01\xff"), Value: []byte{1, 0, 0xab}}
	ledger := producer.Message{Topic: prefix + "state", Key: []byte("acc/ledger"), Value: []byte(`{"format":1}`)}
	deleted := producer.Message{Topic: prefix + "state", Key: []byte("acc/seen/\x01")}
	for name, c := range map[string]struct {
		got, want string
	}{
		"entry":        {print(t, asLine, entry), "acc/seen/01ff 0100ab\n"},
		"ledger":       {print(t, asLine, ledger), `acc/ledger {"format":1}` + "\n"},
		"deleted":      {print(t, asLine, deleted), "acc/seen/01 deleted\n"},
		"entry, JSON":  {print(t, asJSON, entry), `"value":"0100ab"}` + "\n"},
		"ledger, JSON": {print(t, asJSON, ledger), `"value":{"format":1}}` + "\n"},
		"deletion":     {print(t, asJSON, deleted), `"value":null}` + "\n"},
	} {
		if !strings.HasSuffix(c.got, c.want) {
			t.Errorf("%s: %q, want it to end with %q", name, c.got, c.want)
		}
	}
	if got := print(t, asJSON, entry); !strings.Contains(got, `"key":"acc/seen/01ff"`) {
		t.Errorf("key: %s", got)
	}
}

// TestLinesSteerNoTerminal whatever the service has sent.
func TestLinesSteerNoTerminal(t *testing.T) {
	out := print(t, asLine, message(t, `{"conversationId":"c-1\u001b]0;x\u0007","finalStatus":"a\nb","channel":"\u009b31mvoice"}`))
	if strings.ContainsAny(strings.TrimSuffix(out, "\n"), "\x1b\x07\n\u009b") || !strings.Contains(out, "c-1\uFFFD]0;x\uFFFD") {
		t.Errorf("%q", out)
	}
}

// TestColours are for terminals whose users want them.
func TestColours(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer terminal.Close()
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	if !colours(terminal) {
		t.Error("none on a terminal")
	}
	t.Setenv("NO_COLOR", "1")
	if colours(terminal) {
		t.Error("colours though NO_COLOR is set")
	}
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "dumb")
	if colours(terminal) {
		t.Error("colours on a terminal that has none")
	}
}
