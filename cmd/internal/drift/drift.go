// Package drift records how an account's rows differ from the schema: members that no field holds, values that do not fit
// their field, values that a field with few values never had, rows that are no conversation at all. It records names, types, times
// and counts, never values. What was found outlives the process: it is kept in the state.
package drift

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/convstream/convstream/encoder"
)

// Kind is how rows differ from the schema.
type Kind string

// The kinds, in the order in which they are listed.
const (
	Member   Kind = Kind(encoder.UnknownMember) // a member that no field holds
	Value    Kind = Kind(encoder.Misfit)        // a value that does not fit its field
	Spelling Kind = Kind(encoder.Respelt)       // a name in another case; the value fits
	NewValue Kind = "new value"                 // one that was not seen before, of a field that has few
	Row      Kind = "row"                       // a row that cannot be published: a dead letter
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{Member, Value, Spelling, NewValue, Row} }

// Finding is one way in which rows differ from the schema.
type Finding struct {
	Kind Kind `json:"kind"`
	// Field is the path in the schema; of a member the path of its object and its name; of a row why it cannot be published. It is empty
	// where an object was kept whole since names in it repeat or are no text.
	Field   string    `json:"field"`
	Type    string    `json:"type,omitempty"`    // the JSON type that was found, of a member or a value
	Pointer string    `json:"pointer,omitempty"` // into the row in which it was last found (JSON Pointer)
	First   time.Time `json:"firstSeen"`
	Last    time.Time `json:"lastSeen"`
	Count   int64     `json:"count"` // of revisions, rows, or new values
}

// String returns what was found, without where and when.
func (f Finding) String() string {
	text := string(f.Kind) + " " + cmp.Or(f.Field, "of an object whose names repeat or are no text")
	if f.Type != "" {
		text += " (" + f.Type + ")"
	}
	return text
}

// key is what makes two findings the same.
type key struct {
	kind         Kind
	field, found string
}

func (f Finding) key() key { return key{f.Kind, f.Field, f.Type} }

// Bounds of what is kept: the names come from the service, which may send a new one with every row.
const (
	mostFindings   = 200
	longestPointer = 200 // bytes
	mostCodes      = 32  // a field with more different values is not one with few
)

// A value of a field is new once so many were seen, or for so long.
const (
	knownAfterValues = 1000
	knownAfter       = 7 * 24 * time.Hour
)

// Report is what was found of an account, for people.
type Report struct {
	Since    time.Time `json:"since"`    // when the first row was looked at; zero if none was
	Findings []Finding `json:"findings"` // those found last for the first time come first
	Further  int64     `json:"further"`  // how often something was found that the list has no room for
}

// Record is a report, and what must be known to go on with it. It is a value: With leaves the receiver as it was, so that a record can
// be committed before it counts. The zero value is that of an account of which nothing was seen.
type Record struct {
	Report
	Codes map[string]Codes `json:"codes"` // the values that fields with few values had, by field
}

// Codes are the values that a field had, as checksums.
type Codes struct {
	Since time.Time `json:"since"`
	Count int64     `json:"count"`          // of values seen
	Sums  []uint32  `json:"sums,omitempty"` // the different ones, ascending
	Many  bool      `json:"many,omitempty"` // there are too many: the field is not one with few
}

// known reports whether a value that is not among the codes is new, rather than not yet met.
func (c Codes) known(at time.Time) bool {
	return !c.Many && (c.Count >= knownAfterValues || at.Sub(c.Since) >= knownAfter)
}

// Batch is what one commit finds. It gathers; With adds it to a record.
type Batch struct {
	at       time.Time
	found    map[key]Finding
	codes    []encoder.Code
	anything bool
}

// Revision adds what differs in a published revision, which was read at the instant.
func (b *Batch) Revision(at time.Time, m encoder.Message) {
	b.look(at)
	for _, d := range m.Deviations {
		if d.Kind != encoder.UnknownMember || d.Field != "" { // of very many unknown members of a row only the first are named
			b.add(Finding{Kind: Kind(d.Kind), Field: d.Field, Type: d.Type, Pointer: bounded(d.Pointer)})
		}
	}
	b.codes = append(b.codes, m.Codes...)
}

// DeadLetter adds a row that cannot be published for the reason, which must be one of few.
func (b *Batch) DeadLetter(at time.Time, reason string) {
	b.look(at)
	b.add(Finding{Kind: Row, Field: reason})
}

func (b *Batch) look(at time.Time) {
	if b.anything = true; at.After(b.at) {
		b.at = at
	}
}

func (b *Batch) add(f Finding) {
	if b.found == nil {
		b.found = map[key]Finding{}
	}
	f.Count = b.found[f.key()].Count + 1
	b.found[f.key()] = f
}

// bounded cuts a pointer. What is cut within a character would be no JSON.
func bounded(pointer string) string {
	return strings.ToValidUTF8(pointer[:min(len(pointer), longestPointer)], "")
}

// With returns the record after the batch, and what was found for the first time.
func (r Record) With(b *Batch) (_ Record, news []Finding) {
	if !b.anything {
		return r, nil
	}
	if r.Since.IsZero() {
		r.Since = b.at
	}
	found := map[key]Finding{}
	maps.Copy(found, b.found)
	for _, f := range r.addCodes(b) {
		f.Count += found[f.key()].Count
		found[f.key()] = f
	}
	if len(found) == 0 {
		return r, nil
	}
	r.Report, news = r.Report.add(b.at, found)
	return r, news
}

// add adds the findings of a batch.
func (r Report) add(at time.Time, found map[key]Finding) (_ Report, news []Finding) {
	r.Findings = slices.Clone(r.Findings)
	for i := range r.Findings {
		old := &r.Findings[i]
		if f, again := found[old.key()]; again {
			old.Last, old.Pointer, old.Count = at, f.Pointer, old.Count+f.Count
		}
	}
	for k, f := range found {
		if !slices.ContainsFunc(r.Findings, func(old Finding) bool { return old.key() == k }) {
			f.First, f.Last = at, at
			news = append(news, f)
		}
	}
	slices.SortFunc(news, byName)
	for _, f := range news[min(len(news), mostFindings-len(r.Findings)):] {
		r.Further += f.Count
	}
	news = news[:min(len(news), mostFindings-len(r.Findings))]
	r.Findings = append(slices.Clone(news), r.Findings...)
	return r, news
}

func byName(a, b Finding) int {
	kinds := Kinds()
	return cmp.Or(slices.Index(kinds, a.Kind)-slices.Index(kinds, b.Kind), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Type, b.Type))
}

// addCodes adds the batch's values to those that are known, and returns a finding for each field that had a new one.
func (r *Record) addCodes(b *Batch) (news []Finding) {
	if len(b.codes) == 0 {
		return nil
	}
	r.Codes = maps.Clone(r.Codes)
	if r.Codes == nil {
		r.Codes = map[string]Codes{}
	}
	for _, code := range b.codes {
		c, there := r.Codes[code.Field]
		if !there {
			c.Since = b.at
		}
		i, seen := slices.BinarySearch(c.Sums, code.Sum)
		if !seen && !c.Many {
			if c.known(b.at) {
				news = append(news, Finding{Kind: NewValue, Field: code.Field, Count: 1})
			}
			c.Sums = slices.Insert(slices.Clone(c.Sums), i, code.Sum)
			if len(c.Sums) > mostCodes {
				c.Sums, c.Many = nil, true
			}
		}
		c.Count++
		r.Codes[code.Field] = c
	}
	return news
}
