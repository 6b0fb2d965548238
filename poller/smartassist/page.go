package smartassist

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/convstream/convstream/poller/smartassist/rawjson"
	"github.com/go-json-experiment/json/jsontext"
)

// pieces are what an answer was taken apart into.
type pieces struct {
	rows       []Row
	numResults int // -1 when absent or no whole number
	// rest is the text from the break on, where the page could not be split; nil where there is no
	// break, or where the text only ended too early.
	rest []byte
	// found is what there was in the place of data, naming no value but numResults.
	found string
}

// splitPage takes {"numResults":N,"data":[row, ...]} apart into its rows. The
// category says why it could not, "" when it could; of a page that is cut or of
// no structure the rows before the break are there.
//
// The page is not decoded as a whole: one row that is not JSON (NaN, a control
// character, a bad escape) must not cost the others. A value's end is found by
// its brackets and quotes, which is exact for valid JSON and holds for nearly
// everything a broken serialiser writes; only then is each row checked by
// itself. Where brackets and quotes do not fit either, the page is broken off:
// guessing on could silently join or cut rows.
//
// A page of more than most elements is refused as too large: a row takes many
// times the memory of the shortest element.
func splitPage(body []byte, most int) (p pieces, category string) {
	s := splitter{text: bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), numResults: -1, most: most}
	category = s.object()
	switch {
	case category == "" && !s.hasData && !s.saysEmpty():
		return pieces{numResults: -1, found: s.found()}, CategoryNoData
	case category == "":
		return pieces{rows: s.rows, numResults: s.numResults}, ""
	case category == CategoryCut, category == CategoryStructure:
		return pieces{rows: s.rows[:s.safe:s.safe], numResults: s.numResults, rest: s.rest()}, category
	}
	return pieces{numResults: -1}, category
}

type splitter struct {
	text       []byte
	i          int // where it stands; space is skipped after each step
	most       int
	rows       []Row
	hasData    bool          // in an array
	noData     jsontext.Kind // of a data member that is something else; 0 when absent
	counted    bool          // there is a numResults
	numResults int
	errors     bool // there are errors

	// Everything before from was split beyond doubt, safe rows among it; the member or row that is
	// being read begins at start, within the object or array that opening opens.
	from, safe, start int
	opening           string
}

// saysEmpty reports whether the answer is the page of an empty window, though it has
// no array: the service counts no rows, and complains of nothing.
func (s *splitter) saysEmpty() bool {
	return s.numResults == 0 && (s.noData == 0 || s.noData == 'n') && !s.errors
}

// found returns what there was in the place of data.
func (s *splitter) found() string {
	numResults := "no number"
	switch {
	case !s.counted:
		numResults = "absent"
	case s.numResults >= 0:
		numResults = strconv.Itoa(s.numResults)
	}
	found := "data is " + kindName(s.noData) + " and numResults is " + numResults
	if s.errors {
		found += ", beside errors"
	}
	return found
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 0:
		return "absent"
	case 'n':
		return "null"
	case '{':
		return "an object"
	case '"':
		return "a string"
	case '0':
		return "a number"
	}
	return "no array"
}

// begin notes that a member or row begins here.
func (s *splitter) begin(opening string) { s.start, s.opening = s.i, opening }

// done notes that what was read up to here is split beyond doubt.
func (s *splitter) done(opening string) {
	s.from, s.safe = s.i, len(s.rows)
	s.begin(opening)
}

// rest returns what a break leaves of a page, nil if that may only be a page whose
// end is missing: where all that there is goes on as JSON until it ends. Text in
// which data has not begun is not known to be a page.
func (s *splitter) rest() []byte {
	if !s.hasData {
		return nil
	}
	if s.i >= len(s.text) {
		left := io.MultiReader(strings.NewReader(s.opening), bytes.NewReader(s.text[s.start:]))
		err := jsontext.NewDecoder(left, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)).SkipValue()
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
	}
	return s.text[s.from:len(s.text):len(s.text)]
}

