package encoder

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// escapeBroken makes JSON text valid UTF-8 so that restoreBroken restores the
// same bytes but for the case of some hex digits. A byte b that is not part of
// valid UTF-8, and so stands within a string, becomes \udcXX, in lower case,
// with XX its value in hex (Python calls this surrogateescape). An escape of that
// range that the text has itself, \udc80 to \udcff in lower case, becomes upper
// case, which means the same in JSON.
func escapeBroken(text string) string {
	if utf8.ValidString(text) && !strings.Contains(text, `\udc`) {
		return text
	}
	out := make([]byte, 0, len(text)+16)
	for i := 0; i < len(text); {
		switch r, n := utf8.DecodeRuneInString(text[i:]); {
		case r == utf8.RuneError && n == 1:
			out = fmt.Appendf(out, `\udc%02x`, text[i])
			i++
		case isByteEscape(text[i:]):
			out = append(append(out, `\u`...), strings.ToUpper(text[i+2:i+6])...)
			i += 6
		case r == '\\' && i+1 < len(text) && text[i+1] < utf8.RuneSelf:
			out = append(out, text[i:i+2]...)
			i += 2
		default:
			out = append(out, text[i:i+n]...)
			i += n
		}
	}
	return string(out)
}

// restoreBroken is the inverse of escapeBroken; see there.
func restoreBroken(out []byte, text string) []byte {
	for {
		i := strings.IndexByte(text, '\\')
		if i < 0 || i+1 >= len(text) {
			return append(out, text...)
		}
		out = append(out, text[:i]...)
		text = text[i:]
		n := 2
		if isByteEscape(text) {
			out = append(out, unhex(text[4])<<4|unhex(text[5]))
			n = 6
		} else {
			out = append(out, text[:n]...)
		}
		text = text[n:]
	}
}

// isByteEscape reports whether b begins with \udc80 to \udcff in lower case.
func isByteEscape(b string) bool {
	return len(b) >= 6 && b[:4] == `\udc` && isLowerHex(b[4]) && b[4] >= '8' && isLowerHex(b[5])
}

func isLowerHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }

func unhex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}
