package poller

import (
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

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
}

// Draft is the memory as it will be when the reads judged so far are committed. The memory itself does not change.
type Draft struct {
	Changes []Remembered // what must be remembered then, each key once

	seen    *Seen
	pending map[Key]int // index into Changes
}

// Draft begins one.
func (s *Seen) Draft() *Draft { return &Draft{seen: s, pending: map[Key]int{}} }

func (d *Draft) lookup(k Key) (Entry, bool) {
	if i, ok := d.pending[k]; ok {
		return d.Changes[i].Entry, true
	}
	return d.seen.lookup(k)
}

// Judge compares the rows of one read with the memory and the reads judged before, as cfg says. shownUntil is the end of the
// window that returned them, now the instant of the read.
func (d *Draft) Judge(rows []smartassist.Row, cfg Config, shownUntil, now time.Time) Judgement {
	j := judge{Draft: d, mode: cfg.Deduplicate, refused: cfg.Refused, shown: quanta(shownUntil), now: now}
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

// judge is the work of one Judge.
type judge struct {
	*Draft
	Judgement
	mode    Deduplicate
	refused func(smartassist.Row, uint64) error
	shown   uint16
	now     time.Time
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
