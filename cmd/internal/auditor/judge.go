package auditor

import (
	"bytes"
	"slices"
	"time"

	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
)

// row judges one row, once.
func (c *comparison) row(row smartassist.Row, now shownNow) {
	if row.Err != nil {
		c.deadRow(row, now)
		return
	}
	key := contentKey{c.keyOf(row), c.contentOf(row)}
	if _, noted := c.noted[key]; noted || now.judged[key.rowKey] {
		return
	}
	result := c.judge(row, key, now)
	if result == audit.Equal {
		c.equal++
		return
	}
	c.noted[key] = 0 // until it is published
	f := finding{Difference: Difference{Identity: row.Identity(), Session: row.SessionID, Result: result}, key: key, at: now.at}
	if newest, held := c.held.Newest(key.id, key.session); held {
		f.setHeld(newest)
	}
	switch {
	case result == audit.DeadLetter:
		f.Letter = letterID(row)
	case result != audit.Withheld && !now.fresh[key]:
		row.Raw = bytes.Clone(row.Raw) // out of the page
		f.row = &row
	}
	c.found = append(c.found, f)
}

// judge returns what the topics hold of a row, as they were before the read.
func (c *comparison) judge(row smartassist.Row, key contentKey, now shownNow) audit.Result {
	_, isLetter := c.letters[key.content]
	result := c.held.Judge(key.id, key.session, now.beside[key.rowKey]...)
	switch {
	case result != audit.Missing && c.rules.Deduplicate == poller.ByConversation:
		return audit.Equal
	case result == audit.Equal && c.held.Has(key.id, key.session, key.content):
		return audit.Equal
	case result != audit.Missing && c.isTwin(key):
		return audit.Equal
	case isLetter || now.dead[key.content]:
		return audit.DeadLetter
	case result == audit.Missing && c.withheld(row, now.at):
		return audit.Withheld
	case result == audit.Equal:
		return audit.Stale // another content that the service shows of it at the same time is there
	}
	return result
}

// isTwin reports whether the content was read together with the newest one: neither is older.
func (c *comparison) isTwin(key contentKey) bool {
	newest, _ := c.held.Newest(key.id, key.session)
	r, has := c.held.Of(key.id, key.session, key.content)
	return has && r.At.Equal(newest.At)
}

func (c *comparison) withheld(row smartassist.Row, at time.Time) bool {
	return c.rules.Deduplicate == poller.ByConversation && row.Open() && row.Start.Add(poller.WithheldFor).After(at)
}

// deadRow judges a row that cannot be a conversation.
func (c *comparison) deadRow(row smartassist.Row, now shownNow) {
	key := contentKey{content: c.contentOf(row)}
	if _, noted := c.noted[key]; noted {
		return
	}
	c.noted[key] = 0
	f := finding{Difference: Difference{Result: audit.DeadLetter, Letter: letterID(row)}, key: key, at: now.at}
	if _, there := c.letters[key.content]; !there {
		f.Result = audit.Missing
	}
	c.found = append(c.found, f)
}

// take returns what was found since the last call, and the rows that are to be published again.
func (c *comparison) take() (found []finding, rows []smartassist.Row) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found = c.found
	c.found, c.unsettled = nil, found
	for _, f := range found {
		if f.row != nil {
			rows = append(rows, *f.row)
		}
	}
	return found, rows
}

// settle returns how many rows were equal since the last call, and what take returned, with the revisions as which it was published since.
func (c *comparison) settle(found []finding) (equal int, out []finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	equal = c.equal
	c.equal, c.unsettled = 0, nil
	for i := range found {
		found[i].Published = c.noted[found[i].key]
	}
	return equal, found
}

// rest returns what the topics hold beyond what is shown, and the revisions that do not count as they must. The identities are not known,
// only where the records are.
func (c *comparison) rest() (out []finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := range c.held.Extra() {
		f := finding{Difference: Difference{Result: audit.Extra}}
		f.setHeld(r)
		out = append(out, f)
	}
	for fault := range c.held.Faults() {
		if !fault.Concerns || fault.Twice == 0 && (fault.Gone == 0 || fault.Partly) {
			continue
		}
		result := audit.Gone
		if fault.Twice > 0 {
			result = audit.Twice
		}
		f := finding{Difference: Difference{Result: result, Revisions: fault.Numbers}}
		f.setHeld(fault.Last)
		out = append(out, f)
	}
	for _, place := range c.unreadable {
		f := finding{Difference: Difference{Result: audit.Unreadable}}
		f.setPlace(place)
		out = append(out, f)
	}
	slices.SortFunc(out, byPlace)
	return out
}
