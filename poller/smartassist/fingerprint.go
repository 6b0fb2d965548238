package smartassist

import (
	"encoding/binary"
	"strconv"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/convstream/convstream/poller/smartassist/rawjson"
)

// The tags keep values of different kinds apart. They are part of the
// fingerprint for ever, as is everything else below: fingerprints stand in
// ce_id and in the state topic, and another function would publish every
// remembered conversation again. The golden values of the test hold them.
const (
	tagBroken uint64 = iota + 1
	tagString
	tagInexact // a string that does not decode to text
	tagNumber
	tagTrue
	tagFalse
	tagNull
	tagObject
	tagMember
	tagArray
	tagElement
	tagDeep // a value below maxDepth
)

// maxDepth bounds the recursion; jsontext accepts no deeper text.
const maxDepth = 10_000

// Fingerprint is a 64-bit hash of what the row says, less what ig cuts out.
// Member order, white space and the way a string is escaped do not count, the
// text of numbers does (1.0 is not 1): what counts is what [Row.Raw] rebuilt
// from a record would keep. For a row whose Err is set it hashes the raw bytes.
//
// It is the hash of a canonical form that is never built. A scalar is hashed by
// its kind and content, an array as a chain over its elements, an object as the
// sum of its members, each hashed with xxhash from the hashes of name and
// value: a sum does not depend on order, and its terms are as good as random.
// What is cut out counts as absent. Of repeated names all members count, in any
// order.
//
// Sixty-four bits are enough because two fingerprints are compared only within
// one identity: a change goes unseen when two revisions of the same conversation
// collide, once in 2^64 comparisons, and the rows come from the customer's own
// service, which has no use for building a collision.
func (r Row) Fingerprint(ig Ignore) uint64 {
	if r.Err != nil {
		return node(tagBroken, 0, xxhash.Sum64(r.Raw))
	}
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	h.ignore = ig
	return h.value(r.Raw, ig.root(), 0)
}

// hasher carries the scratch memory, so that hashing a row allocates nothing.
type hasher struct {
	ignore Ignore
	buf    []byte
}

var hashers = sync.Pool{New: func() any { return new(hasher) }}

// value hashes the value that the pointers p lead to, at this depth.
func (h *hasher) value(v []byte, p paths, depth int) uint64 {
	if depth > maxDepth {
		return node(tagDeep, 0, xxhash.Sum64(v))
	}
	switch rawjson.KindOf(v) {
	case '"':
		return h.text(v)
	case '{':
		return h.object(v, p, depth)
	case '[':
		return h.array(v, p, depth)
	case 't':
		return tagTrue
	case 'f':
		return tagFalse
	case 'n':
		return tagNull
	}
	return node(tagNumber, uint64(len(v)), xxhash.Sum64(v))
}

func (h *hasher) object(v []byte, p paths, depth int) uint64 {
	var sum, n uint64
	for name, value := range rawjson.Members(v) {
		var next paths
		if p != 0 {
			var cut bool
			if next, cut = h.ignore.step(p, depth, h.content(name)); cut {
				continue
			}
		}
		sum += node(tagMember, h.text(name), h.value(value, next, depth+1))
		n++
	}
	return node(tagObject, n, sum)
}

func (h *hasher) array(v []byte, p paths, depth int) uint64 {
	var chain, n uint64
	index := -1
	for value := range rawjson.Elements(v) {
		index++
		var next paths
		if p != 0 {
			var cut bool
			h.buf = strconv.AppendInt(h.buf[:0], int64(index), 10)
			if next, cut = h.ignore.step(p, depth, h.buf); cut {
				continue
			}
		}
		chain = node(tagElement, chain, h.value(value, next, depth+1))
		n++
	}
	return node(tagArray, n, chain)
}

// text hashes a string by its content where that is text, else by its source:
// two broken strings that decode alike are still two strings.
func (h *hasher) text(quoted []byte) uint64 {
	content, ok := rawjson.Plain(quoted)
	tag := tagString
	if !ok {
		var exact bool
		if h.buf, exact = rawjson.AppendUnquote(h.buf[:0], quoted); exact {
			content = h.buf
		} else {
			content, tag = quoted, tagInexact
		}
	}
	return node(tag, uint64(len(content)), xxhash.Sum64(content))
}

// content is a member's name as text, valid until the next use of the hasher.
func (h *hasher) content(quoted []byte) []byte {
	if plain, ok := rawjson.Plain(quoted); ok {
		return plain
	}
	h.buf, _ = rawjson.AppendUnquote(h.buf[:0], quoted)
	return h.buf
}

// node mixes three words into one that depends on every bit of each and on
// their order.
func node(tag, a, b uint64) uint64 {
	var w [24]byte
	binary.LittleEndian.PutUint64(w[0:], tag)
	binary.LittleEndian.PutUint64(w[8:], a)
	binary.LittleEndian.PutUint64(w[16:], b)
	return xxhash.Sum64(w[:])
}
