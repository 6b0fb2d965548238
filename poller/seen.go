package poller

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
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
	First   = "new"     // the first revision
	Changed = "changed" // the content differs from the last published one
)

// withheldFor is how long ByConversation waits for an open conversation to close.
const withheldFor = 24 * time.Hour

// Key is 96 bits of the SHA-256 of what it stands for: an identity, one of several sessions of an identity, or the
// bytes of a row that has no identity. Among a million keys two are the same with a probability of 10^-17.
// It keeps an entry small, and personal data out of the state.
type Key [12]byte

func identityKey(identity string) Key { return keyOf("i", identity, "") }

func keyOf(kind, identity, session string) Key {
	sum := sha256.Sum256([]byte(kind + "\x00" + identity + "\x00" + session))
	return Key(sum[:len(Key{})])
}

// Entry is what is remembered of one Key: 20 bytes, of any type that can be a state record.
type Entry struct {
	fingerprint [2]uint32 // of the content last published
	session     uint32    // the session it belonged to, hashed: an identity may come on two rows
	revision    int32     // last number given out; 0 for a further session and for a dead letter
	shown       uint16    // end of the last window that showed the row, in quanta since epoch, rounded up
	bot         bool      // a bot-only row: a contact with the same sessionId has grown out of it
}

// quantum is the resolution in which Entry.shown is kept: coarse, so that re-reading a row that did not change seldom
// writes anything.
const quantum = 8 * time.Hour

var epoch = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)

func quanta(t time.Time) uint16 {
	q := (t.Sub(epoch) + quantum - 1) / quantum
	return uint16(min(max(q, 0), 1<<16-1)) // reaches to the year 2058
}

// Seen remembers what was published of every conversation within the horizon. It changes only by Apply, with entries
// that a Judgement asked for and a commit has made durable.
//
// It holds sorted shards rather than a map: just behind a power of two Go's map is half empty, which costs 84 bytes an
// entry at a million. This costs 42, and a look-up ten comparisons.
type Seen struct {
	shards [1024][]slot // by the first ten bits of the key
	length int
}

type slot struct {
	key   Key
	entry Entry
}

func shardOf(k Key) int { return int(k[0])<<2 | int(k[1])>>6 }

func (s *Seen) find(k Key) (shard *[]slot, i int, found bool) {
	shard = &s.shards[shardOf(k)]
	i, found = slices.BinarySearchFunc(*shard, k, func(a slot, k Key) int { return bytes.Compare(a.key[:], k[:]) })
	return shard, i, found
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

// Len is how many entries are remembered.
func (s *Seen) Len() int { return s.length }

// lenWith is how many entries are remembered with the changes, each key of which stands there once.
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
			*shard = slices.Insert(*shard, i, slot{c.Key, c.Entry})
			s.length++
		}
	}
}

// Expired gives what no window that can still be read could return again: entries last shown by a window that ended
// before the instant. At most limit keys are given; the rest comes with a later call.
func (s *Seen) Expired(before time.Time, limit int) []Remembered {
	var out []Remembered
	bound := quanta(before.Add(-quantum))
	for _, shard := range s.shards {
		for _, e := range shard {
			if e.entry.shown < bound {
				if out = append(out, Remembered{Key: e.key, Forget: true}); len(out) == limit {
					return out
				}
			}
		}
	}
	return out
}

// Revision is a row that is to be published, with what is known of it beyond the row itself.
type Revision struct {
	Row         smartassist.Row
	Number      int32  // 1, 2, ... within the identity
	Change      string // New or Changed
	Supersedes  string // identity of the bot-only row that this contact grew out of, or ""
	Fingerprint uint64
}

// Judgement is what a read means against the memory: every row is either fresh, dead or unchanged.
type Judgement struct {
	Fresh     []Revision
	Dead      []smartassist.Row // rows that can be no conversation, or whose content is refused, met for the first time; Err says why
	Unchanged int               // known as they are; under ByConversation also those that wait to be closed
	New       int               // of Fresh, those never met before
	Changes   []Remembered      // what must be remembered once the read is committed
}

