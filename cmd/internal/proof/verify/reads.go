package verify

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
)

// checkReads finds the answers behind every commit, and every content of them in the topics. Reads may be interleaved: the
// answers of one are those with its window, not those in a row; and commits come in the order in which reads end.
func (r *Report) checkReads(j *Journal) {
	j.mu.Lock()
	defer j.mu.Unlock()
	commits, newest := r.commitsOfReads(), newest{}
	x := j.index(commits)
	for _, p := range commits {
		reads := r.behind(x, p)
		if len(reads) == 0 {
			r.unanswered(x, p)
			continue
		}
		if at := x.answers[reads[0].first].at; r.first.IsZero() || at.Before(r.first) {
			r.first = at
		}
		for key, shown := range reads[0].rows {
			r.meet(key, shown, x.answers[shown.place].at)
			switch {
			case !shown.Dead:
				newest.add(key, reads)
			case r.dead[key.Session] == 0:
				r.Lost++
				r.problem("commit %d: dead row %s is not in the dead letters", p.Sequence, key.Session)
			default:
				r.broken[shown.Of] = true
				for _, of := range shown.rest {
					r.broken[of] = true
				}
			}
		}
		if n := len(reads[0].rows); int64(n) != p.Fetched && !x.goesOn(p) {
			r.problem("commit %d says %d rows, the service gave %d: %d requests, %s", p.Sequence, p.Fetched, n, p.Requests, x.tell(p))
		}
	}
	r.checkNewest(newest)
}

// meet notes when a row, or what it is a part of, was first shown.
func (r *Report) meet(key simulator.Key, shown shown, at time.Time) {
	for _, key := range append([]simulator.Key{key, shown.Of}, shown.rest...) {
		if before, met := r.met[key]; !met || at.Before(before) {
			r.met[key] = at
		}
	}
}

// unanswered is a commit without an answer behind it. That a window could not be read at all may be committed, but it covers
// nothing: see CheckClaims.
func (r *Report) unanswered(x *index, p *encoder.Progress) {
	if p.Fetched == 0 && !x.asked(p) {
		r.unread[p.Sequence] = true
		return
	}
	r.problem("commit %d: the service was never asked for %v to %v at %v", p.Sequence, p.WindowStart, p.WindowEnd, p.ReadAt)
}

// read is what the service answered for one window, each row as it was answered last.
type read struct {
	first int // place of its first answer in the journal
	rows  map[simulator.Key]shown
}

// shown is a row in a read.
type shown struct {
	simulator.AnsweredRow
	place int             // in the journal, of the answer that showed it
	rest  []simulator.Key // of what could not be told apart: what is in it
}

// newest is the content of each row that was answered last among the committed reads.
type newest map[simulator.Key]latest

// latest are contents of which one is the last, and the places in the journal between which it was answered.
type latest struct {
	from, to int
	hashes   []uint64
}

// add notes a row of a commit behind which one of the reads is. A read that began earlier may be committed later.
func (n newest) add(key simulator.Key, reads []read) {
	var l latest
	for _, read := range reads {
		row, met := read.rows[key]
		if !met {
			continue
		}
		if l.hashes == nil {
			l.from, l.to = row.place, row.place
		}
		l.from, l.to, l.hashes = min(l.from, row.place), max(l.to, row.place), append(l.hashes, row.Hash)
	}
	switch known, met := n[key]; {
	case !met || l.from > known.to:
		n[key] = l
	case l.to >= known.from: // nobody can tell
		hashes := append(l.hashes, known.hashes...)
		slices.Sort(hashes)
		n[key] = latest{min(l.from, known.from), max(l.to, known.to), slices.Compact(hashes)}
	}
}