// at returns the byte at hand, 0 at the end.
func (s *splitter) at() byte {
	if s.i >= len(s.text) {
		return 0
	}
	return s.text[s.i]
}

// skip goes n bytes on, and over the white space there.
func (s *splitter) skip(n int) { s.i = rawjson.Space(s.text, s.i+n) }

// broken returns the category for something unexpected at hand.
func (s *splitter) broken() string {
	if s.i >= len(s.text) {
		return CategoryCut
	}
	return CategoryStructure
}

// object reads the whole answer.
func (s *splitter) object() (category string) {
	s.skip(0)
	switch s.at() {
	case '{':
	case '<':
		return CategoryHTML
	default:
		return CategoryNotJSON
	}
	s.skip(1)
	for s.at() != '}' {
		if category := s.member(); category != "" {
			return category
		}
		s.done("{")
		if s.at() == ',' {
			s.skip(1)
			s.done("{")
		} else if s.at() != '}' {
			return s.broken()
		}
	}
	s.skip(1)
	s.done("")
	if s.i < len(s.text) {
		return CategoryStructure
	}
	return ""
}

func (s *splitter) member() (category string) {
	if s.at() != '"' {
		return s.broken()
	}
	name, ok := s.value()
	if !ok || s.at() != ':' {
		return s.broken()
	}
	s.skip(1)
	if string(name) == `"data"` && s.at() == '[' {
		return s.data()
	}
	value, ok := s.value()
	if !ok {
		return s.broken()
	}
	s.note(string(name), value)
	return ""
}

// note takes what a member beside the rows says.
func (s *splitter) note(name string, value []byte) {
	switch name {
	case `"numResults"`:
		s.counted, s.numResults = true, -1
		if n, err := strconv.Atoi(text(value)); err == nil && n >= 0 {
			s.numResults = n
		}
	case `"data"`:
		s.noData = cmp.Or(rawjson.KindOf(value), 'x')
	case `"errors"`, `"error"`:
		s.errors = s.errors || string(value) != "null" && string(value) != "[]"
	}
}

// value takes the value at hand; false, standing at the end, when it has none.
func (s *splitter) value() (value []byte, ok bool) {
	n := rawjson.Length(s.text[min(s.i, len(s.text)):])
	if n == 0 {
		if c := s.at(); c == '"' || c == '{' || c == '[' {
			s.i = len(s.text)
		}
		return nil, false
	}
	value = s.text[s.i : s.i+n : s.i+n]
	s.skip(n)
	return value, true
}

// data reads the rows. Of a repeated data member all rows count: no answer of
// the service may hide a row.
func (s *splitter) data() (category string) {
	s.hasData = true
	s.skip(1)
	s.done("[")
	for s.at() != ']' {
		if len(s.rows) == s.most {
			return CategoryTooLarge
		}
		s.begin("[")
		element, ok := s.element()
		if !ok {
			return s.broken()
		}
		row := ParseRow(element)
		s.rows = append(s.rows, row)
		comma := s.at() == ','
		if comma {
			s.skip(1)
		}
		if row.Err == nil { // the end of one that is broken, and so the beginning of the next, may be a guess
			s.done("[")
		}
		switch last := s.at() == ']'; {
		case comma && last:
			return CategoryStructure
		case !comma && !last:
			return s.broken()
		}
	}
	s.skip(1)
	return ""
}

// element takes one element of data. Something that has neither brackets nor
// quotes goes as far as the next comma or bracket.
func (s *splitter) element() (row []byte, ok bool) {
	start := s.i
	first := s.at()
	row, ok = s.value()
	switch {
	case !ok:
		return nil, false
	case first == '{' && row[len(row)-1] != '}', first == '[' && row[len(row)-1] != ']':
		return nil, false
	case first == '{', first == '[', first == '"', s.at() == ',', s.at() == ']':
		return row, true
	}
	end := bytes.IndexAny(s.text[start:], ",]}")
	if end < 0 {
		s.i = len(s.text)
		return nil, false
	}
	s.i = start + end
	return s.text[start:s.i:s.i], true
}
