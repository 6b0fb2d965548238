package encoder

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// converted is what a conversion makes of a value: the text that its inverse writes, and how well that fits.
type converted struct {
	text string
	fit  fit
}

func conversionOf[T any](c conversion[T]) func(source string) converted {
	return func(source string) converted {
		rd := newReader()
		defer rd.free()
		v, fit := c.read(rd, rd.valueAt(source))
		if fit == unfit {
			return converted{fit: unfit}
		}
		return converted{string(c.write(nil, v)), fit}
	}
}

var conversions = map[string]func(string) converted{
	"text": conversionOf(text), "JSON": conversionOf(jsonText), "boolean": conversionOf(boolean), "YES or NO": conversionOf(yesNo),
	"integer": conversionOf(integer), "local time": conversionOf(localTime), "UTC time": conversionOf(utcTime),
}

// TestConversions: what each makes of values as the service has them, of others that mean the same, and of others.
func TestConversions(t *testing.T) {
	for name, values := range map[string]map[string]converted{
		"text": {
			`"abc"`: {`"abc"`, exact}, `""`: {`""`, exact}, `"\u00e9"`: {`"é"`, exact}, `"é"`: {`"é"`, exact}, `"a\/b"`: {`"a/b"`, exact},
			`7`: {`"7"`, approx}, `1.50`: {`"1.50"`, approx}, `true`: {`"true"`, approx}, `false`: {`"false"`, approx},
			"\"\xff\"": {"\"\uFFFD\"", approx}, `"\ud83d"`: {"\"\uFFFD\"", approx},
			`null`: {}, `{}`: {}, `[]`: {}, `["a"]`: {},
		},
		"JSON": {
			`{"a":[1,"x"]}`: {`{"a":[1,"x"]}`, exact}, `[]`: {`[]`, exact}, `"x"`: {`"x"`, exact}, `1.0`: {`1.0`, exact}, `false`: {`false`, exact},
			"{\"a\":\"\xff\"}": {"{\"a\":\"\uFFFD\"}", approx}, `null`: {},
		},
		"integer": {
			`0`: {`0`, exact}, `-7`: {`-7`, exact}, `2147483647`: {`2147483647`, exact}, `-2147483648`: {`-2147483648`, exact},
			`"3"`: {`3`, approx}, `3.0`: {`3`, approx}, `3e0`: {`3`, approx}, `3e2`: {`300`, approx}, `-0`: {`0`, approx}, `"+3"`: {`3`, approx}, `"007"`: {`7`, approx},
			`2147483648`: {}, `3.5`: {}, `"3.5"`: {}, `"x"`: {}, `""`: {}, `" 3"`: {}, `null`: {}, `true`: {}, `[3]`: {}, `1e999`: {},
		},
		"boolean": {
			`true`: {`true`, exact}, `false`: {`false`, exact}, `"true"`: {`true`, approx}, `"False"`: {`false`, approx}, `"YES"`: {`true`, approx}, `"no"`: {`false`, approx},
			`1`: {}, `0`: {}, `"y"`: {}, `""`: {}, `null`: {}, `"true "`: {}, `[]`: {},
		},
		"YES or NO": {
			`"YES"`: {`"YES"`, exact}, `"NO"`: {`"NO"`, exact}, `"yes"`: {`"YES"`, approx}, `"No"`: {`"NO"`, approx}, `true`: {`"YES"`, approx}, `"FALSE"`: {`"NO"`, approx},
			`"\u0059ES"`: {`"YES"`, approx}, `"Y"`: {}, `null`: {}, `{}`: {}, `1`: {},
		},
		"local time": {
			`"2024-08-24T14:48:15"`:              {`"2024-08-24T14:48:15"`, exact},
			`"2024-02-29T00:00:00"`:              {`"2024-02-29T00:00:00"`, exact},
			`"2024-08-24T14:48:15Z"`:             {`"2024-08-24T14:48:15"`, approx},
			`"2024-08-24T14:48:15+02:00"`:        {`"2024-08-24T12:48:15"`, approx},
			`"2024-08-24T14:48:15.250"`:          {`"2024-08-24T14:48:15"`, approx},
			`"2024-08-24 14:48:15"`:              {`"2024-08-24T14:48:15"`, approx},
			`"\u0032024-08-24T14:48:15"`:         {`"2024-08-24T14:48:15"`, exact},
			`"2023-02-29T00:00:00"`:              {},
			`"2024-08-24T24:00:00"`:              {},
			`"2024-08-24T14:60:15"`:              {},
			`"2024-13-24T14:48:15"`:              {},
			`"0000-08-24T14:48:15"`:              {},
			`"2024-08-00T14:48:15"`:              {},
			`"2024-08-24T14:48:1x"`:              {},
			`"2024-08-24"`:                       {},
			`""`:                                 {},
			`1724510895`:                         {},
			`null`:                               {},
			`"` + strings.Repeat("2", 100) + `"`: {},
		},
		"UTC time": {
			`"2024-08-24T14:48:15.000Z"`:      {`"2024-08-24T14:48:15.000Z"`, exact},
			`"2024-08-24T14:48:15.007Z"`:      {`"2024-08-24T14:48:15.007Z"`, exact},
			`"2024-08-24T14:48:15Z"`:          {`"2024-08-24T14:48:15.000Z"`, approx},
			`"2024-08-24T14:48:15"`:           {`"2024-08-24T14:48:15.000Z"`, approx},
			`"2024-08-24T14:48:15.0071Z"`:     {`"2024-08-24T14:48:15.007Z"`, approx},
			`"2024-08-24T14:48:15.000+01:00"`: {`"2024-08-24T13:48:15.000Z"`, approx},
			`"9999-12-31T23:59:59.000-01:00"`: {}, // in UTC it is the year 10000
			`"2024-08-24T14:48:15,000Z"`:      {`"2024-08-24T14:48:15.000Z"`, approx},
			`{}`:                              {},
		},
	} {
		for source, want := range values {
			if got := conversions[name](source); got != want {
				t.Errorf("%s of %s: %+v, want %+v", name, source, got, want)
			}
		}
	}
}

