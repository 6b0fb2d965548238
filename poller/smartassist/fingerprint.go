package smartassist

import (
	"encoding/binary"
	"strconv"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/convstream/convstream/poller/smartassist/rawjson"
)

// The tags keep values of different kinds apart: odd multiples of the golden
// ratio, far from each other in every bit. They are part of the fingerprint for
// ever, as is everything else below: fingerprints stand in ce_id and in the
// state topic, and another function would publish every remembered conversation
// again. The golden values of the test hold them.
const (
	tagBroken  uint64 = 0x9e3779b97f4a7c15
	tagString  uint64 = 0xdaa66d2c7ddf743f
	tagInexact uint64 = 0x1715609f7c746c69
	tagNumber  uint64 = 0x538454127b096493
	tagTrue    uint64 = 0x8ff34785799e5cbd
	tagFalse   uint64 = 0xcc623af8783354e7
	tagNull    uint64 = 0x08d12e6b76c84d11
	tagObject  uint64 = 0x454021de755d453b
	tagMember  uint64 = 0x81af155173f23d65
	tagArray   uint64 = 0xbe1e08c47287358f
	tagElement uint64 = 0xfa8cfc37711c2db9
	tagDeep    uint64 = 0x36fbefaa6fb125e3
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
		return tagBroken ^ xxhash.Sum64(r.Raw)
	}
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	h.ignore, h.text = ig, r.Raw
	hash, _ := h.value(0, ig.root(), 0)
	h.text = nil // do not keep the page alive
	return hash
}

// hasher goes over the text once, from front to back. It is kept for its scratch
// memory: hashing a row allocates nothing.
type hasher struct {
	ignore Ignore
	text   []byte
	buf    []byte
}

var hashers = sync.Pool{New: func() any { return new(hasher) }}

// value hashes the value that begins at i, to which the pointers p lead, and
// tells where it ends. On text that is not valid JSON it still comes to an end.
func (h *hasher) value(i int, p paths, depth int) (hash uint64, end int) {
	switch b := h.text[i:]; {
	case len(b) == 0:
		return 0, i
	case depth > maxDepth:
		return tagDeep ^ xxhash.Sum64(b), len(h.text)
	case b[0] == '{':
		return h.object(i, p, depth)
	case b[0] == '[':
		return h.array(i, p, depth)
	default:
		if end = h.skip(i); end == len(h.text) {
			return 0, end // only text that is not valid ends in a scalar
		}
		return h.scalar(h.text[i:end]), end
	}
}

// skip is where the value at i ends: at the end of the text when it does not.
func (h *hasher) skip(i int) int {
	n := rawjson.Length(h.text[i:])
	if n == 0 {
		return len(h.text)
	}
	return i + n
}

func (h *hasher) scalar(v []byte) uint64 {
	switch v[0] {
	case '"':
		return h.string(v)
	case 't':
		return tagTrue
	case 'f':
		return tagFalse
	case 'n':
		return tagNull
	}
	return tagNumber ^ xxhash.Sum64(v)
}

func (h *hasher) object(i int, p paths, depth int) (hash uint64, end int) {
	var sum, n uint64
	for i = rawjson.Space(h.text, i+1); i < len(h.text) && h.text[i] == '"'; i = h.comma(i) {
		name := h.text[i : i+rawjson.Length(h.text[i:])]
		i = rawjson.Space(h.text, rawjson.Space(h.text, i+len(name))+1)
		next, cut := h.step(p, depth, name)
		if cut {
			i = h.skip(i)
			continue
		}
		var v uint64
		v, i = h.value(i, next, depth+1)
		sum += node(tagMember, h.string(name), v)
		n++
	}
	return node(tagObject, n, sum), min(i+1, len(h.text))
}

func (h *hasher) array(i int, p paths, depth int) (hash uint64, end int) {
	var chain, n uint64
	index := -1
	for i = rawjson.Space(h.text, i+1); i < len(h.text) && h.text[i] != ']'; i = h.comma(i) {
		index++
		next, cut := h.stepIndex(p, depth, index)
		if cut {
			i = h.skip(i)
			continue
		}
		var v uint64
		v, i = h.value(i, next, depth+1)
		chain = node(tagElement, chain, v)
		n++
	}
	return node(tagArray, n, chain), min(i+1, len(h.text))
}

// comma goes from the end of a member or element to the next one, or to the
// closing bracket.
func (h *hasher) comma(i int) int {
	i = rawjson.Space(h.text, i)
	if i < len(h.text) && h.text[i] == ',' {
		i = rawjson.Space(h.text, i+1)
	}
	return i
}

func (h *hasher) step(p paths, depth int, quoted []byte) (next paths, cut bool) {
	if p == 0 {
		return 0, false
	}
	name, ok := rawjson.Plain(quoted)
	if !ok {
		h.buf, _ = rawjson.AppendUnquote(h.buf[:0], quoted)
		name = h.buf
	}
	return h.ignore.step(p, depth, name)
}

func (h *hasher) stepIndex(p paths, depth, index int) (next paths, cut bool) {
	if p == 0 {
		return 0, false
	}
	h.buf = strconv.AppendInt(h.buf[:0], int64(index), 10)
	return h.ignore.step(p, depth, h.buf)
}

// string hashes a string by its content where that is text, else by its source:
// two broken strings that decode alike are still two strings.
func (h *hasher) string(quoted []byte) uint64 {
	if plain, ok := rawjson.Plain(quoted); ok {
		return tagString ^ xxhash.Sum64(plain)
	}
	var exact bool
	if h.buf, exact = rawjson.AppendUnquote(h.buf[:0], quoted); !exact {
		return tagInexact ^ xxhash.Sum64(quoted)
	}
	return tagString ^ xxhash.Sum64(h.buf)
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
