package smartassist

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// checkVerdict holds the scanner's verdict on a text against jsontext's.
func checkVerdict(t interface {
	Helper()
	Errorf(string, ...any)
}, text []byte) {
	t.Helper()
	want := jsontext.Value(text).IsValid(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	if got := valid(text); got != want {
		t.Errorf("%.80q: valid is %t, want %t", text, got, want)
	}
}

// edges are texts that readers of JSON disagree on, most of them broken.
var edges = []string{
	``, ` `, "\x00", `{`, `}`, `[`, `]`, `:`, `,`, `"`, `""`, `"\`, `"\"`, `"\u`, `"\u1`, `"\u12`, `"\u123`, `"\u1234`, `"\u1234"`, `"\uABcd"`, `"\u12g4"`, `"\U1234"`,
	`"\ud800"`, `"\ud800\u"`, `"\ud800\udc00"`, `"\udc00\ud800"`, `"\a"`, `"\x41"`, `"\'"`, `"\/\b\f\n\r\t\\\""`, "\"\n\"", "\"\t\"", "\"\x1f\"", "\"\x7f\"", "\"\x00\"", `'a'`,
	"\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xe2\x82\"", "\"\xe2\x82", "\"1234567\xff\"", "\"12345678\xff\x80\x90\"", "\"1234567\x1f\"", "\"123456\\n\"", "\"12345678\x01\"",
	`0`, `-0`, `00`, `01`, `-01`, `-`, `+1`, `1.`, `.1`, `1.0`, `-1.50`, `1e`, `1e+`, `1e-`, `1e1`, `1E+01`, `1.e1`, `1e1.0`, `0e0`, `0x1`, `1_0`, `-a`, `--1`, `NaN`, `Infinity`, `-Infinity`, `1 1`, `1,`, `1a`,
	`true`, `tru`, `true1`, `truer`, `True`, `false`, `fals`, `null`, `nul`, `nulll`, `undefined`,
	`[]`, `[ ]`, `[1]`, `[1,]`, `[,1]`, `[,]`, `[1 2]`, `[1,,2]`, `[1}`, `[1`, `[1,`, `["a"`, `[[]`, `[]]`, `[1:2]`, "[1,\n2\t,\r3]", "[1\f]", "[1\v]", "[\u00a01]", "\ufeff[]", `[]//`, `[/**/]`, `[1]x`, `[] []`,
	`{}`, `{ }`, `{"a":1}`, `{"a":1,}`, `{,"a":1}`, `{"a" 1}`, `{"a"}`, `{"a":}`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,"a":2}`, `{a:1}`, `{1:1}`, `{null:1}`, `{"a"::1}`, `{"a":1:2}`, `{"a":1]`, `{"a":1 "b":2}`,
	` {"a" : [ 1 , { } ] } `, `{"a":{"b":[{"c":"\ud800"}]}}`, `{"\u0061":1}`, `{"\u006":1}`, `{"":""}`, `{}}`, `{}{}`,
}

func TestVerdictIsThatOfJSONText(t *testing.T) {
	for _, text := range edges {
		checkVerdict(t, []byte(text))
		// Near the end of the text strings are read byte by byte, elsewhere by words.
		checkVerdict(t, []byte(`{"member":`+text+`,"and":"what comes behind it"}`))
	}
	for _, depth := range []int{maxDepth - 1, maxDepth, maxDepth + 1} {
		checkVerdict(t, []byte(strings.Repeat("[", depth)+strings.Repeat("]", depth)))
		checkVerdict(t, []byte(strings.Repeat(`{"":`, depth)+"1"+strings.Repeat("}", depth)))
	}
	for i := range benchRow {
		checkVerdict(t, benchRow[:i])
	}
}

// A row with a few bytes changed, taken out or put in is mostly broken.
func TestVerdictOnDamagedRows(t *testing.T) {
	pieces := []string{"", `"`, `\`, `\u`, "{", "}", "[", "]", ",", ":", " ", "\n", "\x01", "\xff", "0", "-", ".", "e", "a", "null", `"a":1`, `,"a":[]`}
	rapid.Check(t, func(t *rapid.T) {
		text := bytes.Clone(benchRow)
		for range rapid.IntRange(1, 3).Draw(t, "damages") {
			i := rapid.IntRange(0, len(text)).Draw(t, "at")
			gone := min(rapid.IntRange(0, 3).Draw(t, "gone"), len(text)-i)
			piece := rapid.SampledFrom(pieces).Draw(t, "piece")
			text = append(append(bytes.Clone(text[:i]), piece...), text[i+gone:]...)
		}
		checkVerdict(t, text)
	})
}

func FuzzVerdict(f *testing.F) {
	for _, text := range edges {
		f.Add([]byte(text))
	}
	f.Add(benchRow)
	f.Fuzz(func(t *testing.T, text []byte) { checkVerdict(t, text) })
}
