package rawjson

import "math/bits"

// Form is what stands between a valid string's source text and its content:
// nothing, for the zero value.
type Form uint8

const (
	Escaped Form = 1 << iota // it has escapes
	Wide                     // it has bytes beyond ASCII, which may not be UTF-8
)

// Each byte of a word by itself: its lowest and its highest bit.
const lows, highs = 0x0101010101010101, 0x8080808080808080

// String checks the quoted string that b begins with. n is its length, quotes
// included; 0 when there is none, it is not valid or does not end within b. It
// is what a row's text consists of, and so is read eight bytes at a time.
func String[T Text](b T) (n int, form Form) {
	if len(b) == 0 || b[0] != '"' {
		return 0, 0
	}
	var wide uint64 // the highest bit of any byte
	for n = 1; n < len(b); {
		if len(b)-n >= 8 {
			w := word(b[n : n+8])
			// The highest bit of the first byte that is a control character, a quote or a backslash.
			// Behind it bits may be set for no reason: subtracting borrows.
			stop := ((w - lows*' ') | (w ^ lows*'"' - lows) | (w ^ lows*'\\' - lows)) &^ w & highs
			if stop == 0 {
				wide |= w
				n += 8
				continue
			}
			wide |= w & (stop&-stop - 1)
			n += bits.TrailingZeros64(stop) / 8
		}
		switch c := b[n]; {
		case c == '"':
			if wide&highs != 0 {
				form |= Wide
			}
			return n + 1, form
		case c == '\\':
			length := escape(b[n:])
			if length == 0 {
				return 0, 0
			}
			n += length
			form |= Escaped
		case c < ' ':
			return 0, 0
		default: // one of the last few bytes
			wide |= uint64(c)
			n++
		}
	}
	return 0, 0
}

// word returns eight bytes, the first one lowest.
func word[T Text](b T) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// escape returns the length of the escape that b begins with, 0 if it is not one.
// Whether surrogates come in pairs is not JSON's question.
func escape[T Text](b T) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) >= 6 && isHex(b[2]) && isHex(b[3]) && isHex(b[4]) && isHex(b[5]) {
			return 6
		}
	}
	return 0
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// Number returns the length of the number that b begins with, 0 if it is not one. What
// follows it is not looked at.
func Number(b []byte) (n int) {
	if len(b) > 0 && b[0] == '-' {
		n = 1
	}
	whole := digits(b, n)
	if whole == n || whole > n+1 && b[n] == '0' {
		return 0
	}
	n = whole
	if n < len(b) && b[n] == '.' {
		fraction := digits(b, n+1)
		if fraction == n+1 {
			return 0
		}
		n = fraction
	}
	if n < len(b) && b[n]|0x20 == 'e' {
		start := n + 1
		if start < len(b) && (b[start] == '+' || b[start] == '-') {
			start++
		}
		exponent := digits(b, start)
		if exponent == start {
			return 0
		}
		n = exponent
	}
	return n
}

// digits returns the index of the first byte of b from i on that is not a digit.
func digits(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}
