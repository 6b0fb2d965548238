package simulator

import (
	"encoding/json"
	"unicode/utf8"
)

// ContentHash is the same for two texts of a row exactly when they are equal as
// JSON: names and values, numbers by their text; member order, white space and
// escapes do not count, and what is not UTF-8 is U+FFFD. Text that is not JSON is
// hashed as it is. (A member that comes twice counts twice.)
func ContentHash(raw []byte) uint64 {
	if !json.Valid(raw) {
		return hashBytes('!', raw)
	}
	return (&hasher{text: raw}).value()
}

// hasher reads valid JSON once, without building it.
type hasher struct {
	text []byte
	at   int
}

// next is the next byte that is not white space.
func (h *hasher) next() byte {
	for {
		switch c := h.text[h.at]; c {
		case ' ', '\t', '\r', '\n':
			h.at++
		default:
			return c
		}
	}
}

func (h *hasher) value() uint64 {
	switch h.next() {
	case '{':
		return h.object()
	case '[':
		return h.array()
	case '"':
		return h.string()
	}
	from := h.at
	for h.at < len(h.text) && !ends(h.text[h.at]) {
		h.at++
	}
	return hashBytes('0', h.text[from:h.at])
}

// ends says that a number or a literal does not go on.
func ends(c byte) bool { return c == ',' || c == ']' || c == '}' || c <= ' ' }

// object adds the hashes of its members up: their order does not count.
func (h *hasher) object() uint64 {
	sum := uint64('{')
	for h.at++; h.next() != '}'; {
		if h.text[h.at] == ',' {
			h.at++
			h.next()
		}
		name := h.string()
		h.next()
		h.at++ // the colon
		sum += mix(name ^ mix(h.value()))
	}
	h.at++
	return mix(sum)
}

func (h *hasher) array() uint64 {
	sum := uint64('[')
	for h.at++; h.next() != ']'; {
		if h.text[h.at] == ',' {
			h.at++
		}
		sum = mix(sum*31 + h.value())
	}
	h.at++
	return mix(sum)
}

func (h *hasher) string() uint64 {
	from, plain := h.at, true
	for h.at++; h.text[h.at] != '"'; h.at++ {
		if h.text[h.at] == '\\' {
			plain = false
			h.at++
		}
	}
	h.at++
	inner := h.text[from+1 : h.at-1]
	if plain && utf8.Valid(inner) {
		return hashBytes('"', inner)
	}
	var s string
	if json.Unmarshal(h.text[from:h.at], &s) != nil {
		return hashBytes('!', inner) // not reached: the text is valid
	}
	return hashBytes('"', []byte(s))
}

// hashBytes is FNV-1a, mixed.
func hashBytes(kind byte, b []byte) uint64 {
	x := uint64(0xcbf29ce484222325) ^ uint64(kind)
	for _, c := range b {
		x = (x ^ uint64(c)) * 0x100000001b3
	}
	return mix(x)
}
