package poller

import (
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// Revision is a row that is to be published, with what is known of it beyond the row itself.
type Revision struct {
	Row         smartassist.Row
	Number      int32  // 1, 2, ... within the identity
	Change      string // First, Changed or Republished
	Supersedes  string // identity of the bot-only row that this contact grew out of, or ""
	Fingerprint uint64
	// ObservedAt is when the row was read, where that was not with the batch: of a dead letter that is replayed.
	ObservedAt time.Time
}

// Judgement is what a read means against the memory: every row is either fresh, dead or unchanged.
type Judgement struct {
	Fresh     []Revision
	Dead      []smartassist.Row // rows that cannot be a conversation, or whose content is refused, met for the first time; Err says why
	Unchanged int               // known as they are; under ByConversation also those that wait to be closed
	New       int               // of Fresh, those never met before
	Withheld  int               // of Unchanged, those that wait to be closed
	Twins     int               // rows that differ from another one of the same identity and session in the same read
}

// Draft is the memory as it will be when the reads judged so far are committed. The memory itself does not change.
type Draft struct {
	Changes []Remembered // what must be remembered then, each key once

	seen    *Seen
	pending map[Key]int // index into Changes
	prints  prints
}

// prints are the lists of pointers that fingerprints were made without, by their number in the ledger. The zero value knows the
// configured one alone.
type prints struct {
	lists   []smartassist.Ignore
	current uint8
}

// same reports whether a row says what an entry remembers of it, whatever list its fingerprint was made without.
func (d *Draft) same(e Entry, row smartassist.Row, fingerprint uint64) bool {
	if e.list == d.prints.current {
		return e.hash() == fingerprint
	}
	return int(e.list) < len(d.prints.lists) && e.hash() == row.Fingerprint(d.prints.lists[e.list])
}

// Draft returns a draft of the memory.
func (s *Seen) Draft() *Draft { return &Draft{seen: s, pending: map[Key]int{}} }

func (d *Draft) lookup(k Key) (Entry, bool) {
	if i, ok := d.pending[k]; ok {
		return d.Changes[i].Entry, !d.Changes[i].Forget
	}
	return d.seen.lookup(k)
}

// Deduplication is what rows are judged by.
type Deduplication struct {
	Mode   Deduplicate
	Ignore smartassist.Ignore // left out of the fingerprint
	// Republish is the ID of a backfill that publishes again what was published before, once each; 0 is none.
	Republish int64
	// Refused is the Sink's; nil means that everything can be published.
	Refused func(row smartassist.Row, fingerprint uint64) error
}

// refuses returns why the content cannot be published, nil if it can.
func (d Deduplication) refuses(row smartassist.Row, fingerprint uint64) error {
	if d.Refused == nil {
		return nil
	}
	return d.Refused(row, fingerprint)
}

// Judge compares the rows of one read with the memory and the reads judged before. shownUntil is the end of the
// window that returned them, now the instant of the read.
func (d *Draft) Judge(rows []smartassist.Row, by Deduplication, shownUntil, now time.Time) Judgement {
	j := judge{Draft: d, Deduplication: by, shown: quanta(shownUntil), now: now}
	twins := j.twins(rows)
	// Contacts last: one that grew out of a bot session must find it, wherever in the answer it stood.
	for _, contacts := range []bool{false, true} {
		for i, row := range rows {
			switch isContact := row.Err == nil && row.Kind == smartassist.Contact; {
			case isContact != contacts:
			case row.Err != nil:
				j.dead(row)
			case twins[i]:
				j.twin(row, row.Fingerprint(by.Ignore))
			default:
				j.row(row, row.Fingerprint(by.Ignore))
			}
		}
	}
	return j.Judgement
}

// judge is the work of one Judge.
type judge struct {
	*Draft
	Deduplication
	Judgement
	shown uint16
	now   time.Time
}

// remember notes the entry, shown by this read, unless that is what is remembered already.
func (j *judge) remember(k Key, e Entry) {
	e.shown = max(e.shown, j.shown)
	if old, ok := j.lookup(k); ok && old == e {
		return
	}
	j.change(Remembered{Key: k, Entry: e})
}

// forget notes that the entry is to be deleted, if there is one.
func (j *judge) forget(k Key) {
	if _, ok := j.lookup(k); ok {
		j.change(Remembered{Key: k, Forget: true})
	}
}

func (d *Draft) change(c Remembered) {
	if i, ok := d.pending[c.Key]; ok {
		d.Changes[i] = c
		return
	}
	d.pending[c.Key] = len(d.Changes)
	d.Changes = append(d.Changes, c)
}

// bytesKey returns the key of a row that cannot be a conversation.
func bytesKey(row smartassist.Row) Key { return keyOf("d", string(row.Raw), "") }

func (j *judge) dead(row smartassist.Row) {
	key := bytesKey(row)
	e, known := j.lookup(key)
	if known {
		j.Unchanged++
	} else {
		j.Dead = append(j.Dead, row)
	}
	j.remember(key, e)
}

// place is where the memory holds a row.
type place struct {
	key  Key // of the identity
	main Entry
	own  Key // of the row's content: the same, or that of a further session of the identity
	e    Entry
	met  bool // a content is held there
}

// setFingerprint makes the fingerprint that of the content.
func (p *place) setFingerprint(fingerprint uint64, list uint8) {
	p.e.fingerprint, p.e.list = [2]uint32{uint32(fingerprint), uint32(fingerprint >> 32)}, list
	if p.own == p.key {
		p.main.fingerprint, p.main.aside, p.main.list = p.e.fingerprint, p.e.aside, p.e.list
	}
}

// setRepublished notes which backfill published the content again; none is no news.
func (p *place) setRepublished(by int64) {
	if by == 0 {
		return
	}
	p.e.republished = uint16(by)
	if p.own == p.key {
		p.main.republished = p.e.republished
	}
}

func (j *judge) place(row smartassist.Row) place { return placeOf(idOf(row), j.Mode, j.lookup) }

// rowID is what the memory knows a row by.
type rowID struct {
	identity Key
	session  uint32 // hashed
	own      Key    // of a further session of the identity
	bot      bool
}

func idOf(row smartassist.Row) rowID {
	return rowID{identityKey(row.Identity()), sessionTag(row.SessionID), keyOf("s", row.Identity(), row.SessionID), row.Kind == smartassist.Bot}
}

// placeOf returns the place of a row in the memory that is looked up in.
func placeOf(id rowID, mode Deduplicate, lookup func(Key) (Entry, bool)) place {
	p := place{key: id.identity}
	if p.main, p.met = lookup(p.key); !p.met {
		p.main = Entry{session: id.session, bot: id.bot}
	}
	p.own, p.e = p.key, p.main
	if mode == ByRevision && p.main.session != id.session {
		p.own = id.own
		p.e, p.met = lookup(p.own)
		p.e.session = id.session
	}
	return p
}

// entries calls remember with the entry of the identity and, where it is another one, that of the session.
func (p place) entries(remember func(Key, Entry)) {
	remember(p.key, p.main)
	if p.own != p.key {
		remember(p.own, p.e)
	}
}

func (j *judge) row(row smartassist.Row, fingerprint uint64) {
	p := j.place(row)
	switch {
	case j.again(p, row, fingerprint):
		j.republish(p, row, fingerprint)
		return
	case p.met && (j.Mode == ByConversation || j.same(p.e, row, fingerprint)):
		j.Unchanged++
		p.setFingerprint(fingerprint, j.prints.current)
		j.touch(p)
		return
	case p.met && j.knownTwin(row, fingerprint):
		j.Unchanged++
		j.touch(p)
		return
	case !p.met && j.withhold(row):
		j.Unchanged++
		j.Withheld++
		return
	}
	row.Err = j.refuses(row, fingerprint)
	j.settle(p, row, fingerprint)
}

// again reports whether the content that is published already is to be published once more.
func (j *judge) again(p place, row smartassist.Row, fingerprint uint64) bool {
	return j.Republish != 0 && p.e.republished != uint16(j.Republish) && j.published(p, row, fingerprint) && j.refuses(row, fingerprint) == nil
}

// published reports whether the content is the newest that was published of its place.
func (j *judge) published(p place, row smartassist.Row, fingerprint uint64) bool {
	return p.met && p.e.aside == notAside && p.main.revision > 0 && j.same(p.e, row, fingerprint)
}

// republish publishes a content once more, as the next revision.
func (j *judge) republish(p place, row smartassist.Row, fingerprint uint64) {
	p.main.revision++
	p.setFingerprint(fingerprint, j.prints.current)
	p.setRepublished(j.Republish)
	j.touch(p)
	j.publish(row, p.main, fingerprint, Republished)
}

// settle makes the content the newest of its place: a revision, or a dead letter where the row has an error. What an older
// version remembered of the row, which did not take it for a conversation, ends with that: it would say that the row is still to be
// published when the conversation itself is forgotten.
func (j *judge) settle(p place, row smartassist.Row, fingerprint uint64) {
	if row.Err == nil {
		p.main.revision++
	}
	p.e.aside = notAside
	if row.Err != nil {
		p.e.aside = isAside
	}
	p.setFingerprint(fingerprint, j.prints.current)
	p.setRepublished(j.Republish) // so that it is not published twice by one backfill
	j.touch(p)
	j.forget(bytesKey(row))
	if row.Err != nil {
		j.Dead = append(j.Dead, row)
		return
	}
	j.publish(row, p.main, fingerprint, j.changeOf(p.main))
}

// changeOf returns why a revision is published whose content was not published before, and counts those that were never met.
func (j *judge) changeOf(main Entry) string {
	if main.revision == 1 {
		j.New++
		return First
	}
	return Changed
}

// touch remembers that the read shows what is at the place.
func (j *judge) touch(p place) { p.entries(j.remember) }

func (j *judge) publish(row smartassist.Row, main Entry, fingerprint uint64, change string) {
	r := Revision{Row: row, Number: main.revision, Change: change, Fingerprint: fingerprint}
	if row.Kind == smartassist.Contact && row.SessionID != "" {
		// One of which every content was refused is in no topic.
		if bot, ok := j.lookup(identityKey(row.SessionID)); ok && bot.bot && bot.revision > 0 {
			r.Supersedes = row.SessionID
		}
	}
	j.Fresh = append(j.Fresh, r)
}

// withhold reports whether the conversation is too young to be published before it is closed.
func (j *judge) withhold(row smartassist.Row) bool {
	return j.Mode == ByConversation && row.Open() && row.Start.Add(WithheldFor).After(j.now)
}
