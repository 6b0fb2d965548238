package auditor

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
)

const (
	// mostHeld is how many conversations of the topics are held: about 150 MB.
	mostHeld = 1_000_000
)

// errTooMuch is the error for a range near which there are too many conversations.
var errTooMuch = &FinalError{fmt.Errorf("the topics hold more than %d conversations of the range and the days around it, more than an audit can compare at once: audit it in parts", mostHeld)}

// identity stands for the identity of a conversation: 96 bits of its SHA-256, as the worker's memory does.
type identity [12]byte

func identityOf(id string) identity {
	sum := sha256.Sum256([]byte(id))
	return identity(sum[:len(identity{})])
}

// rowKey distinguishes rows.
type rowKey struct {
	id      identity
	session uint32
}

// keyOf returns the key of a row that has an identity.
func (c *comparison) keyOf(row smartassist.Row) rowKey {
	return rowKey{identityOf(row.Identity()), c.session(row.SessionID)}
}

// session returns what distinguishes the sessions of an identity. With DEDUPLICATE=conversation they are one.
func (c *comparison) session(id string) uint32 {
	if c.rules.Deduplicate == poller.ByConversation {
		return 0
	}
	sum := sha256.Sum256([]byte("s" + id))
	return binary.BigEndian.Uint32(sum[:])
}

// contentKey distinguishes contents of rows; of a row that cannot be a conversation it has the content alone.
type contentKey struct {
	rowKey
	content uint64
}

// contentOf returns the content of a row, whether it has become a dead letter or not.
func (c *comparison) contentOf(row smartassist.Row) uint64 {
	if row.Err != nil { // it may be that of a broker
		row = smartassist.ParseRow(row.Raw)
	}
	return row.Fingerprint(c.rules.Ignore)
}

// finding is a difference, and the row if it is to be published again.
type finding struct {
	Difference
	key contentKey
	at  time.Time        // when the row was read
	row *smartassist.Row // nil: the read itself published it, or it cannot be published
}

// comparison is what the topics hold near a range, and what was found of the rows that the service shows. Records are added by the audit's
// goroutine, and batches by the poller's.
type comparison struct {
	window poller.Window
	rules  Rules

	mu         sync.Mutex
	opened     bool
	early      []Batch // committed before the topics were read
	held       audit.Holdings[identity, uint32]
	letters    map[uint64]string // ids, by the content of the row
	supersedes []rowKey          // bot-only rows out of which a conversation grew
	unreadable []audit.Place
	noted      map[contentKey]int32 // contents that are not equal -> revision that it was published as meanwhile, 0 for none
	equal      int                  // rows found since take
	found      []finding            // since take
	unsettled  []finding            // that take returned, and whose rows are being published
	before     *comparison          // of the session before
}

// newComparison returns a comparison that goes on from the one of the session before, which may be nil.
func newComparison(w poller.Window, rules Rules, before *comparison) *comparison {
	return &comparison{window: w, rules: rules, letters: map[uint64]string{}, noted: map[contentKey]int32{}, before: before}
}

// near reports whether the conversation may be shown with the range. Where the record does not say when it was, it may.
func (c *comparison) near(r Record) bool {
	wide := c.window.Around()
	start, end := r.Row.Start, r.End
	return start.IsZero() || wide.Contains(start) || wide.Contains(end) || end.IsZero() && start.Before(wide.End)
}

// addRecord adds a record of a topic of conversations.
func (c *comparison) addRecord(r Record) error {
	if r.Err != nil {
		c.unreadable = append(c.unreadable, r.Where)
		return nil
	}
	if !c.near(r) {
		return nil
	}
	key := c.keyOf(r.Row)
	// Whatever time the service goes by, start or end: it shows the conversation with the range if both lie in it.
	in := !r.Start.IsZero() && !r.End.IsZero() && c.window.Contains(r.Start) && c.window.Contains(r.End)
	c.held.Add(audit.Revision[identity, uint32]{
		Identity: key.id, Session: key.session, Number: r.Number, Content: c.contentOf(r.Row), At: r.At, Where: r.Where,
		Republished: r.Republished, Within: in, Partly: r.Row.Start.Before(c.window.Around().Start), // what was published before that was not read
	})
	if r.Supersedes != "" {
		c.supersedes = append(c.supersedes, rowKey{identityOf(r.Supersedes), c.session(r.Supersedes)})
	}
	if c.held.Len() > mostHeld {
		return errTooMuch
	}
	return nil
}

