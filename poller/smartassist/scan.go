package smartassist

import (
	"strconv"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/convstream/convstream/poller/smartassist/rawjson"
)

// scanner goes over a row's text once, from front to back, and answers what
// every row is asked each time it is read: whether it is JSON, what its content
// hash is, who it is. Nearly all rows were read before and are asked no more.
//
// JSON is what jsontext takes with AllowInvalidUTF8 and AllowDuplicateNames:
// broken characters and repeated names are data to be kept, not reasons to
// refuse a conversation. The tests hold the two verdicts against each other.
//
// A scanner is kept for its scratch memory: scanning allocates nothing.
type scanner struct {
	text   []byte
	ignore Ignore
	buf    []byte
	top    topMembers
	names  nameMemory
}

var scanners = sync.Pool{New: func() any { return &scanner{buf: make([]byte, 0, 1<<10)} }}

// free returns the scanner to the pool, without what would keep the page alive.
func (s *scanner) free() {
	s.text, s.top = nil, topMembers{}
	scanners.Put(s)
}

// maxDepth bounds the recursion, as jsontext does.
const maxDepth = 10_000

// valid reports whether text is one JSON value; see [scanner].
func valid(text []byte) bool {
	s := scanners.Get().(*scanner)
	defer s.free()
	_, ok := s.scan(text, Ignore{})
	return ok
}

// scan reads one value, which is all of text but for white space.
func (s *scanner) scan(text []byte, ig Ignore) (hash uint64, ok bool) {
	s.text, s.ignore, s.names.last = text, ig, 0
	hash, end := s.value(rawjson.Space(text, 0), ig.root(), 0)
	return hash, end != broken && rawjson.Space(text, end) == len(text)
}

// broken is where something ends that is not JSON.
const broken = -1

// at returns the byte at i, 0 behind the end: a byte that no valid text has outside of
// strings.
func (s *scanner) at(i int) byte {
	if i >= len(s.text) {
		return 0
	}
	return s.text[i]
}

// value hashes the value that begins at i, to which the pointers p lead, and
// finds where it ends.
func (s *scanner) value(i int, p paths, depth int) (hash uint64, end int) {
	switch s.at(i) {
	case '"':
		return s.string(i)
	case '{':
		return s.object(i, p, depth)
	case '[':
		return s.array(i, p, depth)
	case 't':
		return tagTrue, s.literal(i, "true")
	case 'f':
		return tagFalse, s.literal(i, "false")
	case 'n':
		return tagNull, s.literal(i, "null")
	case 0:
		return 0, broken
	}
	n := rawjson.Number(s.text[i:])
	if n == 0 {
		return 0, broken
	}
	return tagNumber ^ xxhash.Sum64(s.text[i:i+n]), i + n
}

func (s *scanner) literal(i int, word string) (end int) {
	end = i + len(word)
	if end > len(s.text) || string(s.text[i:end]) != word {
		return broken
	}
	return end
}

func (s *scanner) object(i int, p paths, depth int) (hash uint64, end int) {
	if depth == maxDepth {
		return 0, broken
	}
	var members, n uint64
	i, more := s.enter(i, '}')
	for more {
		name, nameEnd := s.name(i)
		if nameEnd == broken {
			return 0, broken
		}
		quoted := s.text[i:nameEnd]
		if i = rawjson.Space(s.text, nameEnd); s.at(i) != ':' {
			return 0, broken
		}
		start := rawjson.Space(s.text, i+1)
		next, cut := s.step(p, depth, quoted)
		value, valueEnd := s.value(start, next, depth+1)
		if valueEnd == broken {
			return 0, broken
		}
		if depth == 0 {
			s.top.note(quoted, s.text[start:valueEnd])
		}
		if !cut {
			members += node(tagMember, name, value)
			n++
		}
		i, more = s.next(valueEnd, '}')
	}
	return node(tagObject, n, members), i
}

func (s *scanner) array(i int, p paths, depth int) (hash uint64, end int) {
	if depth == maxDepth {
		return 0, broken
	}
	var chain, n uint64
	i, more := s.enter(i, ']')
	for index := 0; more; index++ {
		next, cut := s.stepIndex(p, depth, index)
		value, valueEnd := s.value(i, next, depth+1)
		if valueEnd == broken {
			return 0, broken
		}
		if !cut {
			chain = node(tagElement, chain, value)
			n++
		}
		i, more = s.next(valueEnd, ']')
	}
	return node(tagArray, n, chain), i
}

// enter goes into the object or array that begins at i: to its first member or
// element or, if there is none, behind it.
func (s *scanner) enter(i int, closing byte) (to int, more bool) {
	if i = rawjson.Space(s.text, i+1); s.at(i) == closing {
		return i + 1, false
	}
	return i, true
}

// next goes from the end of a member or element to the one that follows or, if
// that was the last, behind the object or array.
func (s *scanner) next(i int, closing byte) (to int, more bool) {
	switch i = rawjson.Space(s.text, i); s.at(i) {
	case ',':
		return rawjson.Space(s.text, i+1), true
	case closing:
		return i + 1, false
	}
	return broken, false
}

// step goes down to a member. Nearly always no pointer leads there.
func (s *scanner) step(p paths, depth int, quoted []byte) (next paths, cut bool) {
	if p == 0 {
		return 0, false
	}
	return s.stepName(p, depth, quoted)
}

func (s *scanner) stepName(p paths, depth int, quoted []byte) (next paths, cut bool) {
	name, ok := rawjson.Plain(quoted)
	if !ok {
		s.buf, _ = rawjson.AppendUnquote(s.buf[:0], quoted)
		name = s.buf
	}
	return s.ignore.step(p, depth, name)
}

func (s *scanner) stepIndex(p paths, depth, index int) (next paths, cut bool) {
	if p == 0 {
		return 0, false
	}
	s.buf = strconv.AppendInt(s.buf[:0], int64(index), 10)
	return s.ignore.step(p, depth, s.buf)
}

// string hashes a string by its content where that is text, else by its source:
// two broken strings that decode alike are still two strings.
func (s *scanner) string(i int) (hash uint64, end int) {
	n, form := rawjson.String(s.text[min(i, len(s.text)):])
	if n == 0 {
		return 0, broken
	}
	quoted := s.text[i : i+n]
	if form&rawjson.Escaped == 0 {
		return tagString ^ xxhash.Sum64(quoted[1:n-1]), i + n
	}
	var exact bool
	if s.buf, exact = rawjson.AppendUnquote(s.buf[:0], quoted); !exact {
		return tagInexact ^ xxhash.Sum64(quoted), i + n
	}
	return tagString ^ xxhash.Sum64(s.buf), i + n
}
