package poller

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Assumptions is what the service's answers have shown of how it works, where its documents disagree or are silent. It is a value, and
// a part of the ledger. It decides little by itself (see Poller.observe): what a Reader relies on is its Paging.
type Assumptions struct {
	Unit     finding `json:"unit,omitzero"`
	Cap      finding `json:"cap,omitzero"`
	Short    finding `json:"short,omitzero"`
	Lower    finding `json:"lower,omitzero"` // bound of a window
	Upper    finding `json:"upper,omitzero"`
	Bots     finding `json:"bots,omitzero"` // order of rows without a conversationId
	Contacts finding `json:"contacts,omitzero"`
	Kinds    finding `json:"kinds,omitzero"` // which of the two comes first
	Clock    finding `json:"clock,omitzero"`
	Zone     finding `json:"zone,omitzero"`
	Source   finding `json:"source,omitzero"` // whether each kind has a limit of its own
	Clamp    finding `json:"clamp,omitzero"`
	Day      finding `json:"day,omitzero"` // whether the time of day counts
	Behind   finding `json:"behind,omitzero"`

	Reached int    `json:"reached,omitzero"` // the largest offset at which there were rows
	Bounds  bounds `json:"bounds,omitzero"`  // not decided yet
	Sizes   sizes  `json:"sizes,omitzero"`   // not decided yet
}

// finding is one thing that was found out.
type finding struct {
	Value   string `json:"value,omitzero"`   // "" while it is unknown
	Since   int64  `json:"since,omitzero"`   // Unix seconds
	Checked int64  `json:"checked,omitzero"` // when it was last observed, whatever the value
	Agreed  int64  `json:"agreed,omitzero"`  // observations since then that say so
	Of      int64  `json:"of,omitzero"`      // all of them
	Other   string `json:"other,omitzero"`   // what the last ones said instead
	Times   int    `json:"times,omitzero"`   // how many of them, in a row
}

// note takes in observations of the value, of which so many agree, and reports whether it has changed from another one: after needs
// notes in a row of the new one.
func (f *finding) note(value string, agreed, of int64, needs int, at time.Time) (changed bool) {
	now := seconds(at)
	fresh := finding{Value: value, Since: now, Checked: now, Agreed: agreed, Of: of}
	if f.Value == "" {
		*f = fresh
		return false
	}
	f.Checked = now
	f.Of += of
	if value == f.Value {
		f.Agreed += agreed
		f.Other, f.Times = "", 0
		return false
	}
	if value != f.Other {
		f.Other, f.Times = value, 0
	}
	if f.Times++; f.Times < needs {
		return false
	}
	*f = fresh
	return true
}

// once is note of one observation.
func (f *finding) once(value string, needs int, at time.Time) (changed bool) {
	return f.note(value, 1, 1, needs, at)
}

// counts returns the observations that agree, and all of them, as people read them.
func (f finding) counts() string { return thousands(f.Agreed) + " of " + thousands(f.Of) }

// The values of findings.
const (
	capNone   = "none"
	cap10     = "10"
	shortLast = "last"
	shortMore = "not always last"
	inclusive = "inclusive"
	exclusive = "exclusive"

	ascending     = "ascending"
	descending    = "descending"
	unordered     = "in no order of time"
	botsFirst     = "bot rows first"
	contactsFirst = "contacts first"
	kindsMixed    = "mixed"

	clockName   = "clock"
	clockSame   = "same"
	clockAhead  = "ahead"
	clockBehind = "behind"
	zoneUTC     = "UTC"
	limitShared = "no"
	limitEach   = "yes"
	clampNone   = "none"
	dayCounts   = "counts"
	dayIgnored  = "ignored"
	behindEmpty = "empty page"
	behindNone  = "refused"
	behindError = "error"
)

// NotKnown is the Value of an Assumption about which nothing was observed yet.
const NotKnown = "unknown"

// Assumption is one thing that was found out about the service, in words. It holds no personal data.
type Assumption struct {
	Name     string    `json:"name"`
	Value    string    `json:"value"`    // NotKnown until it was seen
	Evidence string    `json:"evidence"` // what was observed; of an unknown one, what is waited for
	Since    time.Time `json:"since"`    // when it was found to have the value
	Checked  time.Time `json:"checked"`  // when it was last observed
	Effect   string    `json:"effect"`   // what depends on it
	Hint     string    `json:"hint,omitempty"`
}