// addLetter adds a dead letter; with an error if it is not whole.
func (c *comparison) addLetter(l encoder.Letter, err error) {
	if err == nil {
		c.letters[c.contentOf(smartassist.ParseRow(l.Row))] = l.ID
	}
}

// open ends the reading of the topics: what was committed meanwhile is added to them.
func (c *comparison) open() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range c.supersedes {
		c.held.Note(key.id, key.session, audit.Shown)
	}
	early := c.early
	c.opened, c.early = true, nil
	for _, b := range early {
		c.batch(b)
	}
	c.takeOver()
}

// takeOver takes in what the session before has found and not settled: what was to be published then is judged again.
func (c *comparison) takeOver() {
	if c.before == nil {
		return
	}
	b := c.before
	c.before = nil
	c.held.TakeMarks(&b.held)
	c.noted, c.equal = b.noted, b.equal
	for _, f := range slices.Concat(b.unsettled, b.found) {
		if f.row == nil {
			c.found = append(c.found, f)
			continue
		}
		delete(c.noted, f.key)
		c.row(*f.row, shownNow{at: f.at, beside: map[rowKey][]uint64{f.key.rowKey: {f.key.content}}})
	}
}

// observe takes a committed batch; it is for Account.Observe.
func (c *comparison) observe(b Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.opened {
		b.Rows = slices.Clone(b.Rows)
		c.early = append(c.early, b)
		return
	}
	c.batch(b)
}

// batch judges the rows of a batch if it is of the audit, and then adds what was published with it.
func (c *comparison) batch(b Batch) {
	if b.Audit {
		now := c.shownNow(b)
		for _, row := range b.Rows {
			c.row(row, now)
		}
	}
	for _, row := range b.Rows {
		if row.Err == nil {
			c.show(row)
		}
	}
	for _, r := range b.Fresh {
		c.published(r, b.At)
	}
	for _, row := range b.Dead {
		c.letters[c.contentOf(row)] = letterID(row)
	}
}

// published adds a revision that was committed.
func (c *comparison) published(r poller.Revision, at time.Time) {
	key := contentKey{c.keyOf(r.Row), c.contentOf(r.Row)}
	c.held.Learn(audit.Revision[identity, uint32]{
		Identity: key.id, Session: key.session, Number: r.Number, Content: key.content, At: at, Where: audit.Place{Offset: -1},
	})
	marks := audit.Shown
	if _, noted := c.noted[key]; noted {
		c.noted[key] = r.Number
		marks |= audit.Judged
	}
	c.held.Note(key.id, key.session, marks)
}

// letterID returns the id of the dead letter that holds the row.
func letterID(row smartassist.Row) string {
	sum := sha256.Sum256(row.Raw)
	return poller.LetterID(sum[:8]).String()
}

// show notes that the service shows a row, and not the bot-only one that it grew out of.
func (c *comparison) show(row smartassist.Row) {
	key := c.keyOf(row)
	c.held.Note(key.id, key.session, audit.Shown)
	if row.Kind == smartassist.Contact && row.SessionID != "" {
		c.held.Note(identityOf(row.SessionID), c.session(row.SessionID), audit.Shown)
	}
}

// shownNow is what a committed read of the audit says of its rows.
type shownNow struct {
	at     time.Time
	beside map[rowKey][]uint64 // all contents that were shown of a row
	judged map[rowKey]bool     // rows that were judged before it
	fresh  map[contentKey]bool // was published with it
	dead   map[uint64]bool     // became dead letters with it
}

func (c *comparison) shownNow(b Batch) shownNow {
	now := shownNow{b.At, map[rowKey][]uint64{}, map[rowKey]bool{}, map[contentKey]bool{}, map[uint64]bool{}}
	for _, row := range b.Rows {
		if row.Err == nil {
			key := c.keyOf(row)
			now.beside[key] = append(now.beside[key], c.contentOf(row))
			if len(now.beside[key]) == 1 {
				_, now.judged[key] = c.held.Note(key.id, key.session, audit.Judged)
			}
		}
	}
	for _, r := range b.Fresh {
		now.fresh[contentKey{c.keyOf(r.Row), c.contentOf(r.Row)}] = true
	}
	for _, row := range b.Dead {
		now.dead[c.contentOf(row)] = true
	}
	return now
}