// behind gives the reads that may be behind a commit, of which one is. Another worker may have asked for the same window within the
// same second and not have committed it. Where there is a choice, it is a read that has as many rows as the commit
// says and all of them in the topics; there may be several within the second. Else it is one whose contents were replaced before they were
// committed, and whose rows are all there. Where there is none, it is the nearest in time.
func (r *Report) behind(x *index, p *encoder.Progress) (reads []read) {
	var replaced, all []read // nearest first
	for _, first := range x.beginnings(p) {
		if way, _ := x.way(first, p); way > tolerance && len(reads) > 0 {
			break
		}
		for rows := range x.reads(first, p) {
			all = append(all, rows)
			if int64(len(rows.rows)) != p.Fetched {
				continue
			}
			rowsThere, contentsThere := r.publishedAll(rows)
			if contentsThere {
				reads = append(reads, rows)
				break
			}
			if rowsThere {
				replaced = append(replaced, rows)
			}
		}
	}
	switch {
	case len(reads) > 0:
		slices.SortFunc(reads, func(a, b read) int { return cmp.Compare(a.first, b.first) })
		return reads
	case len(replaced) > 0:
		return replaced[:1]
	}
	return all[:min(1, len(all))]
}

// publishedAll tells whether all rows of the read are in the topics, and with just these contents.
func (r *Report) publishedAll(read read) (rows, contents bool) {
	contents = true
	for key, row := range read.rows {
		if row.Dead && r.dead[key.Session] > 0 {
			continue
		}
		if _, there := r.held.Newest(key.Identity, key.Session); !there {
			return false, false
		}
		contents = contents && r.held.Has(key.Identity, key.Session, row.Hash)
	}
	return true, contents
}

// longestWay is how long a request may have been on its way to the service: the worker may have been stopped meanwhile.
const longestWay = 2 * time.Minute

// tolerance is how much earlier than the worker says the journal may have an answer: the Date header leaves fractions out.
const tolerance = 1200 * time.Millisecond

// asked is a window as the service was asked for it, in Unix seconds.
type asked struct{ from, to int64 }

// askedFor is how the service was asked for a commit's window: one second wider.
func askedFor(p *encoder.Progress) asked {
	return asked{p.WindowStart.Unix() - 1, p.WindowEnd.Unix() + 1}
}

// index is a journal by window.
type index struct {
	*Journal
	places  map[asked][]int               // of the answers, ascending
	commits map[asked][]*encoder.Progress // ascending by when they were read
	earlier time.Duration                 // at most so much earlier than by our clock a worker says that it read
	later   time.Duration                 // or later: its clock and the service's were ahead
}

func (j *Journal) index(commits []*encoder.Progress) *index {
	x := &index{Journal: j, places: map[asked][]int{}, commits: map[asked][]*encoder.Progress{}}
	for i, a := range j.answers {
		window := asked{a.From.Unix(), a.To.Unix()}
		x.places[window] = append(x.places[window], i)
		for _, ahead := range j.clocks() {
			x.earlier, x.later = max(x.earlier, a.at.Sub(a.said(ahead))), max(x.later, a.said(ahead).Sub(a.at))
		}
	}
	for _, p := range commits {
		x.commits[askedFor(p)] = append(x.commits[askedFor(p)], p)
	}
	for _, list := range x.commits {
		slices.SortStableFunc(list, func(a, b *encoder.Progress) int { return a.ReadAt.Compare(b.ReadAt) })
	}
	return x
}

// asked tells whether the service answered for the commit's window about when it was read.
func (x *index) asked(p *encoder.Progress) bool {
	return len(x.around(p)) > 0
}

// around are the places in the index of the answers for the commit's window that came about when it was read, as far as clocks can be apart.
func (x *index) around(p *encoder.Progress) []int {
	list := x.places[askedFor(p)]
	from := sort.Search(len(list), func(i int) bool { return x.answers[list[i]].at.After(p.ReadAt.Add(-tolerance - x.later)) })
	to := sort.Search(len(list), func(i int) bool { return !x.answers[list[i]].at.Before(p.ReadAt.Add(x.earlier + longestWay)) })
	return list[from:max(from, to)]
}

// beginnings are the places of the answers that may be the first of the commit's read, or of its part of a read, the nearest in time
// first.
func (x *index) beginnings(p *encoder.Progress) []int {
	var found []int
	for _, i := range x.around(p) {
		if _, may := x.way(i, p); may {
			found = append(found, i)
		}
	}
	slices.SortStableFunc(found, func(a, b int) int {
		nearA, _ := x.way(a, p)
		nearB, _ := x.way(b, p)
		return cmp.Compare(nearA, nearB)
	})
	return found
}

