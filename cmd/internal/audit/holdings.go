// Package audit judges what topics hold: whether the revisions there count as they must, and whether they are what a service shows.
//
// It is pure: it knows neither Kafka nor the service, nor how a row is identified or hashed. The audit of a worker and the judge of the
// tests share it, so that both trust the same code, and each brings its own notion of identity and content.
package audit

import (
	"iter"
	"slices"
	"time"
)

// Place is where a record stands.
type Place struct {
	Topic     string
	Partition int
	Offset    int64 // negative where it is not known
}

// Revision is a record of a conversation: a content of a row, and its number. An identity may come on several rows, each with a
// session of its own; they share its numbers.
type Revision[I, S comparable] struct {
	Identity    I
	Session     S
	Number      int32
	Content     uint64    // a hash of the row
	At          time.Time // when the row was read from the service; kept to the second
	Where       Place
	Republished bool // it may say the same as the one before
	Within      bool // the row lies in the range that is judged, and must be shown with it: see Extra
	Partly      bool // older revisions may be there that were not read
}

// Holdings are the revisions that topics hold. The zero value holds nothing. They need about 150 bytes a conversation where identities
// and sessions are small: see BenchmarkHoldings.
type Holdings[I, S comparable] struct {
	revisions map[I][]held[S] // ascending by number
	places    []partition
	numbers   map[partition]uint16 // index in places
}

type partition struct {
	topic string
	id    int
}

// held is a Revision without what the map has.
type held[S comparable] struct {
	content uint64
	offset  int64
	number  int32
	at      uint32 // Unix seconds
	session S
	place   uint16
	flags   flags
}

type flags uint8

const (
	republished flags = 1 << iota
	within
	partly
	learned
)

// Mark is a note about a row that is held.
type Mark flags

// The marks.
const (
	Shown  Mark = 1 << (iota + 4) // a service shows the row: it is not extra
	Judged                        // it was judged
)

// Len returns the number of identities.
func (h *Holdings[I, S]) Len() int { return len(h.revisions) }

// Add adds a record. Those of different topics may come in any order.
func (h *Holdings[I, S]) Add(r Revision[I, S]) { h.add(r, 0) }

func (h *Holdings[I, S]) add(r Revision[I, S], flags flags) {
	if h.revisions == nil {
		h.revisions, h.numbers = map[I][]held[S]{}, map[partition]uint16{}
	}
	e := held[S]{content: r.Content, offset: r.Where.Offset, number: r.Number, at: seconds(r.At), session: r.Session, place: h.placeOf(r.Where), flags: flags}
	if r.Republished {
		e.flags |= republished
	}
	if r.Within {
		e.flags |= within
	}
	if r.Partly {
		e.flags |= partly
	}
	list := h.revisions[r.Identity]
	at := len(list)
	for at > 0 && list[at-1].number > e.number {
		at--
	}
	h.revisions[r.Identity] = slices.Insert(list, at, e)
}

// Learn adds a record that was committed while the topics were read, or since. It may have been read there, too.
func (h *Holdings[I, S]) Learn(r Revision[I, S]) {
	if !slices.ContainsFunc(h.revisions[r.Identity], func(e held[S]) bool { return e.number == r.Number && e.content == r.Content }) {
		h.add(r, learned)
	}
}

// seconds returns Unix seconds, 0 where there are none.
func seconds(t time.Time) uint32 { return uint32(min(max(0, t.Unix()), 1<<32-1)) }

func (h *Holdings[I, S]) placeOf(w Place) uint16 {
	p := partition{w.Topic, w.Partition}
	n, known := h.numbers[p]
	if !known && len(h.places) < 1<<16 {
		n = uint16(len(h.places))
		h.places, h.numbers[p] = append(h.places, p), n
	}
	return n
}

func (h *Holdings[I, S]) revision(id I, e held[S]) Revision[I, S] {
	p := h.places[e.place]
	return Revision[I, S]{
		Identity: id, Session: e.session, Number: e.number, Content: e.content, At: time.Unix(int64(e.at), 0).UTC(),
		Where: Place{p.topic, p.id, e.offset}, Republished: e.flags&republished != 0, Within: e.flags&within != 0, Partly: e.flags&partly != 0,
	}
}

// Newest returns the newest revision of a row.
func (h *Holdings[I, S]) Newest(id I, session S) (r Revision[I, S], ok bool) {
	list := h.revisions[id]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].session == session {
			return h.revision(id, list[i]), true
		}
	}
	return r, false
}

