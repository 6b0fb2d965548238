package poller

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"slices"
	"time"
)

// Deduplicate says when a conversation that was published is published again.
type Deduplicate string

const (
	// ByRevision publishes a conversation again, as its next revision, when its content changed.
	ByRevision Deduplicate = "revision"
	// ByConversation publishes a conversation once: when it is first seen closed, or 24 h old.
	ByConversation Deduplicate = "conversation"
)

// Why a revision is published: the values of Revision.Change.
const (
	First       = "new"         // the first revision
	Changed     = "changed"     // the content differs from the last published one
	Republished = "republished" // the content was published before: somebody asked for it, or the topics had lost it
)

// WithheldFor is how long ByConversation waits for an open conversation to close.
const WithheldFor = 24 * time.Hour

// Key is 96 bits of the SHA-256 of what it stands for: an identity, one of several sessions of an identity, or the
// bytes of a row that has no identity. Among a million keys two are the same with a probability of 10^-17.
// It keeps an entry small, and personal data out of the state.
type Key [12]byte

func identityKey(identity string) Key { return keyOf("i", identity, "") }

func keyOf(kind, identity, session string) Key {
	sum := sha256.Sum256([]byte(kind + "\x00" + identity + "\x00" + session))
	return Key(sum[:len(Key{})])
}

// Entry is what is remembered of one Key: 24 bytes, of any type that can be a state record.
type Entry struct {
	fingerprint [2]uint32 // of the content last published, or put aside as a dead letter
	session     uint32    // the session it belonged to, hashed: an identity may come on two rows
	revision    int32     // last number given out; 0 for a further session and for a dead letter
	shown       uint16    // end of the last window that showed the row, in quanta since epoch, rounded up
	republished uint16    // the low bits of the ID of the backfill that republished it last; 0: none
	bot         bool      // a bot-only row: a contact with the same sessionId has grown out of it
	aside       aside     // whether the content went to the dead letters and was not published since
	list        uint8     // what the fingerprint leaves out: a number in Ledger.Ignored
}

// aside is whether a content was put aside.
type aside uint8

const (
	notAside   aside = iota // it was published
	isAside                 // it went to the dead letters and was not published since
	maybeAside              // an early version wrote the entry, which did not distinguish the two
)

// quantum is the resolution in which Entry.shown is kept: coarse, so that re-reading a row that did not change seldom
// writes anything.
const quantum = 8 * time.Hour

var epoch = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)

func quanta(t time.Time) uint16 {
	q := (t.Sub(epoch) + quantum - 1) / quantum
	return uint16(min(max(q, 0), 1<<16-1)) // reaches to the year 2058
}

// Seen remembers what was published of every conversation within the horizon. It changes only by Apply, with entries
// that a Draft asked for and a commit has made durable.
//
// It holds sorted shards rather than a map: just behind a power of two Go's map is half empty, which costs 84 bytes an
// entry at a million. This costs 40, and a look-up some ten comparisons. There are twice as many shards once they hold too
// many entries, so that to insert one takes as long among millions as among thousands.
type Seen struct {
	shards [][]slot // a power of two of them, by the first bits of the key
	length int
}

type slot struct {
	key   Key
	entry Entry
}

// mostInShard is how many entries a shard holds on average before there are twice as many shards.
const mostInShard = 512

// shardOf returns the place of the key's shard among n.
func shardOf(k Key, n int) int {
	return int(binary.BigEndian.Uint32(k[:]) >> (33 - bits.Len(uint(n))))
}

func (s *Seen) find(k Key) (shard *[]slot, i int, found bool) {
	if len(s.shards) == 0 {
		s.shards = make([][]slot, 1)
	}
	shard = &s.shards[shardOf(k, len(s.shards))]
	i, found = slices.BinarySearchFunc(*shard, k, func(a slot, k Key) int { return bytes.Compare(a.key[:], k[:]) })
	return shard, i, found
}

// insert puts an entry into a shard. Shards grow by an eighth: half of what slices.Insert would leave empty.
func insert(shard []slot, i int, e slot) []slot {
	if len(shard) == cap(shard) {
		shard = append(make([]slot, 0, len(shard)+len(shard)/8+8), shard...)
	}
	return slices.Insert(shard, i, e)
}

// split makes twice as many shards.
func (s *Seen) split() {
	shards := make([][]slot, 2*len(s.shards))
	for i, shard := range s.shards {
		at, _ := slices.BinarySearchFunc(shard, 2*i+1, func(a slot, half int) int { return cmp.Compare(shardOf(a.key, len(shards)), half) })
		shards[2*i], shards[2*i+1] = slices.Clone(shard[:at]), slices.Clone(shard[at:])
		s.shards[i] = nil // what was copied can be collected
	}
	s.shards = shards
}

func (s *Seen) lookup(k Key) (Entry, bool) {
	if shard, i, found := s.find(k); found {
		return (*shard)[i].entry, true
	}
	return Entry{}, false
}

// Remembered is an entry to be written: in the state, and after the commit in Seen. Forget marks one to be deleted.
type Remembered struct {
	Key    Key
	Entry  Entry
	Forget bool
}

// Len returns how many entries are remembered.
func (s *Seen) Len() int { return s.length }

// lenWith returns how many entries are remembered with the changes, each key of which stands there once.
func (s *Seen) lenWith(changes []Remembered) int {
	n := s.length
	for _, c := range changes {
		switch _, known := s.lookup(c.Key); {
		case c.Forget && known:
			n--
		case !c.Forget && !known:
			n++
		}
	}
	return n
}

// Apply makes the changes part of the memory.
func (s *Seen) Apply(changes []Remembered) {
	for _, c := range changes {
		switch shard, i, found := s.find(c.Key); {
		case c.Forget && found:
			*shard = slices.Delete(*shard, i, i+1)
			s.length--
		case !c.Forget && found:
			(*shard)[i].entry = c.Entry
		case !c.Forget:
			*shard = insert(*shard, i, slot{c.Key, c.Entry})
			if s.length++; s.length > mostInShard*len(s.shards) {
				s.split()
			}
		}
	}
}

// Expired returns what no window that can still be read could return again: entries last shown by a window that ended
// before the instant, and those of rows without an identity before the other one. At most limit keys are given; the rest comes with a
// later call.
func (s *Seen) Expired(before, letters time.Time, limit int) []Remembered {
	var out []Remembered
	bound, ofLetters := quanta(before.Add(-quantum)), quanta(letters.Add(-quantum))
	for _, shard := range s.shards {
		for _, e := range shard {
			if e.entry.shown < bound && (e.entry.shown < ofLetters || !e.entry.isLetter()) {
				if out = append(out, Remembered{Key: e.key, Forget: true}); len(out) == limit {
					return out
				}
			}
		}
	}
	return out
}

// isLetter reports whether it may be of a row without an identity.
func (e Entry) isLetter() bool { return e == Entry{shown: e.shown} }

func (e Entry) hash() uint64 { return uint64(e.fingerprint[0]) | uint64(e.fingerprint[1])<<32 }

// sessionTag distinguishes the sessions of one identity. Two of one conversation share a tag once in 2^32; then each
// would be published again whenever it was read after the other.
func sessionTag(session string) uint32 {
	k := keyOf("t", session, "")
	return uint32(k[0]) | uint32(k[1])<<8 | uint32(k[2])<<16 | uint32(k[3])<<24
}
