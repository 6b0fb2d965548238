package simulator

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// text writes the JSON of one row. The comma before a member or an element
// follows from the byte before it, so that parts can be left out freely.
type text struct {
	b     []byte
	shift int64  // milliseconds from UTC to the local time that was asked for
	seed  uint64 // decides which fields drift
}

func (t *text) comma() {
	if last := t.b[len(t.b)-1]; last != '{' && last != '[' && last != ':' {
		t.b = append(t.b, ',')
	}
}

func (t *text) name(name string) {
	t.comma()
	t.b = append(t.b, '"')
	t.b = append(t.b, name...)
	t.b = append(t.b, '"', ':')
}

// open begins an object or an array: a member's value when it is named, else an element.
func (t *text) open(name string, bracket byte) {
	switch {
	case name != "":
		t.name(name)
	case len(t.b) > 0:
		t.comma()
	}
	t.b = append(t.b, bracket)
}

func (t *text) close(bracket byte) { t.b = append(t.b, bracket) }

// str writes a member that never drifts.
func (t *text) str(name, value string) {
	t.name(name)
	t.quote(value)
}

// strs writes an array of strings.
func (t *text) strs(name string, values ...string) {
	t.open(name, '[')
	for _, v := range values {
		t.comma()
		t.quote(v)
	}
	t.close(']')
}

func (t *text) raw(name, value string) {
	t.name(name)
	t.b = append(t.b, value...)
}

// soft writes a string that in a few rows is null or missing.
func (t *text) soft(name, value string) {
	switch t.drift(name) {
	case 0, 1, 2:
		t.raw(name, "null")
	case 3, 4, 5, 6:
	default:
		t.str(name, value)
	}
}

// number writes a number that in a few rows is a string, null or missing.
func (t *text) number(name string, value int64) {
	digits := strconv.FormatInt(value, 10)
	switch x := t.drift(name); {
	case x < 3:
		t.raw(name, "null")
	case x < 6:
	case x < 26:
		t.str(name, digits)
	default:
		t.raw(name, digits)
	}
}

// drift is a number below 1,000 that stays the same for a field of a row through
// all its stages.
func (t *text) drift(name string) int {
	h := t.seed
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 0x100000001b3
	}
	return int(mix(h) % 1000)
}

// clock writes a time without a zone, local to the offset that was asked for.
func (t *text) clock(name string, ms int64) {
	t.name(name)
	t.b = append(t.b, '"')
	t.b = time.UnixMilli(ms+t.shift).UTC().AppendFormat(t.b, "2006-01-02T15:04:05")
	t.b = append(t.b, '"')
}

// zulu writes a time in UTC with milliseconds, as three of the service's fields have it.
func (t *text) zulu(name string, ms int64) {
	t.name(name)
	t.b = append(t.b, '"')
	t.b = time.UnixMilli(ms).UTC().AppendFormat(t.b, "2006-01-02T15:04:05.000Z")
	t.b = append(t.b, '"')
}

const hexDigits = "0123456789abcdef"

func (t *text) quote(s string) {
	t.b = append(t.b, '"')
	t.b = appendEscaped(t.b, s)
	t.b = append(t.b, '"')
}

func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c < 0x20 || c == utf8.RuneSelf-1:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}

func appendHex(b []byte, d *dice, digits int) []byte {
	for x := d.next(); digits > 0; digits-- { // one draw has 16 digits: enough for any group of an id
		b = append(b, hexDigits[x&15])
		x >>= 4
	}
	return b
}

// guid draws an id like "c-" + 7-4-4-4-12 hex digits; the first group's length differs.
func guid(d *dice, prefix string, first int) string {
	b := append(make([]byte, 0, 40), prefix...)
	for i, n := range []int{first, 4, 4, 4, 12} {
		if i > 0 {
			b = append(b, '-')
		}
		b = appendHex(b, d, n)
	}
	return string(b)
}

// conversationID is `c-` and 7-4-4-4-12 hex digits.
func (r *row) conversationID() string {
	d := roll(r.conv, streamIDs)
	return guid(&d, "c-", 7)
}

// sessionID is an ObjectId: its first eight digits are the start second.
func (r *row) sessionID() string {
	b := make([]byte, 0, 24)
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, hexDigits[uint32(r.start/1000)>>shift&15])
	}
	x := mix(r.session ^ streamIDs)
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, hexDigits[x>>shift&15])
	}
	return string(b)
}

func (r *row) userID() string {
	d := roll(r.session, streamUser)
	return guid(&d, "u-", 8)
}
