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
}

// Published is a content that was published, or went to the dead letters, as it was read back from there.
type Published struct {
	Row         smartassist.Row
	Revision    int32 // 0 for a dead letter
	Fingerprint uint64
	At          time.Time // when it was read from the service
}

// Recollection rebuilds the memory from what was published.
type Recollection struct {
	seen  *Seen
	shown uint16
	held  map[Key]heldContent
}

// heldContent is the newest content met of a Key.
type heldContent struct {
	revision int32
	at       int64 // milliseconds, as records have it
	// published is the fingerprint of the newest revision, 0 for none.
	published uint64
}

// Recollect begins to rebuild the memory. It is not known which window showed an entry last, so each counts as shown now.
func (s *State) Recollect(now time.Time) *Recollection {
	return &Recollection{&s.Seen, quanta(now), map[Key]heldContent{}}
}

// Add remembers one content. The revisions of an identity may come in any order, dead letters must come last.
func (r *Recollection) Add(p Published) {
	if p.Row.Err != nil {
		r.apply(bytesKey(p.Row), Entry{})
		return
	}
	at := placeOf(p.Row, ByRevision, r.seen.lookup)
	at.main.revision = max(at.main.revision, p.Revision)
	if content := (heldContent{p.Revision, p.At.UnixMilli(), p.Fingerprint}); r.newer(at.own, content) {
		if p.Revision == 0 {
			content.published = r.held[at.own].published
		}
		r.held[at.own] = content
		// Several letters may hold one content, and the one that was replayed need not be the last.
		at.e.aside = notAside
		if content.published != p.Fingerprint {
			at.e.aside = isAside
		}
		at.setFingerprint(p.Fingerprint, at.e.list)
	}
	at.entries(r.apply)
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

func (r *Recollection) apply(k Key, e Entry) {
	e.shown = r.shown
	r.seen.Apply([]Remembered{{Key: k, Entry: e}})
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
