package encoder

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// fit is how well a value went into its typed field.
type fit int

const (
	unfit  fit = iota // not at all: the field stays null
	approx            // the field has a best reading, the source text is kept beside it
	exact             // the inverse yields this very value
)

// conversion is a way to hold a JSON value in a typed field, and its inverse.
type conversion[T any] struct {
	name  string // of the inverse, in the schema's docs
	read  func(rd *reader, v value) (T, fit)
	write func(out []byte, v T) []byte
	arena func(m *memory) *arena[T] // where its values are kept while the record is encoded
}

// readInto fills in the field at place from the value that the source text begins
// with, n bytes of it. It does not depend on the record that the field is of: one
// copy of the machine code serves all records, where a copy for each would not
// stay in the processor's cache.
func (c *conversion[T]) readInto(rd *reader, place **T, source string) (n int, ok bool) {
	v := rd.valueAt(source)
	got, fit := c.read(rd, v)
	*place = nil // of several spellings the last one counts, whether it fits or not
	if fit != unfit {
		*place = c.arena(&rd.memory).keep(got)
	}
	return len(v.source), fit == exact
}

func stringArena(m *memory) *arena[string]  { return &m.strings }
func boolArena(m *memory) *arena[bool]      { return &m.bools }
func intArena(m *memory) *arena[int32]      { return &m.ints }
func timeArena(m *memory) *arena[time.Time] { return &m.times }

var (
	text      = conversion[string]{"text", readText, writeText, stringArena}
	jsonText  = conversion[string]{"JSON", readJSON, writeJSON, stringArena}
	boolean   = conversion[bool]{"boolean", readBoolean, strconv.AppendBool, boolArena}
	yesNo     = conversion[bool]{"YES or NO", readYesNo, writeYesNo, boolArena}
	integer   = conversion[int32]{"integer", readInteger, writeInteger, intArena}
	localTime = conversion[time.Time]{"local time", readLocalTime, writeTime(localLayout), timeArena}
	utcTime   = conversion[time.Time]{"UTC time", readUTCTime, writeTime(utcLayout), timeArena}
)

// readText takes a string; of a number or a boolean its source text.
func readText(rd *reader, v value) (string, fit) {
	switch v.source[0] {
	case '"':
		content, ok := rd.content(v)
		if !ok {
			return content, approx
		}
		return content, exact
	case '{', '[', 'n':
		return "", unfit
	}
	return v.source, approx
}

func writeText(out []byte, s string) []byte {
	out, _ = jsontext.AppendQuote(out, s) // fails only on invalid UTF-8, and writes U+FFFD for it
	return out
}

// readJSON takes any value but null as its source text.
func readJSON(rd *reader, v value) (string, fit) {
	switch {
	case v.source[0] == 'n':
		return "", unfit
	case !utf8.ValidString(v.source):
		return strings.ToValidUTF8(v.source, "\uFFFD"), approx
	}
	return v.source, exact
}

func writeJSON(out []byte, s string) []byte { return append(out, s...) }

// readInteger takes a number that is written as an integer of 32 bits; 3.0, 3e0
// and "3" are read as 3, but are not the same text.
func readInteger(rd *reader, v value) (int32, fit) {
	number := v.source
	if v.source[0] == '"' {
		number, _ = rd.content(v)
	}
	if n, err := strconv.ParseInt(number, 10, 32); err == nil {
		if canonicalInteger(v.source) {
			return int32(n), exact
		}
		return int32(n), approx
	}
	x, err := strconv.ParseFloat(v.source, 64)
	if err == nil && x == math.Trunc(x) && math.MinInt32 <= x && x <= math.MaxInt32 {
		return int32(x), approx
	}
	return 0, unfit
}

// canonicalInteger reports whether the source text of an integer is the one that
// formatting yields: no string, no -0. JSON itself has no +3 and no 007.
func canonicalInteger(source string) bool { return source[0] != '"' && source != "-0" }

