package poller

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Record is one key and value for the compacted state topic. A nil Value deletes the key.
type Record struct{ Key, Value []byte }

// State is all that the poller knows of an account. It is written record by record with every commit, and read back by
// Restore; nothing else survives a restart.
type State struct {
	Account string
	Ledger
	Seen    Seen
	Letters Letters // dead letters that were replayed
	Note    []byte  // of the Sink: what it wrote as NoteRecord, nil if nothing
}

// remedy is what helps where a record of the state is damaged: nothing else holds what it held, but most of it can be
// made anew.
const remedy = "the record is damaged: stop all workers of all accounts with this TOPIC_PREFIX (the topic holds their state, too), delete the topic state, and start with STATE_LOST=resume"

// Format numbers of the records. A worker refuses a newer one: it must not skip what it does not understand.
const (
	ledgerFormat = 1
	entryFormat  = 2 // 1 did not always say which contents went to the dead letters
)

// ErrNewer is in the errors of Restore where this version is older than the one that wrote the state.
var ErrNewer = errors.New("a newer version wrote it, run that")

// Keys begin with the account id: several accounts may share a topic.
func ledgerKey(account string) []byte { return []byte(account + "/ledger") }

func noteKey(account string) []byte         { return []byte(account + "/note") }
func entryKey(account string, k Key) []byte { return append([]byte(account+"/seen/"), k[:]...) }

// StatePrefix returns what all keys of an account's state records begin with.
func StatePrefix(account string) []byte { return []byte(account + "/") }

// NoteRecord returns a record in which a Sink keeps something of its own with the state; the poller returns it as Note.
func NoteRecord(account string, note []byte) Record { return Record{noteKey(account), note} }

// IsLedger reports whether the record holds the State's ledger: the last record of every commit.
func (s *State) IsLedger(r Record) bool { return bytes.Equal(r.Key, ledgerKey(s.Account)) }

// Records returns the state records of a commit: the entries that change, and last the ledger as it will be.
func (s *State) Records(next Ledger, changes []Remembered) []Record {
	out := make([]Record, 0, len(changes)+1)
	for _, c := range changes {
		r := Record{Key: entryKey(s.Account, c.Key)}
		if !c.Forget {
			r.Value = c.Entry.encode()
		}
		out = append(out, r)
	}
	return append(out, Record{ledgerKey(s.Account), next.encode()})
}

// Restore applies one record of the state topic; later ones replace earlier ones. Records of other accounts are
// passed over. An error means that this version cannot go on from that state.
func (s *State) Restore(r Record) error {
	key, ours := bytes.CutPrefix(r.Key, StatePrefix(s.Account))
	if !ours {
		return nil
	}
	if rest, ok := bytes.CutPrefix(key, []byte("seen/")); ok {
		return s.restoreEntry(rest, r.Value)
	}
	if id, ok := bytes.CutPrefix(key, []byte("letter/")); ok {
		return s.restoreLetter(string(id), r.Value)
	}
	switch string(key) {
	case "ledger":
		return s.Ledger.restore(r.Value)
	case "note":
		s.Note = r.Value
		return nil
	}
	return fmt.Errorf("state record %q: unknown to this version; a newer one wrote it, run that", key)
}

func (s *State) restoreEntry(key, value []byte) error {
	if len(key) != len(Key{}) {
		return fmt.Errorf("state record of a conversation: key of %d bytes, expected %d; %s", len(key), len(Key{}), remedy)
	}
	change := Remembered{Key: Key(key), Forget: value == nil}
	if !change.Forget {
		var err error
		if change.Entry, err = decodeEntry(value); err != nil {
			return err
		}
	}
	s.Seen.Apply([]Remembered{change})
	return nil
}

// Flags of an encoded Entry.
const (
	flagBot   = 1
	flagAside = 2
	flagMaybe = 4 // maybeAside
	listShift = 3 // the number of the list stands above the flags
)

// mostLists is how many lists of ignored pointers are kept apart.
const mostLists = 1 << (8 - listShift)

// entrySize is the length of an encoded Entry: format, flags, shown, revision, session, fingerprint.
const entrySize = 1 + 1 + 2 + 4 + 4 + 8

func (e Entry) encode() []byte {
	b := make([]byte, 0, entrySize)
	b = append(b, entryFormat, e.list<<listShift)
	if e.bot {
		b[1] |= flagBot
	}
	switch e.aside {
	case isAside:
		b[1] |= flagAside
	case maybeAside:
		b[1] |= flagMaybe
	}
	b = binary.BigEndian.AppendUint16(b, e.shown)
	b = binary.BigEndian.AppendUint32(b, uint32(e.revision))
	b = binary.BigEndian.AppendUint32(b, e.session)
	b = binary.BigEndian.AppendUint64(b, e.hash())
	if e.republished != 0 {
		b = binary.BigEndian.AppendUint16(b, e.republished) // versions that do not know it pass over it
	}
	return b
}

func decodeEntry(b []byte) (Entry, error) {
	switch {
	case len(b) > 0 && b[0] > entryFormat:
		return Entry{}, fmt.Errorf("state record of a conversation: format %d, this version knows up to %d; a newer one wrote it, run that", b[0], entryFormat)
	case len(b) < entrySize:
		return Entry{}, fmt.Errorf("state record of a conversation: %d bytes, expected %d; %s", len(b), entrySize, remedy)
	}
	print := binary.BigEndian.Uint64(b[12:])
	republished := uint16(0)
	if len(b) >= entrySize+2 {
		republished = binary.BigEndian.Uint16(b[entrySize:])
	}
	return Entry{
		republished: republished,
		bot:         b[1]&flagBot != 0, aside: decodeAside(b[0], b[1]), shown: binary.BigEndian.Uint16(b[2:]),
		revision: int32(binary.BigEndian.Uint32(b[4:])), session: binary.BigEndian.Uint32(b[8:]),
		fingerprint: [2]uint32{uint32(print), uint32(print >> 32)}, list: b[1] >> listShift,
	}, nil
}

func decodeAside(format, flags byte) aside {
	switch {
	case flags&flagAside != 0:
		return isAside
	case flags&flagMaybe != 0 || format < 2:
		return maybeAside
	}
	return notAside
}
