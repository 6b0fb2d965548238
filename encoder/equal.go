package encoder

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/convstream/convstream/poller/smartassist/rawjson"
	"github.com/go-json-experiment/json/jsontext"
)

// EqualJSON reports whether two JSON texts have the same names and values.
// Member order and white space do not count; strings are equal by what they
// decode to, where bytes that are not UTF-8 and halves of surrogate pairs are
// themselves; numbers by their text (1.0 is not 1); members of one name as often
// as they occur. A text that is not JSON equals nothing.
func EqualJSON(a, b []byte) bool {
	x, okA := canonicalForm(a)
	y, okB := canonicalForm(b)
	return okA && okB && bytes.Equal(x, y)
}

func canonicalForm(text []byte) ([]byte, bool) {
	value := jsontext.Value(bytes.Trim(text, " \t\r\n"))
	if !value.IsValid(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)) {
		return nil, false
	}
	return appendCanonical(nil, value), true
}

// appendCanonical writes a value so that equal values are equal bytes: each piece
// behind its kind and its length, the members of an object in order.
func appendCanonical(out, value []byte) []byte {
	switch kind := rawjson.KindOf(value); kind {
	case '"':
		return appendPiece(out, '"', appendCharacters(nil, value))
	case '[':
		var content []byte
		for element := range rawjson.Elements(value) {
			content = appendCanonical(content, element)
		}
		return appendPiece(out, '[', content)
	case '{':
		var members [][]byte
		for name, member := range rawjson.Members(value) {
			members = append(members, appendCanonical(appendCanonical(nil, name), member))
		}
		slices.SortFunc(members, bytes.Compare)
		return appendPiece(out, '{', bytes.Join(members, nil))
	default:
		return appendPiece(out, byte(kind), value)
	}
}

func appendPiece(out []byte, kind byte, content []byte) []byte {
	out = binary.AppendUvarint(append(out, kind), uint64(len(content)))
	return append(out, content...)
}

// Marks of what is not text among the characters of a string; no UTF-8 has these
// bytes.
const (
	markByte      = 0xFF // a byte that is not UTF-8 follows
	markSurrogate = 0xFE // half a surrogate pair follows, two bytes
)

// appendCharacters decodes a quoted string without losing what is not text.
func appendCharacters(out, quoted []byte) []byte {
	for s := quoted[1 : len(quoted)-1]; len(s) > 0; {
		if s[0] == '\\' {
			var n int
			out, n = appendEscaped(out, s)
			s = s[n:]
			continue
		}
		r, n := utf8.DecodeRune(s)
		if r == utf8.RuneError && n == 1 {
			out = append(out, markByte)
		}
		out = append(out, s[:n]...)
		s = s[n:]
	}
	return out
}

// appendEscaped decodes the escape that s begins with; n is its length.
func appendEscaped(out, s []byte) (decoded []byte, n int) {
	if s[1] != 'u' {
		const plain, short = "\"\\/\b\f\n\r\t", `"\/bfnrt`
		return append(out, plain[bytes.IndexByte([]byte(short), s[1])]), 2
	}
	r := unit(s)
	switch {
	case !utf16.IsSurrogate(r):
		return utf8.AppendRune(out, r), 6
	case len(s) >= 12 && s[6] == '\\' && s[7] == 'u':
		if pair := utf16.DecodeRune(r, unit(s[6:])); pair != utf8.RuneError {
			return utf8.AppendRune(out, pair), 12
		}
	}
	return append(out, markSurrogate, byte(r>>8), byte(r)), 6
}

// unit returns the UTF-16 code unit of the \uXXXX that s begins with.
func unit(s []byte) rune {
	n, _ := strconv.ParseUint(string(s[2:6]), 16, 16) // valid JSON
	return rune(n)
}