// Of returns the newest revision of a row that has the content.
func (h *Holdings[I, S]) Of(id I, session S, content uint64) (r Revision[I, S], ok bool) {
	list := h.revisions[id]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].session == session && list[i].content == content {
			return h.revision(id, list[i]), true
		}
	}
	return r, false
}

// Has reports whether a revision of the row has the content.
func (h *Holdings[I, S]) Has(id I, session S, content uint64) bool {
	_, ok := h.Of(id, session, content)
	return ok
}

// Fault is what is wrong with the revisions of one identity by themselves.
type Fault[I, S comparable] struct {
	Identity I
	Numbers  []int32 // ascending, if they are not each of 1 to n once; else nil
	Twice    int     // revisions that are there once too often
	Gone     int     // numbers below the last one that are not there
	Same     []Revision[I, S]
	Last     Revision[I, S]
	// Concerns: a row of the identity lies in the range that is judged, or is marked as Shown.
	Concerns bool
	Partly   bool // older revisions may be there that were not read
}

// Faults finds the identities whose revisions do not count 1, 2, 3, each once, or of which one says the same as the one before of its
// row: those are in Same. It is about the records that were read in the topics, not about those of Learn.
func (h *Holdings[I, S]) Faults() iter.Seq[Fault[I, S]] {
	return func(yield func(Fault[I, S]) bool) {
		for id, list := range h.revisions {
			if f := h.fault(id, list); (f.Numbers != nil || f.Same != nil) && !yield(f) {
				return
			}
		}
	}
}

func (h *Holdings[I, S]) fault(id I, list []held[S]) Fault[I, S] {
	f := Fault[I, S]{Identity: id}
	different, wrong := 0, false
	for i, e := range list {
		f.Concerns = f.Concerns || e.flags&(within|flags(Shown)) != 0
		f.Partly = f.Partly || e.flags&partly != 0
		if e.flags&learned != 0 {
			continue
		}
		if len(f.Numbers) == 0 || e.number != f.Last.Number {
			different++
		}
		f.Numbers, f.Last = append(f.Numbers, e.number), h.revision(id, e)
		wrong = wrong || int(e.number) != len(f.Numbers)
		if e.flags&republished == 0 && repeats(list[:i], e) {
			f.Same = append(f.Same, f.Last)
		}
	}
	if !wrong {
		f.Numbers = nil
		return f
	}
	f.Twice = len(f.Numbers) - different
	f.Gone = max(0, int(f.Last.Number)-different)
	return f
}

// repeats reports whether the revision says the same as the last of its row before it.
func repeats[S comparable](before []held[S], e held[S]) bool {
	for i := len(before) - 1; i >= 0; i-- {
		if before[i].session == e.session {
			return before[i].content == e.content
		}
	}
	return false
}

// Note marks a row. It reports whether a revision of it is held, and whether the row had the mark.
func (h *Holdings[I, S]) Note(id I, session S, m Mark) (held, before bool) {
	list := h.revisions[id]
	for i := range list {
		if list[i].session == session {
			held, before = true, before || list[i].flags&flags(m) != 0
			list[i].flags |= flags(m)
		}
	}
	return held, before
}

// TakeMarks marks rows as they are marked in other Holdings.
func (h *Holdings[I, S]) TakeMarks(from *Holdings[I, S]) {
	for id, list := range from.revisions {
		for _, e := range list {
			if marks := e.flags & flags(Shown|Judged); marks != 0 {
				h.Note(id, e.session, Mark(marks))
			}
		}
	}
}

// Extra finds the rows of which the newest revision lies in the range that is judged, and that are not marked as Shown.
func (h *Holdings[I, S]) Extra() iter.Seq[Revision[I, S]] {
	return func(yield func(Revision[I, S]) bool) {
		for id, list := range h.revisions {
			for i, e := range list {
				last := !slices.ContainsFunc(list[i+1:], func(o held[S]) bool { return o.session == e.session })
				if last && e.flags&within != 0 && !isShown(list, e.session) && !yield(h.revision(id, e)) {
					return
				}
			}
		}
	}
}

func isShown[S comparable](list []held[S], session S) bool {
	return slices.ContainsFunc(list, func(e held[S]) bool { return e.session == session && e.flags&flags(Shown) != 0 })
}
