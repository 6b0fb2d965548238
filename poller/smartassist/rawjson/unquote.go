package rawjson

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Unquote decodes a quoted JSON string. exact is false when its content is not
// text: invalid UTF-8, or an escaped surrogate without its other half; U+FFFD
// then stands in place of each, so s is always valid UTF-8 but the source text
// cannot be recovered from it. Something that is not a quoted string yields "",
// false.
func Unquote[T Text](quoted T) (s string, exact bool) {
	if n, form := String(quoted); n > 0 && n == len(quoted) && form == 0 {
		return string(quoted[1 : n-1]), true // as nearly all are
	}
	if inner, ok := Plain(quoted); ok {
		if s = string(inner); utf8.ValidString(s) {
			return s, true
		}
	}
	b, exact := AppendUnquote(nil, quoted)
	return string(b), exact
}

// AppendUnquote appends the decoded string to dst; see [Unquote].
func AppendUnquote[T Text](dst []byte, quoted T) (b []byte, exact bool) {
	n := len(dst)
	b, err := jsontext.AppendUnquote(dst, quoted)
	if err != nil && !utf8.Valid(b[n:]) {
		b = append(b[:n], bytes.ToValidUTF8(b[n:], []byte("\uFFFD"))...)
	}
	return b, err == nil
}

// Plain returns the part between the quotes when nothing in it is escaped, so
// that it is the string's content byte for byte (valid UTF-8 or not).
func Plain[T Text](quoted T) (inner T, ok bool) {
	if len(quoted) < 2 || quoted[0] != '"' {
		return quoted[:0], false
	}
	inner = quoted[1 : len(quoted)-1]
	return inner, indexByte(inner, '\\') < 0
}
