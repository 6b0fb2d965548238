// Package rawjson reads JSON text where it lies: without copying it and without
// allocating.
//
// The rows of the service are kept as they were received, and several questions
// are asked of each: is it JSON, who is it, what is its content hash, what goes
// into which field, what is left over. A decoder answers each of them by checking
// the text again. Here a row is checked once, with [String] and [Number], by the
// scan that also finds who it is and its hash; afterwards it is only walked.
//
// Valid means valid for jsontext with AllowInvalidUTF8 and AllowDuplicateNames:
// the service's text is data to be kept, so broken characters and repeated
// names are passed on, in the order received. On text that is not valid the
// functions that walk stay within bounds and end early; what they return is then
// unspecified.
package rawjson

import (
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// Text is JSON text as it was received, or a string of it, whose parts cost nothing to keep.
type Text interface{ ~[]byte | ~string }

// Members returns the members of a JSON object in source order, repeated names
// included. The name is quoted source text (see [Unquote]), the value source
// text without surrounding white space; both are parts of object. Text that is
// no object has no members.
func Members[T Text](object T) iter.Seq2[T, T] {
	return func(yield func(name, value T) bool) { members(object, yield) }
}

func members[T Text](b T, yield func(name, value T) bool) {
	i := Space(b, 0)
	if i >= len(b) || b[i] != '{' {
		return
	}
	for i = Space(b, i+1); i < len(b) && b[i] == '"'; i = Space(b, i+1) {
		end := i + stringLength(b[i:])
		colon := Space(b, end)
		start := Space(b, colon+1)
		if end == i || start >= len(b) {
			return
		}
		n := Length(b[start:])
		if n == 0 || !yield(b[i:end], b[start:start+n]) {
			return
		}
		i = Space(b, start+n)
		if i >= len(b) || b[i] != ',' {
			return
		}
	}
}

// Elements returns the elements of a JSON array in order, as source text without
// surrounding white space, parts of array. Text that is not an array has no
// elements.
func Elements[T Text](array T) iter.Seq[T] {
	return func(yield func(value T) bool) { elements(array, yield) }
}

func elements[T Text](b T, yield func(value T) bool) {
	i := Space(b, 0)
	if i >= len(b) || b[i] != '[' {
		return
	}
	for i = Space(b, i+1); i < len(b) && b[i] != ']'; i = Space(b, i+1) {
		n := Length(b[i:])
		if n == 0 || !yield(b[i:i+n]) {
			return
		}
		i = Space(b, i+n)
		if i >= len(b) || b[i] != ',' {
			return
		}
	}
}

// Length returns the number of bytes of the value that b begins with, found by
// counting brackets outside of strings; what follows it is not looked at. It is
// 0 when b does not begin with a value or the value does not end within b.
// Length is the one function here that may be asked about broken text: a value
// that is broken inside (a bad escape, a control character, a bare word) has
// the length that its brackets and quotes give it.
func Length[T Text](b T) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"':
		return stringLength(b)
	case '{', '[':
		return nestedLength(b)
	}
	for i := range len(b) {
		switch b[i] {
		case ',', ']', '}', ':', ' ', '\t', '\r', '\n':
			return i
		}
	}
	return len(b)
}

func nestedLength[T Text](b T) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			n := stringLength(b[i:])
			if n == 0 {
				return 0
			}
			i += n - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// stringLength returns the length of the quoted string that b begins with, quotes
// included; 0 when its end is missing.
func stringLength[T Text](b T) int {
	if n, _ := String(b); n > 0 {
		return n // valid, as nearly all are
	}
	for i := 1; i < len(b); {
		n := indexByte(b[i:], '"')
		if n < 0 {
			return 0
		}
		i += n
		// An odd run of backslashes before it means that the quote is escaped.
		run := i - 1
		for run > 0 && b[run] == '\\' {
			run--
		}
		i++
		if (i-run)%2 == 0 {
			return i
		}
	}
	return 0
}

func indexByte[T Text](b T, c byte) int {
	for i := range len(b) {
		if b[i] == c {
			return i
		}
	}
	return -1
}

// Space returns the index of the first byte of b from i on that is not JSON
// white space, len(b) when there is none.
func Space[T Text](b T, i int) int {
	i = min(i, len(b))
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// KindOf returns the kind of a value without leading white space, known by its first
// byte: '{' '[' '"' '0' (any number) 't' 'f' 'n', or 0 if it is not one.
func KindOf(value []byte) jsontext.Kind {
	return jsontext.Value(value).Kind()
}