// assumption returns a finding in words; known is its value, "" for none.
func (f finding) assumption(name, known, evidence, awaited, effect string) Assumption {
	a := Assumption{Name: name, Value: known, Evidence: evidence, Since: unix(f.Since), Checked: unix(f.Checked), Effect: effect}
	switch {
	case known == "":
		a.Value, a.Evidence = NotKnown, "not seen yet: "+awaited
	case f.Value == "": // the ledger's Paging knows it from an earlier version
		a.Evidence = "found before this was counted"
	}
	return a
}

// list returns all assumptions in words. What is not found here may be known by the paging; the clock is the last answer's.
func (a Assumptions) list(p Paging, c Clock) []Assumption {
	return []Assumption{
		a.unit(p), a.cap(p), a.short(p), a.bounds(), a.order(), a.clock(c), a.zone(), a.source(), a.clamp(), a.day(p), a.behind(p),
	}
}

// or returns the finding's value, else another one if it holds.
func (f finding) or(holds bool, other string) string {
	if f.Value == "" && holds {
		return other
	}
	return f.Value
}

func (a Assumptions) unit(p Paging) Assumption {
	value := a.Unit.or(true, string(p.Unit))
	effect := map[string]string{
		string(UnitRows):  "a window of many pages is read in steps of a page less one row",
		string(UnitPages): "a window of many pages is read page by page, each with a lower limit",
		"":                "a window of many pages is read so that it is right for both readings, with more requests",
	}[value]
	evidence := fmt.Sprintf("%s pages at an offset show the rows of that reading", a.Unit.counts())
	return a.Unit.assumption("unit of offset", value, evidence, "a window of three rows or more is needed", effect)
}

func (a Assumptions) cap(p Paging) Assumption {
	value := a.Cap.or(p.BeyondCap, capNone)
	value = finding{Value: value}.or(p.Capped, cap10)
	effect, evidence := "windows are made for many pages, and read page by page", "there were rows at offsets up to "+thousands(int64(a.Reached))
	switch value {
	case cap10:
		effect, evidence = "windows are made for the rows that can be read, which takes more requests", a.Cap.counts()+" questions beyond offset 10 say so"
	case "":
		effect = "it is found out with the first window of many pages"
	}
	return a.Cap.assumption("cap of offset", value, evidence, "a window with rows beyond offset 10 is needed", effect)
}

func (a Assumptions) short(p Paging) Assumption {
	value := a.Short.or(p.ShortUnsafe, shortMore)
	value = finding{Value: value}.or(p.Proven > 0, shortLast)
	effect := "a window is whole with one short page; every fiftieth is proven again"
	evidence := fmt.Sprintf("the page behind a short one brought nothing new in %s proofs; the largest such page had %d rows", a.Short.counts(), p.Proven)
	if value == shortMore {
		effect = "every window is read until a page brings nothing new, which takes more requests"
		evidence = fmt.Sprintf("%d proofs found rows behind a short page", p.ProbesFailed)
	}
	return a.Short.assumption("short pages", value, evidence, "a settled window with a short page is needed", effect)
}

func (a Assumptions) bounds() Assumption {
	value, f := a.Lower.Value, a.Lower
	switch {
	case value == "" && a.Upper.Value != "":
		value, f = "end "+a.Upper.Value, a.Upper
	case value != "" && a.Upper.Value == "":
		value = "start " + value
	case value != a.Upper.Value:
		value = "start " + value + ", end " + a.Upper.Value
	}
	f.Since, f.Checked = max(a.Lower.Since, a.Upper.Since), max(a.Lower.Checked, a.Upper.Checked)
	evidence := fmt.Sprintf("%s pages with rows a second within the start that was asked for have rows at it, and %s of the end", a.Lower.counts(), a.Upper.counts())
	return f.assumption("bounds", value, evidence, "whole pages with rows at the bounds that were asked for are counted",
		"nothing: a second more is asked for on both sides")
}