func writeInteger(out []byte, n int32) []byte { return strconv.AppendInt(out, int64(n), 10) }

func readBoolean(rd *reader, v value) (bool, fit) {
	switch v.source[0] {
	case 't':
		return true, exact
	case 'f':
		return false, exact
	}
	return looseBoolean(rd, v)
}

func readYesNo(rd *reader, v value) (bool, fit) {
	switch v.source {
	case `"YES"`:
		return true, exact
	case `"NO"`:
		return false, exact
	}
	return looseBoolean(rd, v)
}

// looseBoolean understands true, "True", "yes" and the like.
func looseBoolean(rd *reader, v value) (bool, fit) {
	content := v.source
	if content[0] == '"' {
		content, _ = rd.content(v)
	}
	switch {
	case strings.EqualFold(content, "yes"), strings.EqualFold(content, "true"):
		return true, approx
	case strings.EqualFold(content, "no"), strings.EqualFold(content, "false"):
		return false, approx
	}
	return false, unfit
}

func writeYesNo(out []byte, yes bool) []byte {
	if yes {
		return append(out, `"YES"`...)
	}
	return append(out, `"NO"`...)
}

const (
	localLayout = "2006-01-02T15:04:05"
	utcLayout   = "2006-01-02T15:04:05.000Z"
)

func readLocalTime(rd *reader, v value) (time.Time, fit) { return readTime(rd, v, localLayout) }
func readUTCTime(rd *reader, v value) (time.Time, fit)   { return readTime(rd, v, utcLayout) }

// readTime takes a string in the layout; other common layouts are understood,
// without a zone as UTC. What is finer than a millisecond is cut off.
func readTime(rd *reader, v value, layout string) (time.Time, fit) {
	if v.source[0] != '"' {
		return time.Time{}, unfit
	}
	content, _ := rd.content(v)
	if len(content) == len(layout) {
		if t, ok := parseTime(content, layout); ok {
			return t, exact
		}
	}
	if len(content) > len(time.RFC3339Nano) {
		return time.Time{}, unfit
	}
	for _, loose := range [...]string{time.RFC3339, localLayout, time.DateTime} {
		t, err := time.Parse(loose, content) // takes a fraction of a second, too
		if t = t.UTC().Truncate(time.Millisecond); err == nil && inYears(t) {
			return t, approx
		}
	}
	return time.Time{}, unfit
}

func writeTime(layout string) func([]byte, time.Time) []byte {
	return func(out []byte, t time.Time) []byte {
		out = append(out, '"')
		out = t.UTC().AppendFormat(out, layout)
		return append(out, '"')
	}
}

// inYears reports whether readers in other languages can hold the time: Python and
// Spark fail outside of these years.
func inYears(t time.Time) bool { return t.Year() >= 1 && t.Year() <= 9999 }

// parseTime reads text that is byte for byte what the layout, one of the two
// above and of the same length, yields for some time. It is strict where
// time.Parse is lenient, which makes formatting its inverse.
func parseTime(text, layout string) (time.Time, bool) {
	// Whether there is a digit where one belongs is asked once, at the end.
	digits := true
	number := func(i, n int) (x int) {
		for _, c := range []byte(text[i : i+n]) {
			digits = digits && '0' <= c && c <= '9'
			x = x*10 + int(c) - '0'
		}
		return x
	}
	marks := text[4] == '-' && text[7] == '-' && text[10] == 'T' && text[13] == ':' && text[16] == ':'
	year, month, day := number(0, 4), number(5, 2), number(8, 2)
	hour, minute, second := number(11, 2), number(14, 2), number(17, 2)
	millisecond := 0
	if layout == utcLayout {
		marks = marks && text[19] == '.' && text[23] == 'Z'
		millisecond = number(20, 3)
	}
	if !digits || !marks || year < 1 || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, millisecond*1e6, time.UTC)
	return t, day >= 1 && (day <= 28 || t.Day() == day)
}
