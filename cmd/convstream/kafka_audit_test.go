package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/cmd/internal/auditor"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/smartassist"
)

// TestKafkaAudit changes topics of Apache Kafka behind the worker's back, and audits them by the command: every difference is found, none
// is invented, and what was missing is there afterwards.
func TestKafkaAudit(t *testing.T) {
	seed := seedOf(t)
	c := realService(seed)
	c.History, c.PerMinute, c.SurveyBy = time.Hour, 3, -1
	w := newRealWorldOf(t, "audit", seed, c)
	w.env["START_FROM"], w.env["REREAD"] = "1h", "1h:10m"                        // an audit need not wait for what live polling needs
	from, to := time.Now().Add(-50*time.Minute), time.Now().Add(-20*time.Minute) // what lies there has ended
	first := time.Now()
	worker := w.Start("", alone).(*realWorker)
	w.AwaitComplete()
	worker.Drain()
	want := w.tamper(from, to)
	began := time.Now()
	worker = w.Start("", alone).(*realWorker)
	w.AwaitCommits(1)
	got, s := w.audited(worker, from, to, exitFailed)
	got = slices.DeleteFunc(got, func(found string) bool { // a long call may have ended since it was read: it is stale indeed
		id, stale := strings.CutSuffix(found, " stale")
		return stale && !slices.Contains(want, found) && w.changed(id, first, from, to)
	})
	if !slices.Equal(got, want) || s.Published == 0 || s.Counts[audit.Equal] < 40 {
		t.Errorf("%+v\n%s\nwant\n%s", s, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, again := w.audited(worker, from, to, exitFailed); again.Counts[audit.Missing]+again.Counts[audit.Stale] > 0 || again.Counts[audit.Extra] != 1 {
		t.Errorf("afterwards: %+v", again)
	}
	t.Logf("SUMMARY %+v; two audits in %v", s, time.Since(began).Round(time.Second))
	worker.Drain()
}

// changed reports whether the service shows another content of a conversation of the range now than at the instant.
func (w *realWorld) changed(id string, since, from, to time.Time) bool {
	contents := map[uint64]bool{}
	for _, at := range []time.Time{since, time.Now()} {
		for row := range w.service.RowsAt(at, from, to) {
			if row.Key.Identity == id {
				contents[row.Hash()] = true
			}
		}
	}
	return len(contents) > 1
}

// audited runs the command, and returns what differs, with the identity, and the end of the answer.
func (w *realWorld) audited(worker *realWorker, from, to time.Time, code int) (found []string, s auditor.Summary) {
	w.t.Helper()
	got, stdout, stderr := convstream(w.t, nil, "audit", "--json", "--admin", "http://"+worker.admin, "--from", from.UTC().Format(time.RFC3339), "--to", to.UTC().Format(time.RFC3339))
	if got != code {
		w.t.Fatalf("exit %d, want %d: %s\n%s", got, code, stderr, stdout)
	}
	for line := range strings.Lines(stdout) {
		var l auditor.Line
		w.must(json.Unmarshal([]byte(line), &l))
		switch {
		case l.Difference != nil && l.Result != audit.DeadLetter:
			found = append(found, l.Identity+" "+string(l.Result))
		case l.Done != nil:
			s = *l.Done
		}
	}
	slices.Sort(found)
	return found, s
}

// tamper makes the topics of conversations anew: without some conversations of the range, with one twice and with one of another range, and
// returns what an audit must find.
func (w *realWorld) tamper(from, to time.Time) (want []string) {
	w.t.Helper()
	topics := encoder.Topics{Prefix: w.prefix}.Conversations()
	ctx, cancel := w.context()
	defer cancel()
	records, err := verify.Consume(ctx, w.brokers, nil, topics)
	w.must(err)
	shown := map[string]int{}
	for row := range w.service.RowsAt(time.Now(), from.Add(time.Second), to.Add(-time.Second)) {
		shown[row.Key.Identity]++
		if row.Dead {
			shown[row.Key.Identity]++
		}
	}
	var kept []*kgo.Record
	n := 0
	for _, r := range records {
		id := string(r.Key)
		if shown[id] != 1 || !newestOf(records, r) {
			kept = append(kept, r)
			continue
		}
		n++
		switch revisions := revisionsIn(records, id); {
		case n%7 == 0 && revisions == 1:
			want = append(want, id+" missing")
		case n%7 == 0:
			want = append(want, id+" stale")
		case n%7 == 1:
			kept, want = append(kept, r, r), append(want, id+" twice")
		default:
			kept = append(kept, r)
		}
	}
	foreign, id := w.foreign(from.Add(time.Minute))
	w.anew(ctx, topics, append(kept, foreign))
	want = append(want, id+" extra")
	slices.Sort(want)
	return want
}

func revisionsIn(records []*kgo.Record, id string) (n int) {
	for _, r := range records {
		if string(r.Key) == id {
			n++
		}
	}
	return n
}

// newestOf reports whether the record is the newest of its conversation.
func newestOf(records []*kgo.Record, r *kgo.Record) bool {
	return !slices.ContainsFunc(records, func(o *kgo.Record) bool { return string(o.Key) == string(r.Key) && numberOf(o) > numberOf(r) })
}

func numberOf(r *kgo.Record) int {
	for _, h := range r.Headers {
		if h.Key == "ce_id" {
			parts := strings.Split(string(h.Value), ":")
			n, _ := strconv.Atoi(parts[len(parts)-2])
			return n
		}
	}
	return 0
}

// anew deletes topics and creates them with these records.
func (w *realWorld) anew(ctx context.Context, topics []string, records []*kgo.Record) {
	w.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	w.must(err)
	defer c.Close()
	del := kmsg.NewPtrDeleteTopicsRequest()
	del.TimeoutMillis = 30_000
	for _, topic := range topics {
		del.TopicNames = append(del.TopicNames, topic)
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = kmsg.StringPtr(topic)
		del.Topics = append(del.Topics, t)
	}
	res, err := del.RequestWith(ctx, c)
	w.must(err)
	for _, t := range res.Topics {
		w.must(kerr.ErrorForCode(t.ErrorCode))
	}
	w.create(ctx, c, topics)
	again := make([]*kgo.Record, len(records))
	for i, r := range records {
		again[i] = &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers}
	}
	w.must(c.ProduceSync(ctx, again...).FirstErr())
}

// create creates topics as soon as those of the same names are gone.
func (w *realWorld) create(ctx context.Context, c *kgo.Client, topics []string) {
	w.t.Helper()
	for left := topics; len(left) > 0; {
		req := kmsg.NewPtrCreateTopicsRequest()
		req.TimeoutMillis = 30_000
		for _, topic := range left {
			t := kmsg.NewCreateTopicsRequestTopic()
			t.Topic, t.NumPartitions, t.ReplicationFactor = topic, 2, -1
			req.Topics = append(req.Topics, t)
		}
		res, err := req.RequestWith(ctx, c)
		w.must(err)
		left = nil
		for _, t := range res.Topics {
			switch err := kerr.ErrorForCode(t.ErrorCode); err {
			case nil:
			case kerr.TopicAlreadyExists:
				left = append(left, t.Topic)
			default:
				w.t.Fatal(err)
			}
		}
	}
}

// foreign is a record of a conversation that the service never had.
func (w *realWorld) foreign(at time.Time) (r *kgo.Record, id string) {
	w.t.Helper()
	e, err := encoder.New(encoder.Config{AccountID: account, Topics: encoder.Topics{Prefix: w.prefix}})
	w.must(err)
	id = "foreign"
	text := at.UTC().Format("2006-01-02T15:04:05")
	row := smartassist.ParseRow(fmt.Appendf(nil, `{"conversationId":%q,"channel":"voice","sessionStartTime":%q,"sessionEndTime":%q}`, id, text, text))
	m, err := e.Conversation(encoder.Revision{Row: row, Number: 1, Change: "new", ObservedAt: at, Fingerprint: row.Fingerprint(smartassist.Ignore{})})
	w.must(err)
	r = &kgo.Record{Topic: m.Topic, Key: m.Key, Value: m.Value}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return r, id
}