func (a Assumptions) order() Assumption {
	var known []string
	since, checked := int64(0), int64(0)
	for _, f := range []struct {
		of string
		finding
	}{{"bot rows ", a.Bots}, {"contacts ", a.Contacts}, {"", a.Kinds}} {
		if f.Value == "" {
			continue
		}
		known = append(known, f.of+f.Value)
		since, checked = max(since, f.Since), max(checked, f.Checked)
	}
	value := strings.Join(known, ", ")
	evidence := fmt.Sprintf("so are bot rows on %s pages, contacts on %s; on %s both are in this order", a.Bots.counts(), a.Contacts.counts(), a.Kinds.counts())
	return finding{Value: value, Since: since, Checked: checked}.assumption("order of rows", value, evidence, "a page with some rows is needed",
		"nothing, as long as it is the same from page to page: pages are put together by the rows that they share")
}

func (a Assumptions) clock(c Clock) Assumption {
	evidence := fmt.Sprintf("it was so in %s answers; the last bore a time %s from this machine's", a.Clock.counts(), apart(c.Ahead))
	if !c.Known {
		evidence = fmt.Sprintf("it was so in %s answers; the last had no Date", a.Clock.counts())
	}
	out := a.Clock.assumption(clockName, a.Clock.Value, evidence, "an answer with a Date is needed",
		"what has settled is judged by the earlier clock: completeThrough lags by as much as they differ")
	if a.Clock.Value != "" && a.Clock.Value != clockSame {
		out.Hint = hintClock
	}
	return out
}

func apart(d time.Duration) string { return Seconds(d.Abs()).String() }

// nearStart is how far a row's start may lie from the time in its sessionId, in seconds, to be the same.
const nearStart = 2

func (a Assumptions) zone() Assumption {
	evidence := fmt.Sprintf("%s rows start within %d s of their sessionId's time", a.Zone.counts(), nearStart)
	off := a.Zone.Value != "" && a.Zone.Value != zoneUTC
	if off {
		evidence = fmt.Sprintf("%s rows start as far from their sessionId's time, which is UTC, as this zone's clocks are", a.Zone.counts())
	}
	out := a.Zone.assumption("time zone", a.Zone.Value, evidence, "rows with a sessionStartTime and a sessionId that is an ObjectId are needed",
		"times without a zone are taken as UTC: the start of rows, their window, and how late they show")
	if off {
		out.Hint = hintZone
	}
	return out
}

// hintZone is what to do where the service's times are not in UTC.
const hintZone = "the service does not return times in UTC, though timeZoneOffset 0 is asked for: tell its people; times without a zone in the topics are off by as much, and no setting corrects them"

func (a Assumptions) source() Assumption {
	effect, evidence := "a page holds at most the limit", a.Source.counts()+" full pages hold both kinds of row, and no more than the limit"
	if a.Source.Value == limitEach {
		effect, evidence = "a page may hold twice the limit, and every step goes no further than the limit", a.Source.counts()+" pages that say so: more rows than the limit, of both kinds"
	}
	return a.Source.assumption("limit per source", a.Source.Value, evidence, "a full page with both kinds of row is needed", effect)
}

func (a Assumptions) clamp() Assumption {
	effect, evidence := "a page is full when it holds SMARTASSIST_PAGE_LIMIT rows", a.Clamp.counts()+" pages with others behind them hold as many rows as were asked for"
	if a.Clamp.Value != "" && a.Clamp.Value != clampNone {
		effect = "a page below SMARTASSIST_PAGE_LIMIT may not be the last: see short pages"
		evidence = fmt.Sprintf("%s pages with others behind them hold so many rows, none more", a.Clamp.counts())
	}
	return a.Clamp.assumption("clamp", a.Clamp.Value, evidence, "a window of several pages is needed", effect)
}

func (a Assumptions) day(p Paging) Assumption {
	value := a.Day.or(p.IgnoresTime, dayIgnored)
	effect, evidence := "windows are made narrower until they fit", a.Day.counts()+" pages hold only rows of the time that was asked for"
	if value == dayIgnored {
		effect, evidence = "each window is read through a whole day, which takes many more requests", a.Day.counts()+" pages are mostly rows of other times of the day"
	}
	return a.Day.assumption("time of day", value, evidence, "a page with some rows, not at the beginning of a day, is needed", effect)
}

func (a Assumptions) behind(p Paging) Assumption {
	value := a.Behind.or(p.FailsBehind, behindError)
	effect := "that page is the end of a window"
	if value == behindError {
		effect = "an error there is tried again less often, and taken for the end"
	}
	return a.Behind.assumption("behind the end", value, a.Behind.counts()+" questions behind a short page were answered so", "a proof behind a short page is needed", effect)
}

// thousands is a number with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
