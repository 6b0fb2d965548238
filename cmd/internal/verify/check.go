package verify

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
)

// Topics are the names of the topics to verify.
type Topics struct {
	Conversations        []string
	Progress, DeadLetter string
	Decoder              *encoder.Decoder // of their values; nil: without a registry
}

// All lists them.
func (t Topics) All() []string {
	return append(slices.Clone(t.Conversations), t.Progress, t.DeadLetter)
}

// Report is what was found. The worker is right when Problems is empty.
type Report struct {
	Conversations, Revisions, DeadLetters, Commits int
	CompleteFrom, CompleteThrough                  time.Time
	Late                                           int64
	Replays                                        int // commits of dead letters that were tried again
	ByTopic                                        map[string]int64
	Lost, Twice                                    int      // records that are missing, and that are there once too often
	Problems                                       []string // the first hundred; these and whatever else is wrong
	More                                           int      // problems beyond them

	decoder  *encoder.Decoder
	contents map[simulator.Key][]published
	dead     map[string]int // 16 hex digits of the row's hash -> dead letters
	progress []*encoder.Progress
}

// published is one revision of a row.
type published struct {
	revision int32
	hash     uint64
}

func (r *Report) problem(format string, args ...any) {
	if len(r.Problems) == 100 {
		r.More++
		return
	}
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// Check holds the committed records against the journal:
//
//   - every revision is there once, and the revisions of an identity count 1, 2, 3 without a hole, in order within a topic;
//   - what follows upon itself has changed, and was served like that;
//   - the commits count 1, 2, 3, their sums agree with the topics, and completeThrough never goes back;
//   - every content of every read that was committed is in the topics, and the last of a row is its newest revision there.
func Check(records []*kgo.Record, topics Topics, j *Journal) *Report {
	r := &Report{decoder: cmp.Or(topics.Decoder, encoder.NewDecoder(nil)), ByTopic: map[string]int64{}, contents: map[simulator.Key][]published{}, dead: map[string]int{}}
	served := j.served()
	identities := map[string][]int32{}
	for _, rec := range records {
		switch rec.Topic {
		case topics.Progress:
			r.addProgress(rec)
		case topics.DeadLetter:
			r.addDeadLetter(rec)
		default:
			r.addConversation(rec, identities, served)
		}
	}
	r.checkRevisions(identities)
	r.checkProgress(topics)
	r.checkReads(j)
	return r
}

func (r *Report) addConversation(rec *kgo.Record, identities map[string][]int32, served map[simulator.AnsweredRow]bool) {
	where := fmt.Sprintf("%s-%d offset %d", rec.Topic, rec.Partition, rec.Offset)
	c, err := r.decoder.Conversation(context.Background(), rec.Value)
	if err != nil {
		r.problem("%s: %v", where, err)
		return
	}
	row, err := c.Rebuild()
	if err != nil {
		r.problem("%s: rebuild: %v", where, err)
		return
	}
	r.Revisions++
	r.ByTopic[rec.Topic]++
	key, dead := simulator.KeyOf(row)
	hash := simulator.ContentHash(row)
	if !served[simulator.AnsweredRow{Key: key, Dead: dead, Hash: hash}] {
		r.problem("%s: revision %d of %s was never served like that", where, c.Revision, c.ID)
	}
	if string(rec.Key) != c.ID || !strings.HasPrefix(header(rec, "ce_id"), fmt.Sprintf("%s:%d:", c.ID, c.Revision)) {
		r.problem("%s: key or ce_id does not belong to revision %d of %s", where, c.Revision, c.ID)
	}
	identities[c.ID] = append(identities[c.ID], c.Revision)
	r.contents[key] = append(r.contents[key], published{c.Revision, hash})
}

func header(rec *kgo.Record, name string) string {
	for _, h := range rec.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

func (r *Report) addDeadLetter(rec *kgo.Record) {
	if part := header(rec, "part"); part != "" && part != "1" {
		return
	}
	r.DeadLetters++
	r.ByTopic[rec.Topic]++
	id := header(rec, "ce_id")
	if _, err := hex.DecodeString(id); err != nil || len(id) != 16 {
		r.problem("dead letter at offset %d: ce_id %q", rec.Offset, id)
	}
	if r.dead[id]++; r.dead[id] > 1 {
		r.Twice++
	}
	if r.dead[id] == 2 {
		r.problem("dead letter %s is there twice", id)
	}
}

func (r *Report) addProgress(rec *kgo.Record) {
	p, err := r.decoder.Progress(context.Background(), rec.Value)
	if err != nil {
		r.problem("progress at offset %d: %v", rec.Offset, err)
		return
	}
	r.progress = append(r.progress, p)
}

func (r *Report) checkRevisions(identities map[string][]int32) {
	r.Conversations = len(identities)
	for id, revisions := range identities {
		slices.Sort(revisions) // an identity may have moved to another topic: only their set says something here
		for i, n := range revisions {
			if int(n) != i+1 {
				r.problem("%s has revisions %v, want each of 1 to %d once", id, revisions, len(revisions))
				break
			}
		}
		different := len(slices.Compact(slices.Clone(revisions)))
		r.Twice += len(revisions) - different
		r.Lost += max(0, int(revisions[len(revisions)-1])-different)
	}
	for key, list := range r.contents {
		if !slices.IsSortedFunc(list, func(a, b published) int { return cmp.Compare(a.revision, b.revision) }) {
			slices.SortFunc(list, func(a, b published) int { return cmp.Compare(a.revision, b.revision) })
		}
		for i := 1; i < len(list); i++ {
			if list[i].hash == list[i-1].hash {
				r.Twice++
				r.problem("%s: revision %d says the same as the one before", key.Identity, list[i].revision)
			}
		}
	}
}

func (r *Report) checkProgress(topics Topics) {
	byTopic := map[string]int64{}
	for i, p := range r.progress {
		if p.Sequence != int64(i+1) {
			r.problem("commit %d is number %d in the progress topic", p.Sequence, i+1)
		}
		if i > 0 && p.CompleteThrough.Before(r.CompleteThrough) && p.Selection == r.progress[i-1].Selection {
			r.problem("commit %d: completeThrough of the selection goes back from %v to %v", p.Sequence, r.CompleteThrough, p.CompleteThrough)
		}
		r.CompleteFrom, r.CompleteThrough = p.CompleteFrom, p.CompleteThrough
		r.Late += p.Late
		sum := int64(0)
		for topic, n := range p.ByTopic {
			byTopic[topic] += n
			sum += n
		}
		if sum != p.Published+p.DeadLettered || p.Fetched != sum+p.Unchanged {
			r.problem("commit %d does not add up: %+v", p.Sequence, *p)
		}
	}
	r.Commits = len(r.progress)
	for _, topic := range append(slices.Clone(topics.Conversations), topics.DeadLetter) {
		if byTopic[topic] != r.ByTopic[topic] {
			r.problem("%s holds %d records, its commits say %d", topic, r.ByTopic[topic], byTopic[topic])
		}
	}
}

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
			if c.Dead && r.dead[c.Key.Session] == 0 {
				r.Lost++
				r.problem("commit %d: dead row %s is not in the dead letters", p.Sequence, c.Key.Session)
			}
			if !c.Dead {
				newest[c.Key] = contentsOf(c.Key, reads)
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

func (r *Report) checkNewest(newest map[simulator.Key][]uint64) {
	for key, hashes := range newest {
		list := r.contents[key]
		switch {
		case len(list) == 0:
			r.Lost++
			r.problem("%s (session %s) was read and committed, and is not in the topics", key.Identity, key.Session)
		case !slices.Contains(hashes, list[len(list)-1].hash):
			r.Lost++
			r.problem("%s (session %s): the newest revision in the topics is not the newest content committed", key.Identity, key.Session)
		}
	}
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