// Judge compares the rows of one read with the memory, as cfg says. shownUntil is the end of the window that returned them, now the
// instant of the read. The memory does not change.
func (s *Seen) Judge(rows []smartassist.Row, cfg Config, shownUntil, now time.Time) Judgement {
	j := judge{Seen: s, mode: cfg.Deduplicate, refused: cfg.Refused, shown: quanta(shownUntil), now: now, pending: map[Key]int{}}
	// Contacts last: one that grew out of a bot session must find it, wherever in the answer it stood.
	for _, contacts := range []bool{false, true} {
		for _, row := range rows {
			switch isContact := row.Err == nil && row.Kind == smartassist.Contact; {
			case isContact != contacts:
			case row.Err != nil:
				j.dead(row)
			default:
				j.row(row, row.Fingerprint(cfg.Ignore))
			}
		}
	}
	return j.Judgement
}

// judge is the work of one Judge: the memory, and over it the entries that this read changes.
type judge struct {
	*Seen
	Judgement
	mode    Deduplicate
	refused func(smartassist.Row, uint64) error
	shown   uint16
	now     time.Time
	pending map[Key]int // index into Changes
}

func (j *judge) lookup(k Key) (Entry, bool) {
	if i, ok := j.pending[k]; ok {
		return j.Changes[i].Entry, true
	}
	return j.Seen.lookup(k)
}

// remember notes the entry, shown by this read, unless that is what is remembered already.
func (j *judge) remember(k Key, e Entry) {
	e.shown = max(e.shown, j.shown)
	if old, ok := j.lookup(k); ok && old == e {
		return
	}
	if i, ok := j.pending[k]; ok {
		j.Changes[i].Entry = e
		return
	}
	j.pending[k] = len(j.Changes)
	j.Changes = append(j.Changes, Remembered{Key: k, Entry: e})
}

func (j *judge) dead(row smartassist.Row) {
	key := keyOf("d", string(row.Raw), "")
	e, known := j.lookup(key)
	if known {
		j.Unchanged++
	} else {
		j.Dead = append(j.Dead, row)
	}
	j.remember(key, e)
}

func (j *judge) row(row smartassist.Row, fingerprint uint64) {
	key := identityKey(row.Identity())
	main, known := j.lookup(key)
	if !known {
		main = Entry{session: sessionTag(row.SessionID), bot: row.Kind == smartassist.Bot}
	}
	// The entry that holds this row's content: a further session of the identity has its own.
	own, e, published := key, main, known
	if j.mode == ByRevision && main.session != sessionTag(row.SessionID) {
		own = keyOf("s", row.Identity(), row.SessionID)
		e, published = j.lookup(own)
		e.session = sessionTag(row.SessionID)
	}
	switch {
	case published && (j.mode == ByConversation || e.print() == fingerprint):
		j.Unchanged++
		j.touch(key, main, own, e)
		return
	case !published && j.withhold(row):
		j.Unchanged++
		return
	}
	if j.refused != nil {
		row.Err = j.refused(row, fingerprint)
	}
	if row.Err == nil {
		main.revision++
	}
	e.fingerprint = [2]uint32{uint32(fingerprint), uint32(fingerprint >> 32)}
	if own == key {
		main.fingerprint = e.fingerprint
	}
	j.touch(key, main, own, e)
	if row.Err != nil {
		j.Dead = append(j.Dead, row)
		return
	}
	j.publish(row, main, fingerprint)
}

// touch remembers the entry of the identity and, where it is another one, that of the session.
func (j *judge) touch(key Key, main Entry, own Key, e Entry) {
	j.remember(key, main)
	if own != key {
		j.remember(own, e)
	}
}

func (j *judge) publish(row smartassist.Row, main Entry, fingerprint uint64) {
	r := Revision{Row: row, Number: main.revision, Change: Changed, Fingerprint: fingerprint}
	if main.revision == 1 {
		r.Change = First
		j.New++
	}
	if row.Kind == smartassist.Contact && row.SessionID != "" {
		if bot, ok := j.lookup(identityKey(row.SessionID)); ok && bot.bot {
			r.Supersedes = row.SessionID
		}
	}
	j.Fresh = append(j.Fresh, r)
}

// withhold tells that the conversation is too young to be published before it is closed.
func (j *judge) withhold(row smartassist.Row) bool {
	return j.mode == ByConversation && row.Open() && row.Start.Add(withheldFor).After(j.now)
}

func (e Entry) print() uint64 { return uint64(e.fingerprint[0]) | uint64(e.fingerprint[1])<<32 }

// sessionTag tells the sessions of one identity apart. Two of one conversation share a tag once in 2^32; then each
// would be published again whenever it was read after the other.
func sessionTag(session string) uint32 {
	k := keyOf("t", session, "")
	return uint32(k[0]) | uint32(k[1])<<8 | uint32(k[2])<<16 | uint32(k[3])<<24
}