// goesOn reports whether the commit is the end of a read that was committed in parts, and says only that nothing more came.
func (x *index) goesOn(p *encoder.Progress) bool {
	return p.Fetched == 0 && slices.ContainsFunc(x.commits[askedFor(p)], func(o *encoder.Progress) bool {
		return o.Sequence < p.Sequence && p.ReadAt.Sub(o.ReadAt).Abs() < longestRead
	})
}

// longestRead is how long the parts of one read may lie apart.
const longestRead = 10 * time.Minute

// way is how far apart the answer and the commit's first page are, and whether they may be the same. The worker's clock
// was read before the request, ours when it arrived: later by whatever held it up on the way.
func (x *index) way(i int, p *encoder.Progress) (nearest time.Duration, may bool) {
	for _, ahead := range x.clocks() {
		way := x.answers[i].said(ahead).Sub(p.ReadAt)
		if -tolerance < way && way < longestWay && (!may || way.Abs() < nearest) {
			nearest, may = way.Abs(), true
		}
	}
	return nearest, may
}

// reads are the reads that may begin with the answer: at most as many answers as the commit says that it made requests (some of which
// failed), and none from the first of a later committed read of the same window on. The longest comes first: what
// follows may be the next part of the read, or that of the successor of a worker that died.
func (x *index) reads(first int, p *encoder.Progress) func(yield func(read) bool) {
	return func(yield func(read) bool) {
		list := x.places[askedFor(p)]
		from, _ := slices.BinarySearch(list, first)
		to := min(len(list), from+int(p.Requests))
		for i := from + 1; i < to; i++ {
			if x.beginsLater(list[i], p) {
				to = i
			}
		}
		for end := to; end > from; end-- {
			for read := range x.variants(list[from:end]) {
				if !yield(read) {
					return
				}
			}
		}
	}
}

// beginsLater tells whether the answer is the first of the committed read of the same window that follows upon the commit's.
func (x *index) beginsLater(i int, p *encoder.Progress) bool {
	list := x.commits[askedFor(p)]
	next := slices.Index(list, p) + 1
	if next == 0 || next >= len(list) {
		return false
	}
	found := x.beginnings(list[next])
	return len(found) > 0 && found[0] == i
}

// variants are what a worker can have made of the answers. One whose rows cannot be told apart to its end has failed, unless nothing
// narrower can be asked for: then what comes before the break counts, and the rest.
func (x *index) variants(places []int) func(yield func(read) bool) {
	return func(yield func(read) bool) {
		var torn []int
		for _, i := range places {
			if len(x.answers[i].Rest) > 0 {
				torn = append(torn, i)
			}
		}
		for n := len(torn); n >= 0; n-- {
			taken := -1
			if n > 0 {
				taken = torn[n-1]
			}
			read := read{first: places[0], rows: map[simulator.Key]shown{}}
			for _, i := range places {
				if len(x.answers[i].Rest) == 0 || i == taken {
					x.take(read, i)
				}
			}
			if !yield(read) {
				return
			}
		}
	}
}

func (x *index) take(r read, place int) {
	a := x.answers[place]
	for i, row := range a.Rows {
		s := shown{AnsweredRow: row, place: place}
		if len(a.Rest) > 0 && i == len(a.Rows)-1 {
			s.rest = a.Rest
		}
		r.rows[row.Key] = s
	}
}

// tell lists the answers that are about the commit's.
func (x *index) tell(p *encoder.Progress) string {
	var b strings.Builder
	list := x.around(p)
	for _, i := range list[:min(len(list), int(p.Requests)+3)] {
		a := x.answers[i]
		fmt.Fprintf(&b, "[%s to %s offset %d, at %s: %d rows] ", a.From.Format(time.TimeOnly), a.To.Format(time.TimeOnly), a.Offset,
			a.at.Format("15:04:05.000"), len(a.Rows))
	}
	return b.String()
}
