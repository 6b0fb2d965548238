package rawjson

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var lenient = []jsontext.Options{jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)}

// walk writes out all that the package says of a document.
func walk(w *strings.Builder, v []byte) {
	switch KindOf(v) {
	case '{':
		for name, value := range Members(v) {
			s, exact := Unquote(name)
			fmt.Fprintf(w, "%s %q %t:", name, s, exact)
			walk(w, value)
		}
		w.WriteString("}")
	case '[':
		for value := range Elements(v) {
			walk(w, value)
		}
		w.WriteString("]")
	default:
		fmt.Fprintf(w, "%s;", v)
	}
}

// reference writes out the same with jsontext's decoder.
func reference(w *strings.Builder, v []byte) {
	d := jsontext.NewDecoder(bytes.NewReader(v), lenient...)
	for {
		name := d.StackDepth() > 0
		if name {
			kind, length := d.StackIndex(d.StackDepth())
			name = kind == '{' && length%2 == 0
		}
		switch k := d.PeekKind(); k {
		case '{', '[':
			d.ReadToken()
		case '}', ']':
			d.ReadToken()
			w.WriteString(k.String())
		default:
			value, err := d.ReadValue()
			if err == io.EOF {
				return
			}
			if err != nil {
				panic(err)
			}
			if !name {
				fmt.Fprintf(w, "%s;", value)
				continue
			}
			s, err := jsontext.AppendUnquote(nil, value)
			fmt.Fprintf(w, "%s %q %t:", value, s, err == nil)
		}
	}
}

func compare(t interface{ Errorf(string, ...any) }, doc []byte) {
	var got, want strings.Builder
	walk(&got, bytes.TrimSpace(doc))
	reference(&want, doc)
	if diff := cmp.Diff(want.String(), got.String()); diff != "" {
		t.Errorf("%q: %s", doc, diff)
	}
	trimmed := bytes.TrimSpace(doc)
	if n := Length(append(bytes.Clone(trimmed), ` ]}"`...)); n != len(trimmed) {
		t.Errorf("%q: length %d, want %d", trimmed, n, len(trimmed))
	}
}

// document draws JSON text of any shape, with white space, escapes, repeated
// names and invalid UTF-8.
func document(t *rapid.T, depth int) string {
	space := rapid.SampledFrom([]string{"", "", " ", "\n\t", "\r\n  "})
	pad := func(s string) string { return space.Draw(t, "space") + s + space.Draw(t, "space") }
	kinds := 4
	if depth == 0 {
		kinds = 2
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return rapid.SampledFrom([]string{"0", "-1.50", "1e9", "true", "false", "null", "12345678901234567890"}).Draw(t, "scalar")
	case 1:
		return quoted(t)
	case 2:
		var parts []string
		for range rapid.IntRange(0, 4).Draw(t, "elements") {
			parts = append(parts, pad(document(t, depth-1)))
		}
		return "[" + space.Draw(t, "space") + strings.Join(parts, ",") + "]"
	}
	var parts []string
	for range rapid.IntRange(0, 4).Draw(t, "members") {
		parts = append(parts, pad(quoted(t))+":"+pad(document(t, depth-1)))
	}
	return "{" + space.Draw(t, "space") + strings.Join(parts, ",") + "}"
}

func quoted(t *rapid.T) string {
	pieces := rapid.SliceOfN(rapid.SampledFrom([]string{
		"a", "é", "日", " ", "{", "}", "[", "]", ",", ":", "/", `\"`, `\\`, `\/`, `\n`, `\u0041`, `\u00e9`, `\ud83d\ude00`, `\ud83d`, `\ude00`, "\xff", "\xe2\x82",
	}), 0, 6).Draw(t, "pieces")
	return `"` + strings.Join(pieces, "") + `"`
}

func TestWalkAgreesWithJSONText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := []byte(document(t, 4))
		if !jsontext.Value(doc).IsValid(lenient...) {
			t.Fatalf("the test drew something that is no JSON: %q", doc)
		}
		compare(t, doc)
	})
}

func FuzzWalk(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{"b":"\\\"]"}],"a":null}`, ` [ "\ud800" , -0.0 ] `, `{"a"`, `{"a":`, `{"a":1,`, `[1 2]`, `{:}`, `["\`, `{"a":]}`, "\"\xff\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if jsontext.Value(doc).IsValid(lenient...) {
			compare(t, doc)
			return
		}
		var w strings.Builder // must come to an end within bounds
		walk(&w, doc)
		if n := Length(doc); n < 0 || n > len(doc) {
			t.Errorf("length %d of %d", n, len(doc))
		}
		if s, _ := Unquote(doc); !utf8.ValidString(s) {
			t.Errorf("Unquote gave invalid UTF-8 %q", s)
		}
	})
}

func TestUnquote(t *testing.T) {
	for quoted, want := range map[string]struct {
		s     string
		exact bool
	}{
		`""`:             {"", true},
		`"a b"`:          {"a b", true},
		`"\u0041\n\/"`:   {"A\n/", true},
		`"\ud83d\ude00"`: {"😀", true},
		`"\ud83dx"`:      {"\uFFFDx", false},
		"\"a\xffb\"":     {"a\uFFFDb", false},
		`"�"`:            {"\uFFFD", true},
		`1`:              {"", false},
		``:               {"", false},
	} {
		if s, exact := Unquote([]byte(quoted)); s != want.s || exact != want.exact {
			t.Errorf("Unquote(%s) = %q, %t, want %q, %t", quoted, s, exact, want.s, want.exact)
		}
	}
}

func TestBrokenInsideHasALength(t *testing.T) {
	for broken, want := range map[string]int{
		`{"a":NaN},`:         9,
		"{\"a\":\"x\ny\"},1": 11,
		`{"a":"\x"}]`:        10,
		`{a:'b'} ,`:          7,
		`{"a":"\"}`:          0,
		`{"a":[1}`:           0,
		`]`:                  0,
	} {
		if got := Length([]byte(broken)); got != want {
			t.Errorf("Length(%s) = %d, want %d", strconv.Quote(broken), got, want)
		}
	}
}

func TestLongRunsOfBackslashesAreLinear(t *testing.T) {
	// A scan back from each quote that reached the string's start would take minutes here.
	doc := []byte(`["` + strings.Repeat(`\"`, 1<<20) + `","` + strings.Repeat(`\\`, 1<<20) + `"]`)
	if n := Length(doc); n != len(doc) {
		t.Errorf("length %d of %d", n, len(doc))
	}
}

func TestWalkingAllocatesNothing(t *testing.T) {
	doc := []byte(`{"a":[1,2,{"b":"c"}],"d":{"e":"f"}}`)
	var n int
	if allocs := testing.AllocsPerRun(100, func() {
		for _, v := range Members(doc) {
			for range Elements(v) {
				n++
			}
			n++
		}
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
