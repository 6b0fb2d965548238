package encoder

import (
	"strings"
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

// Rows are found to differ when one value in them does.
func TestEqualJSONSeesDifferences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := string(anyRow(t))
		changed := strings.TrimSuffix(row, "}") + `,"one more":0}`
		if EqualJSON([]byte(row), []byte(changed)) || !EqualJSON([]byte(row), []byte(" "+row+"\n")) {
			t.Fatalf("%q", row)
		}
	})
}
