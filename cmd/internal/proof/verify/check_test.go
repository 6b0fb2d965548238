package verify

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
)

// publish makes contents of a row its next revisions.
func (r *Report) publish(key simulator.Key, contents ...uint64) {
	for _, content := range contents {
		newest, _ := r.held.Newest(key.Identity, key.Session)
		r.held.Add(audit.Revision[string, string]{Identity: key.Identity, Session: key.Session, Number: newest.Number + 1, Content: content})
	}
}

// TestTwoWorkersAskAlike: of two reads of one window in one second, one was committed. Which one shows in the topics, and
// where neither fits the commit does not pass.
func TestTwoWorkersAskAlike(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	page := func(rows int) answer {
		a := answer{Answered: simulator.Answered{From: at.Add(-11 * time.Second), To: at.Add(time.Second)}, at: at}
		for n := range rows {
			a.Rows = append(a.Rows, simulator.AnsweredRow{Key: simulator.Key{Identity: fmt.Sprint(n)}, Hash: uint64(n)})
		}
		return a
	}
	for inTopics, problem := range map[int]string{3: "", 2: "says 3 rows, the service gave 2"} {
		j := &Journal{answers: []answer{page(2), page(3)}}
		r := &Report{met: map[simulator.Key]time.Time{}, progress: []*encoder.Progress{{
			Sequence: 1, WindowStart: at.Add(-10 * time.Second), WindowEnd: at, ReadAt: at, Fetched: 3, Requests: 1,
		}}}
		for _, row := range page(inTopics).Rows {
			r.publish(row.Key, row.Hash)
		}
		r.checkReads(j)
		if got := strings.Join(r.Problems, "; "); (problem == "") != (got == "") || !strings.Contains(got, problem) {
			t.Errorf("with %d rows in the topics: %q, want %q", inTopics, got, problem)
		}
	}
}

// TestTwoWorkersMeetAChange between their reads of one window: both contents are in the topics, so the commit may be of either
// read. A revision that neither read met is not the newest committed.
func TestTwoWorkersMeetAChange(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	key := simulator.Key{Identity: "it"}
	page := func(hash uint64) answer {
		return answer{at: at, Answered: simulator.Answered{
			From: at.Add(-11 * time.Second), To: at.Add(time.Second), Rows: []simulator.AnsweredRow{{Key: key, Hash: hash}},
		}}
	}
	for last, problem := range map[uint64]string{7: "", 8: "", 9: "is not the newest content committed"} {
		j := &Journal{answers: []answer{page(7), page(8)}}
		r := &Report{
			met:      map[simulator.Key]time.Time{},
			progress: []*encoder.Progress{{Sequence: 1, WindowStart: at.Add(-10 * time.Second), WindowEnd: at, ReadAt: at, Fetched: 1, Requests: 1}},
		}
		r.publish(key, 7, 8, last)
		r.checkReads(j)
		if got := strings.Join(r.Problems, "; "); (problem == "") != (got == "") || !strings.Contains(got, problem) {
			t.Errorf("newest revision %d: %q, want %q", last, got, problem)
		}
	}
}

// TestARowThatCameBroken in the only read of its window is a dead letter, and not lost. Any other that is not there is.
func TestARowThatCameBroken(t *testing.T) {
	at := time.Now().Truncate(time.Second)
	service, err := simulator.New(simulator.Config{AccountID: "account", Seed: 1, History: time.Hour, PerMinute: 1})
	if err != nil {
		t.Fatal(err)
	}
	r := &Report{
		CompleteFrom: at.Add(-time.Hour), CompleteThrough: at.Add(-10 * time.Minute), broken: map[simulator.Key]bool{}, met: map[simulator.Key]time.Time{}, dead: map[string]int{"0123456789abcdef": 1},
		progress: []*encoder.Progress{{Sequence: 1, WindowStart: at.Add(-10 * time.Second), WindowEnd: at, ReadAt: at, Fetched: 1, Requests: 1}},
	}
	r.CheckComplete(service, 30*time.Minute)
	all := r.Lost
	var one simulator.Key
	for row := range service.RowsAt(time.Now(), r.CompleteFrom, r.CompleteThrough) {
		one = row.Key
		break
	}
	r.checkReads(&Journal{answers: []answer{{at: at, Answered: simulator.Answered{
		From: at.Add(-11 * time.Second), To: at.Add(time.Second),
		Rows: []simulator.AnsweredRow{{Key: simulator.Key{Session: "0123456789abcdef"}, Dead: true, Of: one}},
	}}}})
	r.Lost, r.Problems = 0, nil
	if r.CheckComplete(service, 30*time.Minute); all < 2 || r.Lost != all-1 {
		t.Errorf("%d rows lost, and %d when one of them came broken", all, r.Lost)
	}
}
