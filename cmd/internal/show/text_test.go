package show

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

// steering is what moves a terminal's cursor, asks it for its name, or turns its text around.
const steering = "a\x1b[2J\u009b31m\x7f\u202e\u2066b\U000e0001"

// TestTerminalGetsNoControlCharacters: JSON stays equal JSON, other rows and texts lose only what steers.
func TestTerminalGetsNoControlCharacters(t *testing.T) {
	row, err := json.Marshal(map[string]string{"text": steering})
	if err != nil {
		t.Fatal(err)
	}
	raw := `{"text":"` + strings.ReplaceAll(steering, "\x1b", "") + `"}` // a service may send all but escape as they are
	for _, in := range []string{string(row), raw, "{not JSON " + steering, "\x9b\xff" + steering} {
		var out bytes.Buffer
		if err := line(safe{&out}, []byte(in)); err != nil {
			t.Fatal(err)
		}
		shown := out.String()
		if strings.Count(shown, "\n") != 1 || strings.ContainsFunc(strings.TrimSuffix(shown, "\n"), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q prints %q", in, shown)
		}
		var want, got any
		if json.Unmarshal([]byte(in), &want) == nil {
			if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.(map[string]any)["text"] != want.(map[string]any)["text"] {
				t.Errorf("%q becomes %q", in, shown)
			}
		}
	}
	if got := Text("one\x1b[2J\ntwo\u202e"); got != "one\uFFFD[2J\ntwo\uFFFD" {
		t.Errorf("text %q", got)
	}
	var out bytes.Buffer
	if Safe(&out) != &out {
		t.Error("what is not a terminal does not get the bytes as they are")
	}
}
