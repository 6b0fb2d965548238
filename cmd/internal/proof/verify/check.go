package verify

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/simulator"
)

// Topics are the names of the topics to verify.
type Topics struct {
	encoder.Topics
	Decoder *encoder.Decoder // of their values; nil: without a registry
}

// Report is what was found. The worker is right when Problems is empty.
type Report struct {
	Conversations, Revisions, DeadLetters, Commits int
	CompleteFrom, CompleteThrough                  time.Time
	Late                                           int64
	Replays                                        int              // commits of dead letters that were tried again
	Republished                                    int              // revisions that say again what was published before, as somebody asked
	Events                                         []*encoder.Event // of commits that read nothing
	ByTopic                                        map[string]int64
	Lost, Twice                                    int      // records that are missing, and that are there once too often
	Problems                                       []string // the first hundred; these and whatever else is wrong
	More                                           int      // problems beyond them

	decoder  *encoder.Decoder
	held     audit.Holdings[string, string] // by identity and session
	dead     map[string]int                 // 16 hex digits of the row's hash -> dead letters
	broken   map[simulator.Key]bool         // rows that came broken in a committed read, and are dead letters like that
	met      map[simulator.Key]time.Time    // when a row was first shown to a read that was committed, by our clock
	first    time.Time                      // when a page was first shown to such a read
	unread   map[int64]bool                 // commits by their number: of windows that could not be read at all
	progress []*encoder.Progress
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
	r := &Report{
		decoder: cmp.Or(topics.Decoder, encoder.NewDecoder(nil)), ByTopic: map[string]int64{},
		dead: map[string]int{}, broken: map[simulator.Key]bool{}, unread: map[int64]bool{}, met: map[simulator.Key]time.Time{},
	}
	served := j.served()
	for _, rec := range records {
		switch topics.Kind(rec.Topic) {
		case encoder.KindProgress:
			r.addProgress(rec)
		case encoder.KindDeadLetter:
			r.addDeadLetter(rec)
		default:
			r.addConversation(rec, served)
		}
	}
	r.checkRevisions()
	r.checkProgress(topics)
	r.checkReads(j)
	return r
}

func (r *Report) addConversation(rec *kgo.Record, served map[simulator.AnsweredRow]bool) {
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
	if string(rec.Key) != c.ID || c.ID != key.Identity || !strings.HasPrefix(header(rec, "ce_id"), fmt.Sprintf("%s:%d:", c.ID, c.Revision)) {
		r.problem("%s: key or ce_id does not belong to revision %d of %s", where, c.Revision, c.ID)
	}
	republished := c.Change == poller.Republished
	if republished {
		r.Republished++
	}
	r.held.Add(audit.Revision[string, string]{
		Identity: key.Identity, Session: key.Session, Number: c.Revision, Content: hash, At: c.ObservedAt, Republished: republished,
		Where: audit.Place{Topic: rec.Topic, Partition: int(rec.Partition), Offset: rec.Offset},
	})
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

func (r *Report) checkRevisions() {
	r.Conversations = r.held.Len()
	for f := range r.held.Faults() {
		if f.Numbers != nil {
			r.problem("%s has revisions %v, want each of 1 to %d once", f.Identity, f.Numbers, len(f.Numbers))
		}
		for _, same := range f.Same {
			r.problem("%s: revision %d says the same as the one before", f.Identity, same.Number)
		}
		r.Twice += f.Twice + len(f.Same)
		r.Lost += f.Gone
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
	for _, topic := range append(topics.Conversations(), topics.DeadLetters()) {
		if byTopic[topic] != r.ByTopic[topic] {
			r.problem("%s holds %d records, its commits say %d", topic, r.ByTopic[topic], byTopic[topic])
		}
	}
}

func (r *Report) checkNewest(newest newest) {
	for key, latest := range newest {
		switch r.held.Judge(key.Identity, key.Session, latest.hashes...) {
		case audit.Missing:
			r.Lost++
			r.problem("%s (session %s) was read and committed, and is not in the topics", key.Identity, key.Session)
		case audit.Stale:
			r.Lost++
			r.problem("%s (session %s): the newest revision in the topics is not the newest content committed", key.Identity, key.Session)
		}
	}
}
