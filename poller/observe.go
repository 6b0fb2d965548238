package poller

import (
	"fmt"
	"slices"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// How many notes in a row change a finding: those of one page may be a coincidence.
const (
	atOnce     = 1
	unitNeeds  = 2
	pagesNeed  = 3
	dayNeeds   = 20 // a page of a quiet day may hold all of it
	boundsNeed = 2
)

// bounds counts pages with rows at a bound of their window, and a second within it.
type bounds struct {
	LowerAt int `json:"lowerAt,omitzero"`
	LowerIn int `json:"lowerIn,omitzero"`
	UpperAt int `json:"upperAt,omitzero"`
	UpperIn int `json:"upperIn,omitzero"`
}

// boundsLot is how many pages with rows a second within a bound decide: on inclusive bounds there are about as many at it.
const boundsLot = 20

// sizes counts the rows of pages that others came behind, and that were short of the limit.
type sizes struct {
	Largest int              `json:"largest,omitzero"`
	Same    int              `json:"same,omitzero"` // pages of that size, each once
	Of      int              `json:"of,omitzero"`
	Pages   [sizesLot]uint32 `json:"pages,omitzero"` // these, by the hash of their first row
}

// sizesLot is how many pages of the same size decide; sizesMost is among how many at most.
const (
	sizesLot  = 5
	sizesMost = 40
)

// answer is one answer of the service, as what is observed of it needs it.
type answer struct {
	query  smartassist.Query
	page   smartassist.Page
	err    error
	reason Reason
	usual  bool   // of the configured limit
	before Paging // as it was before the answer, and after it
	after  Paging
	at     time.Time // our clock
}

// with returns the answer with what came.
func (s answer) with(page smartassist.Page, err error) answer {
	s.page, s.err = page, err
	return s
}

// pagesMet is what a read keeps of its pages, to compare the next one with.
type pagesMet struct {
	first []smartassist.Row // of page 0
	last  struct {
		offset, rows, limit int
		hash                uint32 // of its first row
	}
	doubt bool // the last one cannot be, by what an offset was found to count
}

// observe takes in what an answer shows of the service. A change from one known value to another is logged, and an event.
func (p *Poller) observe(r *reading, a answer) {
	a.reason, a.usual, a.after, a.at = r.task.Reason, a.query.Limit == p.cfg.PageLimit, p.reader.Paging, p.now()
	known := p.agenda.Assumptions
	found := &p.agenda.Assumptions
	changed := found.answered(a, &r.met)
	if a.err == nil && !p.clockSet {
		clock, _ := clockOf(a.page, a.at)
		changed = found.clocked(clock, a.at) || changed
	}
	if zone := found.Zone.Value; known.Zone.Value == "" && zone != "" && zone != zoneUTC {
		p.cfg.Log.Warn().Str("zone", zone).Str("hint", hintZone).Msg("service times are not in UTC")
	}
	if changed {
		p.reassess(known)
	}
	p.doubtUnit(known.Unit.Value, r.met.doubt)
}

// doubtUnit has it found out anew what an offset counts, where it is another thing than was known, or a page raises a doubt.
func (p *Poller) doubtUnit(known string, doubt bool) {
	found, paging := &p.agenda.Assumptions, &p.reader.Paging
	other := known != "" && found.Unit.Value != known
	if doubt || other && string(paging.Unit) != found.Unit.Value {
		paging.forgetUnit()
	}
	if other { // what was known of a cap was in the other unit
		found.Cap, found.Reached = finding{}, 0
	}
}

// reassess tells of what has changed, and has windows made for it where that is a cap.
func (p *Poller) reassess(known Assumptions) {
	found := p.agenda.Assumptions
	was, is := known.list(p.reader.Paging, p.agenda.Clock), found.list(p.reader.Paging, p.agenda.Clock)
	for i, now := range is {
		before := was[i].Value
		if before == now.Value || before == NotKnown {
			continue
		}
		p.addEvent(Event{Kind: AssumptionChanged, Detail: fmt.Sprintf("%s: %s, was %s", now.Name, now.Value, before)}, p.now())
		if now.Name == clockName { // logClock logs it
			continue
		}
		e := p.cfg.Log.Warn().Str("assumption", now.Name).Str("before", before).Str("now", now.Value).Str("evidence", now.Evidence)
		if now.Hint != "" {
			e = e.Str("hint", now.Hint)
		}
		e.Msg("assumption about the service changed")
	}
	if found.Cap.Value == cap10 && known.Cap.Value == capNone {
		p.reader.Paging.BeyondCap, p.reader.Paging.Capped = false, true
	}
}

// clocked takes in the service's clock of an answer.
func (a *Assumptions) clocked(c Clock, at time.Time) (changed bool) {
	switch {
	case !c.Known:
		return false
	case c.Ahead > sameClock:
		return a.Clock.once(clockAhead, pagesNeed, at)
	case c.Ahead < -sameClock:
		return a.Clock.once(clockBehind, pagesNeed, at)
	}
	return a.Clock.once(clockSame, pagesNeed, at)
}

// answered takes in an answer to a read that has met other pages, and reports whether a finding has changed.
func (a *Assumptions) answered(s answer, met *pagesMet) (changed bool) {
	met.doubt = false
	changed = a.proofs(s)
	changed = a.behindEnd(s, met) || changed
	changed = a.capped(s, met) || changed
	if s.err != nil {
		return changed
	}
	rows, offset, limit := s.page.Rows, s.query.Offset, s.query.Limit
	unit := unitBy(met.first, rows, offset, limit)
	if met.doubt = s.doubtful(met); met.doubt && a.Unit.Value != "" {
		unit = UnitPages
	}
	if unit != UnitUnknown {
		changed = a.Unit.once(string(unit), unitNeeds, s.at) || changed
	}
	if last := met.last; s.brings(last.offset, last.rows) {
		changed = a.size(last.rows, last.limit, last.hash, s) || changed
	}
	if offset == 0 {
		met.first = rows
	}
	met.last.offset, met.last.rows, met.last.limit, met.last.hash = offset, len(rows), limit, hashOfFirst(rows)
	if len(rows) >= limit {
		changed = a.size(len(rows), limit, 0, s) || changed
	}
	return a.rows(s, sum(s.query, rows)) || changed
}

// doubtful reports whether the page is empty though rows of page 0 would show on it again if offsets counted rows, and no cap is in the
// way.
func (s answer) doubtful(met *pagesMet) bool {
	offset := s.query.Offset
	return s.before.Unit == UnitRows && len(s.page.Rows) == 0 && 0 < offset && offset < len(met.first) && s.belowCap()
}

// belowCap reports whether no cap on the offset can be the reason for the answer.
func (s answer) belowCap() bool { return s.before.BeyondCap || s.query.Offset <= offsetCap }

// brings reports whether the page holds rows behind those of the page before: that was not the last.
func (s answer) brings(offset, rows int) bool {
	n := len(s.page.Rows)
	if n == 0 || s.query.Offset <= offset || rows == 0 || !s.belowCap() {
		return false
	}
	switch s.after.Unit {
	case UnitRows:
		return s.query.Offset+n > offset+rows
	case UnitPages:
		return true
	}
	return false
}

// proofs takes in what the Reader has proven with the answer.
func (a *Assumptions) proofs(s answer) (changed bool) {
	b, p := s.before, s.after
	switch {
	case p.ProbesFailed > b.ProbesFailed:
		return a.Short.once(shortMore, atOnce, s.at)
	case p.Examined && p.Leaves == 0 && (b.Leaves > 0 || !b.Examined || p.Proven > b.Proven):
		return a.Short.once(shortLast, pagesNeed, s.at)
	}
	return false
}

// behindEnd takes in how a question behind a short page was answered.
func (a *Assumptions) behindEnd(s answer, met *pagesMet) bool {
	last := met.last
	if s.query.Offset <= last.offset || last.rows >= last.limit {
		return false
	}
	switch {
	case s.err == nil && len(s.page.Rows) == 0:
		return a.Behind.once(behindEmpty, pagesNeed, s.at)
	case refused(s.err) && s.belowCap():
		return a.Behind.once(behindNone, pagesNeed, s.at)
	case noSuchPage(s.err) && s.after.FailsBehind:
		return a.Behind.once(behindError, pagesNeed, s.at)
	}
	return false
}

// capped takes in what is known of a cap on the offset.
func (a *Assumptions) capped(s answer, met *pagesMet) bool {
	full := met.last.rows > 0 && met.last.rows >= met.last.limit
	switch {
	case s.after.Capped && !s.before.Capped:
		return a.Cap.once(cap10, atOnce, s.at)
	case s.query.Offset <= offsetCap:
		return false
	case refused(s.err) && full:
		return a.Cap.once(cap10, pagesNeed, s.at)
	case s.err == nil && len(s.page.Rows) > 0 && s.after.BeyondCap:
		a.Reached = max(a.Reached, s.query.Offset)
		return a.Cap.once(capNone, atOnce, s.at)
	}
	return false
}

// unitBy returns what an offset counts by the rows of a page at it, beside those of page 0; UnitUnknown where they do not tell.
func unitBy(first, rows []smartassist.Row, offset, limit int) Unit {
	n := len(first)
	if n < 3 || offset < 1 || offset >= n || limit < 2 {
		return UnitUnknown
	}
	if len(rows) == 0 { // rows of page 0 would show again, but for a cap
		if offset <= offsetCap {
			return UnitPages
		}
		return UnitUnknown
	}
	if sameRow(&first[offset], &rows[0]) {
		return UnitRows
	}
	if at := offset * limit; at < n {
		if sameRow(&first[at], &rows[0]) {
			return UnitPages
		}
		return UnitUnknown
	}
	switch shared := sharedRows(first, rows); {
	case shared == 0 && n-offset >= 3:
		return UnitPages
	case shared >= 3 && 2*shared >= n-offset:
		return UnitRows
	}
	return UnitUnknown
}

func sharedRows(a, b []smartassist.Row) (n int) {
	for i := range a {
		for j := range b {
			if sameRow(&a[i], &b[j]) {
				n++
				break
			}
		}
	}
	return n
}

// sameRow reports whether both are rows of the same identity and session.
func sameRow(a, b *smartassist.Row) bool {
	return a.Err == nil && b.Err == nil && a.SessionID == b.SessionID && a.ConversationID == b.ConversationID
}

// size takes in how many rows a page holds that is full, or that another one came behind.
func (a *Assumptions) size(rows, limit int, hash uint32, s answer) (changed bool) {
	if rows >= limit {
		if !s.usual { // a clamp may lie above a lower limit
			return false
		}
		a.Sizes = sizes{}
		return a.Clamp.once(clampNone, atOnce, s.at)
	}
	z := &a.Sizes
	if rows > z.Largest || z.Of >= sizesMost || z.Same < 0 || z.Same >= sizesLot { // the latter by another version, or damaged
		*z = sizes{Largest: rows}
	}
	if rows == z.Largest {
		if slices.Contains(z.Pages[:z.Same], hash) { // the same page again
			return false
		}
		z.Pages[z.Same] = hash
		z.Same++
	}
	if z.Of++; z.Same < sizesLot {
		return false
	}
	lot := *z
	*z = sizes{}
	if 4*lot.Same < 3*lot.Of { // sizes differ where rows are left out after paging
		return false
	}
	return a.Clamp.note(fmt.Sprintf("%d rows", lot.Largest), int64(lot.Same), int64(lot.Of), atOnce, s.at)
}

// hashOfFirst distinguishes pages by their first row.
func hashOfFirst(rows []smartassist.Row) uint32 {
	if len(rows) == 0 {
		return 0
	}
	hash := uint32(2166136261) // FNV-1a
	for _, text := range [...]string{rows[0].SessionID, rows[0].ConversationID} {
		for i := range len(text) {
			hash = (hash ^ uint32(text[i])) * 16777619
		}
	}
	return hash
}
