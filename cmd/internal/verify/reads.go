package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
)

// checkReads finds the answers behind every commit, and every content of them in the topics.
func (r *Report) checkReads(j *Journal) {
	j.mu.Lock()
	defer j.mu.Unlock()
	newest := map[simulator.Key][]uint64{}
	from := 0
	commits := r.commitsOfReads()
	for i, p := range commits {
		var next *encoder.Progress
		if i+1 < len(commits) {
			next = commits[i+1]
		}
		var reads []read
		if from, reads = r.behind(j, p, next, from); from == len(j.answers) {
			r.problem("commit %d: the service was never asked for %v to %v at %v", p.Sequence, p.WindowStart, p.WindowEnd, p.ReadAt)
			return
		}
		rows := reads[0]
		for _, c := range rows {
			switch {
			case !c.Dead:
				newest[c.Key] = contentsOf(c.Key, reads)
			case r.dead[c.Key.Session] == 0:
				r.Lost++
				r.problem("commit %d: dead row %s is not in the dead letters", p.Sequence, c.Key.Session)
			default:
				r.broken[c.Of] = true
			}
		}
		if int64(len(rows)) != p.Fetched {
			near := j.answers[max(0, from-2):min(len(j.answers), from+int(p.Requests)+2)]
			r.problem("commit %d says %d rows, the service gave %d: %s", p.Sequence, p.Fetched, len(rows), tell(near))
		}
	}
	r.checkNewest(newest)
}

// read is what the service answered for one window, each row as it was answered last.
type read map[simulator.Key]simulator.AnsweredRow

// contentsOf are the contents of a row in reads of one window.
func contentsOf(key simulator.Key, reads []read) (hashes []uint64) {
	for _, rows := range reads {
		if row, met := rows[key]; met {
			hashes = append(hashes, row.Hash)
		}
	}
	return hashes
}

// behind gives the read behind a commit: the index of its first answer, and its rows. Another worker may have asked for the
// same window within the same second and not have committed it. Where there is a choice, it is a read that has as many
// rows as the commit says and all of them in the topics; there may be several, and which of them it was nobody can tell.
// Where there is none, it is the nearest in time.
func (r *Report) behind(j *Journal, p, next *encoder.Progress, from int) (first int, reads []read) {
	first = len(j.answers)
	for i := from; i < len(j.answers) && j.answers[i].at.Sub(p.ReadAt) < tolerance; i++ {
		if !j.answers[i].begins(p) {
			continue
		}
		if rows := j.rows(i, p, next); int64(len(rows)) == p.Fetched && r.publishedAll(rows) {
			first, reads = min(first, i), append(reads, rows)
		}
	}
	if nearest := j.find(p, from); len(reads) == 0 && nearest < len(j.answers) {
		return nearest, []read{j.rows(nearest, p, next)}
	}
	return first, reads
}

// rows are those of the read that begins with the answer, each as it was answered last. What follows may be the same
// window, read again by the successor of a worker that died right after this commit.
func (j *Journal) rows(first int, p, next *encoder.Progress) read {
	end := min(len(j.answers), first+int(p.Requests))
	if next != nil {
		end = min(end, j.find(next, first+1))
	}
	out := read{}
	for _, a := range j.answers[first:end] {
		if !a.From.Equal(j.answers[first].From) || !a.To.Equal(j.answers[first].To) {
			break
		}
		for _, c := range a.Rows {
			out[c.Key] = c
		}
	}
	return out
}

func (r *Report) publishedAll(rows read) bool {
	for key, row := range rows {
		if row.Dead && r.dead[key.Session] > 0 {
			continue
		}
		if !slices.ContainsFunc(r.contents[key], func(p published) bool { return p.hash == row.Hash }) {
			return false
		}
	}
	return true
}

// tell lists answers.
func tell(list []answer) string {
	var b strings.Builder
	for _, a := range list {
		fmt.Fprintf(&b, "[%s to %s offset %d, at %s: %d rows] ", a.From.Format(time.TimeOnly), a.To.Format(time.TimeOnly), a.Offset,
			a.at.Format("15:04:05.000"), len(a.Rows))
	}
	return b.String()
}

// longestWay is how long a request may have been on its way to the service: the worker may have been stopped meanwhile.
const longestWay = 2 * time.Minute

// tolerance is how much earlier than the worker says the journal may have an answer: the Date header leaves fractions out.
const tolerance = 1200 * time.Millisecond

// begins tells whether the answer may be the first of the commit's read. The worker asks one second wider. Its clock was
// read before the request, ours when it arrived: later by whatever held it up on the way.
func (a answer) begins(p *encoder.Progress) bool {
	way := a.at.Sub(p.ReadAt)
	return a.Offset == 0 && -tolerance < way && way < longestWay &&
		a.From.Equal(p.WindowStart.Add(-time.Second)) && a.To.Equal(p.WindowEnd.Add(time.Second))
}

// find is the index of the answer at or after from that begins the commit's read, the nearest in time of those that may.
func (j *Journal) find(p *encoder.Progress, from int) int {
	found, nearest := len(j.answers), longestWay
	for i := from; i < len(j.answers) && j.answers[i].at.Sub(p.ReadAt) < longestWay; i++ {
		if way := j.answers[i].at.Sub(p.ReadAt).Abs(); way < nearest && j.answers[i].begins(p) {
			found, nearest = i, way
		}
	}
	return found
}
