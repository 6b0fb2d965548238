package encoder

import (
	"strings"

	"github.com/convstream/convstream/poller/smartassist/rawjson"
)

// spelling is how a name in the source stands to a name of the mapping.
type spelling int

const (
	foreign    spelling = iota // another name
	canonical                  // the very name
	variant                    // the same, A to Z in other case
	unreadable                 // not text: invalid UTF-8 or half a surrogate pair
)

// spellingOf compares a quoted name.
func spellingOf(quoted, name string) spelling {
	if plain, ok := rawjson.Plain(quoted); ok && plain == name {
		return canonical
	}
	decoded, ok := rawjson.Unquote(quoted)
	switch {
	case !ok:
		return unreadable
	case decoded == name:
		return canonical
	case sameLetters(decoded, name):
		return variant
	}
	return foreign
}

// sameLetters reports whether a name is a variant of another; the rule is used in both directions.
func sameLetters(a, b string) bool { return len(a) == len(b) && lower(a) == lower(b) }

// lower changes the letters A to Z only, so that the rule is the same in every
// language that rebuilds rows.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

var tokenEscapes = strings.NewReplacer("~", "~0", "/", "~1")
var tokenUnescapes = strings.NewReplacer("~1", "/", "~0", "~")

// appendToken appends one step of a JSON Pointer (RFC 6901).
func appendToken(pointer []byte, name string) []byte {
	pointer = append(pointer, '/')
	if strings.ContainsAny(name, "~/") {
		name = tokenEscapes.Replace(name)
	}
	return append(pointer, name...)
}

// splitPointer takes the last step off a JSON Pointer.
func splitPointer(pointer string) (parent, name string) {
	i := strings.LastIndexByte(pointer, '/')
	if i < 0 {
		return "", pointer
	}
	return pointer[:i], tokenUnescapes.Replace(pointer[i+1:])
}
