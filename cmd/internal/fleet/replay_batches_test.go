package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/cmd/internal/replay"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/smartassist"
)

// rearrange makes the dead-letter topic hold the letters of one conversation only, the newest of them behind so many others
// that a replay comes to it in a later transaction, and put aside twice. It gives the ids, oldest first, and the last record.
func (w *world) rearrange() (ids []string, last *kgo.Record) {
	w.t.Helper()
	var old []*kgo.Record
	end := int64(0)
	for _, r := range w.consume("conversations.dead-letter") { // not cut: these are small
		end = r.Offset + 1
		old = append(old, &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Headers: r.Headers})
	}
	of := map[string][]*kgo.Record{}
	var most string
	for _, r := range old {
		key := string(r.Key)
		of[key] = append(of[key], r)
	}
	delete(of, "")                                     // no conversations
	for _, key := range slices.Sorted(maps.Keys(of)) { // of which nothing has been published since
		if len(of[key]) > len(of[most]) && len(w.revisionsOf(key)) == 0 {
			most = key
		}
	}
	chosen := of[most]
	if len(chosen) < 2 {
		w.t.Fatalf("no conversation has two letters among %d", len(old))
	}
	for _, r := range chosen {
		ids = append(ids, header(r, "ce_id"))
	}
	w.must(w.cluster.DeleteRecords("conversations.dead-letter", 0, end))
	newest := chosen[len(chosen)-1]
	at, err := time.Parse(time.RFC3339Nano, header(newest, "ce_time"))
	w.must(err)
	last = &kgo.Record{Topic: newest.Topic, Key: newest.Key, Value: newest.Value, Headers: slices.Clone(newest.Headers)}
	for i, h := range last.Headers {
		if h.Key == "ce_time" {
			last.Headers[i].Value = []byte(at.Add(time.Minute).Format(time.RFC3339Nano))
		}
	}
	all := slices.Concat(chosen, w.noConversations(replay.BatchRows), []*kgo.Record{last})
	w.request(func(ctx context.Context, c *kgo.Client) error { return c.ProduceSync(ctx, all...).FirstErr() })
	return ids, last
}

// noConversations are letters that can never be published.
func (w *world) noConversations(n int) (out []*kgo.Record) {
	e, err := encoder.New(encoder.Config{AccountID: w.config().AccountID, Topics: encoder.Topics{Prefix: "conversations."}})
	w.must(err)
	for i := range n {
		for _, m := range e.DeadLetter(encoder.DeadLetter{Row: smartassist.ParseRow(fmt.Appendf(nil, "[%d]", i)), Error: "no object", ObservedAt: time.Now()}) {
			r := &kgo.Record{Topic: m.Topic, Key: m.Key, Value: m.Value}
			for _, h := range m.Headers {
				r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
			}
			out = append(out, r)
		}
	}
	return out
}

// TestReplayAcrossBatches: a newer content of a conversation stands so far behind an older one that they are not tried together.
// One request resolves both all the same, the newer one as it was put aside the last time.
func TestReplayAcrossBatches(t *testing.T) {
	t.Parallel()
	manyLetters(t, 1, func(w *world) {
		w.create("dead-letter", 1, nil)
		stop := w.start()
		time.Sleep(15 * time.Minute)
		ids, last := w.rearrange()
		answers := w.replayed(adminAddr, `{"all":true}`)
		if len(answers) != len(ids)+replay.BatchRows {
			t.Errorf("%d answers to %d letters", len(answers), len(ids)+replay.BatchRows)
		}
		for i, id := range ids {
			want := "superseded"
			if i == len(ids)-1 {
				want = "published"
			}
			if a := answers[id]; a.Outcome != want {
				t.Errorf("letter %d of %d: %+v, want %s", i+1, len(ids), a, want)
			}
		}
		w.must(stop())
		records := w.revisionsOf(string(last.Key))
		if n := len(records); n == 0 {
			t.Error("nothing is published")
		} else if header(records[n-1], "ce_time") != header(last, "ce_time") {
			t.Errorf("%d records, the last one of %s, want %s", n, header(records[n-1], "ce_time"), header(last, "ce_time"))
		}
	})
}
