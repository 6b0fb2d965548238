package simulator

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"iter"
	"slices"
	"time"
)

// Key is what makes a row one and the same from answer to answer: its identity
// (conversationId, else sessionId) and its sessionId. A row that cannot be a
// conversation (Dead) has no identity: its Session is the first 16 hex digits of
// the SHA-256 of its text.
type Key struct{ Identity, Session string }

// Row is a row as the service shows it at an instant.
type Row struct {
	Key Key
	// Dead: no JSON object, or an object without an identity.
	Dead bool
	// Start and End are the times the window filter knows, with the milliseconds
	// that the row does not show. The end of an open row is its start.
	Start, End time.Time
	// Shown is when it was first visible, by the world's clock; zero: always.
	Shown time.Time
	// Raw is the newest content.
	Raw []byte
}

// Hash is ContentHash of the row.
func (r Row) Hash() uint64 { return ContentHash(r.Raw) }

// Content is one content of a row that left the service.
type Content struct {
	// Hash is ContentHash of it.
	Hash uint64
	// First and Last are when it was served, by the world's clock.
	First, Last time.Time
	// Times is how often.
	Times int
}

// ServedRow is a row with every content that left the service.
type ServedRow struct {
	Key  Key
	Dead bool
	// Contents are in the order in which they first left. Rows of a body that was
	// cut count as far as they are whole in what was sent.
	Contents []Content
}

// Newest is the content that was served last.
func (r ServedRow) Newest() Content {
	return slices.MaxFunc(r.Contents, func(a, b Content) int {
		return cmp.Or(a.Last.Compare(b.Last), a.First.Compare(b.First))
	})
}

// KeyOf finds the key in a row's text; dead says that the row cannot be a conversation.
func KeyOf(raw []byte) (key Key, dead bool) {
	value, _ := decode(raw)
	fields, _ := value.(map[string]any)
	key = Key{Identity: idText(fields["conversationId"]), Session: idText(fields["sessionId"])}
	key.Identity = cmp.Or(key.Identity, key.Session)
	if key.Identity != "" {
		return key, false
	}
	sum := sha256.Sum256(raw)
	return Key{Session: hex.EncodeToString(sum[:8])}, true
}

func idText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

func decode(raw []byte) (value any, ok bool) {
	if !json.Valid(raw) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return value, d.Decode(&value) == nil
}

// RowsAt is every row that is visible at an instant and whose window time (start,
// end or stretch, as Switches.FilterBy says; milliseconds count) lies in
// [from, to), in the service's order and with its newest content at that instant,
// whatever faults and paging do to it. selectedFields is what the reader asks for:
// it is part of the content. The other switches of the window do not apply here.
func (s *Service) RowsAt(at, from, to time.Time, selectedFields ...string) iter.Seq[Row] {
	v := view{selected: selected(selectedFields...)}
	now, lo, hi := at.UnixMilli(), from.UnixMilli(), to.UnixMilli()
	window := Switches{Bounds: SubSecond, FilterBy: s.config.Switches.FilterBy}
	return func(yield func(Row) bool) {
		if hi <= lo {
			return
		}
		var rows []*row
		s.world.candidates(lo, hi, now, func(r *row) {
			start, end := r.times(now)
			if !r.hidden && window.inWindow(lo, hi-1, start, end) {
				rows = append(rows, r)
			}
		})
		slices.SortFunc(rows, byStart)
		for _, r := range rows {
			if !yield(s.rowAt(r, v, now)) {
				return
			}
		}
	}
}

func (s *Service) rowAt(r *row, v view, now int64) Row {
	start, end := r.times(now)
	out := Row{Start: time.UnixMilli(start).UTC(), End: time.UnixMilli(end).UTC(), Raw: s.rowText(r, v, s.stageAt(r, now))}
	out.Key, out.Dead = s.key(r, out.Raw)
	if r.shown != -never {
		out.Shown = time.UnixMilli(r.shown).UTC()
	}
	return out
}

// key is KeyOf, without reading the text of rows whose key is known from their seed.
func (s *Service) key(r *row, raw []byte) (Key, bool) {
	session := r.sessionID()
	switch r.kind {
	case contactRow:
		return Key{r.conversationID(), session}, false
	case botRow, assistRow:
		return Key{session, session}, false
	}
	return KeyOf(raw)
}
