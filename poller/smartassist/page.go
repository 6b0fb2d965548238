package smartassist

import (
	"bytes"
	"strconv"

	"github.com/convstream/convstream/poller/smartassist/rawjson"
)

// splitPage takes {"numResults":N,"data":[row, ...]} apart into its rows. The
// category says why it could not, "" when it could.
//
// The page is not decoded as a whole: one row that is no JSON (NaN, a control
// character, a bad escape) must not cost the others. A value's end is found by
// its brackets and quotes, which is exact for valid JSON and holds for nearly
// everything a broken serialiser writes; only then is each row checked by
// itself. Where brackets and quotes do not fit either, the page is refused:
// guessing on could silently join or cut rows.
func splitPage(body []byte) (rows []Row, numResults int, category string) {
	s := splitter{text: bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), numResults: -1}
	if category := s.object(); category != "" {
		return nil, -1, category
	}
	if !s.hasData {
		return nil, -1, CategoryNoData
	}
	return s.rows, s.numResults, ""
}

type splitter struct {
	text       []byte
	i          int // where it stands; space is skipped after each step
	rows       []Row
	hasData    bool
	numResults int
}

// at is the byte at hand, 0 at the end.
func (s *splitter) at() byte {
	if s.i >= len(s.text) {
		return 0
	}
	return s.text[s.i]
}

// skip goes n bytes on, and over the white space there.
func (s *splitter) skip(n int) { s.i = rawjson.Space(s.text, s.i+n) }

// broken is the category for something unexpected at hand.
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
		if s.at() == ',' {
			s.skip(1)
		} else if s.at() != '}' {
			return s.broken()
		}
	}
	s.skip(1)
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
	if string(name) == `"numResults"` {
		s.numResults = -1
		if n, err := strconv.Atoi(text(value)); err == nil && n >= 0 {
			s.numResults = n
		}
	}
	return ""
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
	for s.at() != ']' {
		row, ok := s.element()
		if !ok {
			return s.broken()
		}
		s.rows = append(s.rows, ParseRow(row))
		if s.at() == ',' {
			s.skip(1)
			if s.at() == ']' {
				return CategoryStructure
			}
		} else if s.at() != ']' {
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
