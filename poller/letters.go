package poller

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
)

// LetterID is the first 8 bytes of the SHA-256 of a dead letter's row: what its ce_id says in hex.
type LetterID [8]byte

// ParseLetterID reads the 16 hex digits of a letter's ce_id.
func ParseLetterID(s string) (id LetterID, ok bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, false
	}
	return LetterID(b), true
}

// String returns the 16 hex digits of ce_id.
func (id LetterID) String() string { return hex.EncodeToString(id[:]) }

// Fate is what became of a dead letter that was tried again.
type Fate string

const (
	// LetterPublished: the row is published now, as a revision of its conversation.
	LetterPublished Fate = "published"
	// LetterSuperseded: this content of the conversation or a newer one has been published since. To publish an older
	// content as the newest revision would make the order of the topic a lie: the letter is resolved without that.
	LetterSuperseded Fate = "superseded"
	// LetterDead: the letter still cannot be published, and stays.
	LetterDead Fate = "dead"
)

// Resolution is what is remembered of a dead letter that was resolved.
type Resolution struct {
	Fate     Fate      // LetterPublished or LetterSuperseded
	Revision int32     // of a published one
	At       time.Time // when it was resolved
	Written  time.Time // when the letter's row was read from the service
}

// Letters are the resolutions of dead letters.
type Letters map[LetterID]Resolution

// mostLetters bounds the memory where the topic keeps dead letters for ever: 100,000 are about 10 MB.
const mostLetters = 100_000

// letterSlack is how much longer than the topic keeps a letter its resolution is remembered: brokers delete whole
// segments, a week's by default.
const letterSlack = 7 * 24 * time.Hour

const letterFormat = 1

// letterText is a Resolution as JSON, for operators and for `convstream dead-letters list`.
type letterText struct {
	Format   int   `json:"format"`
	Fate     Fate  `json:"fate"`
	Revision int32 `json:"revision,omitzero"`
	At       int64 `json:"at"`      // Unix milliseconds
	Written  int64 `json:"written"` // Unix milliseconds
}

func letterKey(account string, id LetterID) []byte {
	return []byte(account + "/letter/" + id.String())
}

func (r Resolution) encode() []byte {
	value, err := json.Marshal(letterText{letterFormat, r.Fate, r.Revision, r.At.UnixMilli(), r.Written.UnixMilli()})
	if err != nil {
		panic(err) // numbers and words of our own
	}
	return value
}

func decodeResolution(value []byte) (Resolution, error) {
	var text letterText
	if err := json.Unmarshal(value, &text); err != nil {
		return Resolution{}, fmt.Errorf("state record of a dead letter: %w; %s", err, remedy)
	}
	if text.Format > letterFormat {
		return Resolution{}, fmt.Errorf("state record of a dead letter: format %d, this version knows up to %d; a newer version wrote it, run that", text.Format, letterFormat)
	}
	return Resolution{text.Fate, text.Revision, time.UnixMilli(text.At).UTC(), time.UnixMilli(text.Written).UTC()}, nil
}

// LetterRecord reads a state record of a resolved letter, of any account; ok is false for all others. A
// record that deletes has the zero Resolution.
func LetterRecord(r Record) (account string, id LetterID, res Resolution, ok bool) {
	before, after, found := bytes.Cut(r.Key, []byte("/letter/"))
	if id, ok = ParseLetterID(string(after)); !found || !ok {
		return "", id, res, false
	}
	if r.Value != nil {
		var err error
		if res, err = decodeResolution(r.Value); err != nil {
			return "", id, res, false
		}
	}
	return string(before), id, res, true
}

func (s *State) restoreLetter(key string, value []byte) error {
	id, ok := ParseLetterID(key)
	if !ok {
		return fmt.Errorf("state record of a dead letter: its key is damaged; %s", remedy)
	}
	if value == nil {
		delete(s.Letters, id)
		return nil
	}
	res, err := decodeResolution(value)
	if err == nil {
		s.Letters.apply(Letters{id: res}, nil)
	}
	return err
}

func (l *Letters) apply(resolved, forgotten Letters) {
	if *l == nil && len(resolved) > 0 {
		*l = Letters{}
	}
	maps.Copy(*l, resolved)
	for id := range forgotten {
		delete(*l, id)
	}
}

func (l Letters) records(account string) (out []Record) {
	for id, res := range l {
		out = append(out, Record{letterKey(account, id), res.encode()})
	}
	return out
}

func (l Letters) deletions(account string) (out []Record) {
	for id := range l {
		out = append(out, Record{Key: letterKey(account, id)})
	}
	return out
}

// forgetLetters returns what need not be remembered any more once these are resolved: letters that the topic keeps no longer,
// and the oldest where there are too many. Who replays one of them again learns the same from the memory of conversations,
// or that it is too old. Only a replay adds to the letters, so only a replay takes away.
func (p *Poller) forgetLetters(resolved Letters, now time.Time) Letters {
	if len(resolved) == 0 {
		return nil
	}
	keep := p.sink.KeepsLetters()
	forgotten := Letters{}
	var kept []LetterID
	for id, res := range p.state.Letters {
		if _, again := resolved[id]; again { // what became of it before is replaced
			continue
		}
		if age := now.Sub(res.Written) - letterSlack; age > keep {
			forgotten[id] = res
		} else {
			kept = append(kept, id)
		}
	}
	if surplus := len(kept) + len(resolved) - mostLetters; surplus > 0 {
		slices.SortFunc(kept, func(a, b LetterID) int {
			return cmp.Compare(p.state.Letters[a].Written.UnixMilli(), p.state.Letters[b].Written.UnixMilli())
		})
		for _, id := range kept[:min(surplus, len(kept))] {
			forgotten[id] = p.state.Letters[id]
		}
	}
	return forgotten
}
