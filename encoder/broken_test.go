package encoder

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

func TestEscapeBroken(t *testing.T) {
	for _, test := range []struct{ text, escaped string }{
		{`"plain é 💀"`, `"plain é 💀"`},
		{"\"\xff\x80\"", `"\udcff\udc80"`},
		{"\"\xed\xa0\x80\"", `"\udced\udca0\udc80"`}, // a surrogate as UTF-8
		{`"\ud83d\udc80"`, `"\ud83d\uDC80"`},         // an escape of the service's own
		{`"\\udc80"`, `"\\udc80"`},                   // a backslash and letters
		{`"\udc7f\uDC80\udC80"`, `"\udc7f\uDC80\udC80"`},
		{"\"\\ud83d\x80\"", `"\ud83d\udc80"`}, // decoded by others this is one character: the bytes are what we restore
	} {
		got := escapeBroken(test.text)
		if got != test.escaped {
			t.Errorf("%q: escaped %q, want %q", test.text, got, test.escaped)
		}
		if back := restoreBroken(nil, got); !EqualJSON(back, []byte(test.text)) {
			t.Errorf("%q: restored %q", test.text, back)
		}
	}
}

// Any JSON text becomes valid UTF-8 and JSON, and comes back with the same bytes
// but for the case of hex digits.
func TestEscapeBrokenIsReversible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := valueText(t, 3)
		escaped := escapeBroken(text)
		if !utf8.ValidString(escaped) || !jsontext.Value(escaped).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
			t.Fatalf("%q: escaped %q", text, escaped)
		}
		back := restoreBroken(nil, escaped)
		if !strings.EqualFold(string(back), text) || !EqualJSON(back, []byte(text)) {
			t.Fatalf("%q: escaped %q, restored %q", text, escaped, back)
		}
	})
}
