package smartassist

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"
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
)

// Fingerprint returns a 64-bit hash of what the row says, less what ig cuts out.
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
	if r.Err == nil && r.hash != 0 && len(ig.pointers) == 0 {
		return r.hash
	}
	if r.Err == nil {
		s := scanners.Get().(*scanner)
		defer s.free()
		if hash, ok := s.scan(r.Raw, ig); ok {
			return hash
		}
	}
	return tagBroken ^ xxhash.Sum64(r.Raw)
}

// The primes of xxhash.
const (
	prime1 uint64 = 11400714785074694791
	prime2 uint64 = 14029467366897019727
	prime3 uint64 = 1609587929392839161
	prime4 uint64 = 9650029242287828579
	prime5 uint64 = 2870177450012600261
)

// node mixes three words into one that depends on every bit of each and on
// their order: it is the sum of their 24 bytes.
func node(tag, a, b uint64) uint64 {
	return finish(mix(mix(mix(prime5+24, tag), a), b))
}

func mix(h, word uint64) uint64 {
	h ^= bits.RotateLeft64(word*prime2, 31) * prime1
	return bits.RotateLeft64(h, 27)*prime1 + prime4
}

func finish(h uint64) uint64 {
	h = (h ^ h>>33) * prime2
	h = (h ^ h>>29) * prime3
	return h ^ h>>32
}
