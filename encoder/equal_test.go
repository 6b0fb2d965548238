package encoder

import (
	"bytes"
	"regexp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestEqualJSON(t *testing.T) {
	for _, test := range []struct {
		a, b  string
		equal bool
	}{
		{`{"a":1,"b":[2]}`, "{ \"b\" : [ 2 ]\n, \"a\" : 1 }", true},
		{`[1,2]`, `[2,1]`, false},
		{`1`, `1.0`, false},
		{`1e2`, `100`, false},
		{`-0`, `0`, false},
		{`"1"`, `1`, false},
		{`"\u00e9\/"`, `"é/"`, true},
		{`"\ud83d\udc80"`, `"💀"`, true},
		{`"\ud83d"`, `"\ufffd"`, false},
		{`"\ud83d"`, `"\uD83D"`, true},
		{"\"\xff\"", "\"\uFFFD\"", false},
		{"\"\xff\"", "\"\xfe\"", false},
		{"\"\xed\xa0\xbd\"", `"\ud83d"`, false},
		{"\"\xfe\xd8=\"", `"\ud83d"`, false}, // the bytes that mark half a pair in the canonical form
		{`{"a":1,"a":2}`, `{"a":2,"a":1}`, true},
		{`{"a":1,"a":1}`, `{"a":1}`, false},
		{`{"a":1}`, `{"a":1,"b":null}`, false},
		{`{"a":{"b":1}}`, `{"a":{},"b":1}`, false},
		{`[[],[]]`, `[[[]]]`, false},
		{`["ab"]`, `["a","b"]`, false},
		{`{}`, `[]`, false},
		{`null`, `null`, true},
		{`null`, ``, false},
		{`{`, `{`, false},
	} {
		if got := EqualJSON([]byte(test.a), []byte(test.b)); got != test.equal {
			t.Errorf("%s and %s: %t", test.a, test.b, got)
		}
	}
}

// Rows are found to differ when any one name or value in them does, and by a
// member more.
func TestEqualJSONSeesDifferences(t *testing.T) {
	token := regexp.MustCompile(`"(\\.|[^"\\])*"|[-0-9][-+.0-9eE]*|true|false|null`)
	rapid.Check(t, func(t *rapid.T) {
		row := anyRow(t)
		if more := append(bytes.TrimSuffix(bytes.Clone(row), []byte("}")), `,"one more":0}`...); EqualJSON(row, more) || !EqualJSON(row, append(bytes.Clone(row), " \n"...)) {
			t.Fatalf("%q", row)
		}
		all := token.FindAllIndex(row, -1)
		for range 5 {
			at := rapid.SampledFrom(all).Draw(t, "token")
			changed := slices.Concat(row[:at[0]], another(row[at[0]:at[1]]), row[at[1]:])
			if EqualJSON(row, changed) || EqualJSON(changed, row) || !EqualJSON(changed, changed) {
				t.Fatalf("%q and %q", row, changed)
			}
		}
	})
}

// another is a name or value like this one: a string with a character more, a
// number with another text.
func another(token []byte) []byte {
	switch token[0] {
	case '"':
		return append([]byte(`"\u2603`), token[1:]...)
	case 't', 'f', 'n':
		return []byte(`0`)
	}
	if bytes.ContainsAny(token, "eE") {
		return append([]byte(`1`), bytes.TrimPrefix(token, []byte("-"))...)
	}
	return append(bytes.Clone(token), "e0"...)
}
