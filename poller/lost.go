package poller

import (
	"iter"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// What is done with a State that was lost, in whole or in part: coverage is given up, the numbers of commits go on, and
// the memory is rebuilt from what was published. An entry that is remembered in vain costs 40 bytes; one that is not
// remembered costs a conversation that comes twice. So the rest of the old memory is kept too.

// Last is the last commit as it is known from elsewhere than the ledger.
type Last struct {
	Sequence        int64
	Selection       string
	CompleteThrough time.Time
}

// Last returns the last commit as the ledger knows it.
func (l *Ledger) Last() Last {
	return Last{l.Sequence, l.Selection(), l.Coverage.Through(l.From)}
}

// Complete reports whether all that the last commit remembered is there.
func (s *State) Complete() bool { return s.Seen.Len() >= s.Remembered }

// Resume makes the state begin where the last commit's completeThrough ended. It is the same selection, and
// completeThrough goes on in it; what lies before is not read again.
func (s *State) Resume(last Last) {
	s.continues(last)
	s.From = last.CompleteThrough
	s.Reach = later(s.Reach, s.From)
}

// Restart makes the state begin as a first start does. That takes completeThrough back, so it counts as a new selection.
func (s *State) Restart(last Last, cfg Config, now time.Time) {
	s.continues(last)
	s.From, s.Asked = cfg.rules().begin(now), cfg.Selection
	s.Reach = s.From
	s.Changes++
}

// continues takes over what must not be used twice: the numbers of commits and of selections.
func (s *State) continues(last Last) {
	asked, changes, _ := strings.Cut(last.Selection, ".")
	n, _ := strconv.Atoi(changes)
	s.Asked, s.Changes = asked, max(s.Changes, n)
	s.Sequence = max(s.Sequence, last.Sequence)
	s.Coverage, s.Failing = Coverage{}, nil
	s.restartPasses()
}

// Published is a content that was published, or went to the dead letters, as it was read back from there.
type Published struct {
	Row         smartassist.Row
	Revision    int32 // 0 for a dead letter
	Fingerprint uint64
	At          time.Time // when it was read from the service
}

// Trace is what the memory can learn of a Published: a fifth of the size of a short row.
type Trace struct {
	id          rowID
	letter      bool // without an identity: id.identity is of its bytes
	revision    int32
	fingerprint uint64
	at          int64 // milliseconds, as records have it
}

// Trace returns what is to be remembered of it.
func (p Published) Trace() Trace {
	if p.Row.Err != nil {
		return Trace{id: rowID{identity: bytesKey(p.Row)}, letter: true}
	}
	return Trace{idOf(p.Row), false, p.Revision, p.Fingerprint, p.At.UnixMilli()}
}

// Recollection rebuilds the memory from what was published.
type Recollection struct {
	lookup func(Key) (Entry, bool)
	apply  func(Remembered)
	shown  uint16
	list   int // by which fingerprints were made; -1: by that of the entry
	held   map[Key]heldContent
	// known is what the memory had before: that is newer, and stays; nil if it had nothing that counts.
	known func(Key) bool
}

// heldContent is the newest content met of a Key.
type heldContent struct {
	revision int32
	at       int64
	// published is the fingerprint of the newest revision, 0 for none.
	published uint64
}

// Recollect begins to rebuild the memory. It is not known which window showed an entry last, so each counts as shown now.
func (s *State) Recollect(now time.Time) *Recollection {
	return &Recollection{
		lookup: s.Seen.lookup, apply: func(c Remembered) { s.Seen.Apply([]Remembered{c}) }, shown: quanta(now), list: -1, held: map[Key]heldContent{},
	}
}

// Add remembers one content. The revisions of an identity may come in any order, dead letters must come last.
func (r *Recollection) Add(p Published) { r.add(p.Trace()) }

func (r *Recollection) add(t Trace) {
	if t.letter {
		e, _ := r.lookup(t.id.identity)
		r.remember(t.id.identity, e)
		return
	}
	at := placeOf(t.id, ByRevision, r.lookup)
	at.main.revision = max(at.main.revision, t.revision)
	if content := (heldContent{t.revision, t.at, t.fingerprint}); !r.knows(at.own) && r.newer(at.own, content) {
		if t.revision == 0 {
			content.published = r.held[at.own].published
		}
		r.held[at.own] = content
		// Several letters may hold one content, and the one that was replayed need not be the last.
		at.e.aside = notAside
		if content.published != t.fingerprint {
			at.e.aside = isAside
		}
		list := at.e.list
		if r.list >= 0 {
			list = uint8(r.list)
		}
		at.setFingerprint(t.fingerprint, list)
	}
	at.entries(r.remember)
}

// knows reports whether the memory had the key before, and not from what is recollected.
func (r *Recollection) knows(k Key) bool {
	_, ours := r.held[k]
	return r.known != nil && !ours && r.known(k)
}

// newer goes by the revision; a dead letter has none and goes by the time.
func (r *Recollection) newer(k Key, c heldContent) bool {
	old, ok := r.held[k]
	switch {
	case !ok:
		return true
	case c.revision > 0:
		return c.revision > old.revision
	default:
		return c.at > old.at
	}
}

func (r *Recollection) remember(k Key, e Entry) {
	e.shown = max(e.shown, r.shown)
	if old, met := r.lookup(k); !met || old != e {
		r.apply(Remembered{Key: k, Entry: e})
	}
}

// Unfinished is what a Ledger says to remember while a Snapshot is being written: more than there can be.
const Unfinished = math.MaxInt

// Snapshot writes all records of the state, in parts of at most so many records; the rest of the topic's records of this
// account is superfluous then. The ledger comes twice: first with more entries than there can be, so that parts that were
// written without the last one count as a state that is lost, and as it is at the end.
func (s *State) Snapshot(most int, write func([]Record) error) error {
	unfinished := s.Ledger
	unfinished.Remembered = Unfinished
	part := []Record{{ledgerKey(s.Account), unfinished.encode()}}
	for r := range s.remembered() {
		if part = append(part, r); len(part) < most {
			continue
		}
		if err := write(part); err != nil {
			return err
		}
		part = nil
	}
	s.Remembered = s.Seen.Len()
	return write(append(part, Record{ledgerKey(s.Account), s.Ledger.encode()}))
}

// remembered returns the records of all conversations and of all letters that were replayed.
func (s *State) remembered() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		for id, res := range s.Letters {
			if !yield(Record{letterKey(s.Account, id), res.encode()}) {
				return
			}
		}
		for _, shard := range s.Seen.shards {
			for _, e := range shard {
				if !yield(Record{entryKey(s.Account, e.key), e.entry.encode()}) {
					return
				}
			}
		}
	}
}