// TestExactConversionsAreReversible: of any value, the inverse of an exact reading is equal to the value, and is exact again; what it
// writes of another reading is one that is exact.
func TestExactConversionsAreReversible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		source := rapid.OneOf(rapid.Custom(func(t *rapid.T) string { return valueText(t, 2) }), rapid.Custom(timeText)).Draw(t, "value")
		for name, read := range conversions {
			got := read(source)
			if got.fit == unfit {
				continue
			}
			if got.fit == exact && !EqualJSON([]byte(source), []byte(got.text)) {
				t.Fatalf("%s of %q is exact, and written as %q", name, source, got.text)
			}
			if !utf8.ValidString(got.text) {
				t.Fatalf("%s of %q is written as %q", name, source, got.text)
			}
			if again := read(got.text); again != (converted{got.text, exact}) {
				t.Fatalf("%s of %q is %q, and that is read as %+v", name, source, got.text, again)
			}
		}
	})
}

// timeText is the text of a time in one of the forms that are met, or of nearly one.
func timeText(t *rapid.T) string {
	at := time.Unix(rapid.Int64Range(-60_000_000_000, 250_000_000_000).Draw(t, "second"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanosecond")).UTC()
	text := at.Format(rapid.SampledFrom([]string{localLayout, utcLayout, time.RFC3339, time.RFC3339Nano, time.DateTime, time.DateOnly}).Draw(t, "layout"))
	if i := rapid.IntRange(0, 3*len(text)).Draw(t, "broken at"); i < len(text) {
		text = text[:i] + rapid.SampledFrom([]string{"9", "0", "x", "", "-", ":"}).Draw(t, "with") + text[i+1:]
	}
	return `"` + text + `"`
}

// TestParseTimeIsThatOfTheLibrary, less what formatting does not yield.
func TestParseTimeIsThatOfTheLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		quoted := timeText(t)
		content := quoted[1 : len(quoted)-1]
		for _, layout := range []string{localLayout, utcLayout} {
			if len(content) != len(layout) {
				continue
			}
			want, err := time.Parse(layout, content)
			valid := err == nil && inYears(want) && want.Format(layout) == content
			if got, ok := parseTime(content, layout); ok != valid || ok && !got.Equal(want) {
				t.Fatalf("%s: %v %t, want %v %t", content, got, ok, want, valid)
			}
		}
	})
}
