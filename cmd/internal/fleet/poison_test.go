package fleet

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/poller/simulator"
)

// refuse makes the broker answer with the error to every batch of the topics ("" = all) of which holds is true.
func (w *world) refuse(topic string, with *kerr.Error, holds func(batch *kmsg.RecordBatch, records []kmsg.Record) bool) {
	w.cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		req, refused := r.(*kmsg.ProduceRequest), false
		res := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range req.Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic = t.Topic
			for _, p := range t.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition = p.Partition
				var batch kmsg.RecordBatch
				if err := batch.ReadFrom(p.Records); err != nil {
					return nil, err, true
				}
				records, err := kfake.BatchRecords(batch)
				if err != nil {
					return nil, err, true
				}
				if (topic == "" || strings.HasSuffix(t.Topic, topic)) && holds(&batch, records) {
					rp.ErrorCode, refused = with.Code, true
				}
				rt.Partitions = append(rt.Partitions, rp)
			}
			res.Topics = append(res.Topics, rt)
		}
		return res, nil, refused
	})
}

// configure sets a setting of a topic.
func (w *world) configure(topic, name, value string) {
	w.t.Helper()
	w.request(func(ctx context.Context, c *kgo.Client) error {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		r := kmsg.NewIncrementalAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, topic
		s := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		s.Name, s.Value = name, &value
		r.Configs = append(r.Configs, s)
		req.Resources = append(req.Resources, r)
		res, err := req.RequestWith(ctx, c)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(res.Resources[0].ErrorCode)
	})
}

// TestRefusedTimes: a topic that does not take the conversations' own times gets them with the time of publishing. No
// conversation becomes a dead letter for its time.
func TestRefusedTimes(t *testing.T) {
	long(t)
	old := func(batch *kmsg.RecordBatch, _ []kmsg.Record) bool {
		return time.Since(time.UnixMilli(batch.FirstTimestamp)) > time.Hour
	}
	for name, c := range map[string]struct {
		known    bool // the topic's settings say so
		failures int
	}{"the settings say so": {true, 0}, "the settings do not say so": {false, 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, simulator.Config{History: 6 * time.Hour, PerMinute: 1}, map[string]string{"START_FROM": "6h", "RECORD_TIMESTAMP": "start"}, func(w *world) {
				settings := map[string]string{}
				if c.known {
					settings["message.timestamp.before.max.ms"] = "3600000"
				}
				w.create("voice", 3, settings)
				w.refuse("voice", kerr.InvalidTimestamp, old)
				w.run(2 * time.Hour)
				r := w.verify(w.complete)
				w.fresh(r)
				if r.DeadLetters != 0 {
					t.Errorf("%d dead letters", r.DeadLetters)
				}
				w.logged("does not take the conversations' own times", c.failures)
				w.logged("nothing can be committed", c.failures)
			})
		})
	}
}

// TestClockOfTheBrokers: where every time is refused, no row is to blame and nothing becomes a dead letter.
func TestClockOfTheBrokers(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, map[string]string{"START_FROM": "1h"}, func(w *world) {
		until := time.Now().Add(20 * time.Minute)
		w.refuse("", kerr.InvalidTimestamp, func(*kmsg.RecordBatch, []kmsg.Record) bool { return time.Now().Before(until) })
		w.run(time.Hour)
		r := w.verify(w.complete)
		w.fresh(r)
		if r.DeadLetters != 0 {
			t.Errorf("%d dead letters", r.DeadLetters)
		}
		w.logged("compare the clocks", 1)
	})
}

// TestDeadLettersThatAreTooLarge: the topic takes less than its settings say, as where a broker compresses anew. The parts
// become smaller until it takes them; and after the state was lost, they are remembered as the row they are.
func TestDeadLettersThatAreTooLarge(t *testing.T) {
	t.Parallel()
	c := simulator.Config{History: time.Hour, PerMinute: 2, Extra: []json.RawMessage{extraRow("c-large", `,"metaInfo":"`+noise(2<<20)+`"`)}}
	c.Faults.Poison = 0.1
	inWorld(t, c, map[string]string{"START_FROM": "1h", "STATE_LOST": "restart"}, func(w *world) {
		w.refuse("dead-letter", kerr.MessageTooLarge, func(batch *kmsg.RecordBatch, _ []kmsg.Record) bool { return batch.Length > 300_000 })
		w.run(time.Hour)
		before := w.verify(w.complete, forgive("c-large"))
		w.fresh(before)
		w.logged("cutting dead letters smaller", 6) // 10 MiB halved until it is below 300,000
		w.must(w.cluster.DeleteTopic(stateName))
		w.run(20 * time.Minute)
		if r := w.verify(w.complete, forgive("c-large")); r.CompleteFrom.Equal(before.CompleteFrom) {
			t.Errorf("complete from %v: it did not restart\n%s", r.CompleteFrom, w.log.tail())
		}
	})
}

// TestTopicsThatRefuse: no row is to blame for what becomes of progress, state and dead letters. The error says what is
// wrong with the topic, shows where an operator looks, and once he has done it, work goes on without a restart.
func TestTopicsThatRefuse(t *testing.T) {
	for name, c := range map[string]struct {
		topic, setting, bad, good string
		wants                     string
	}{
		"progress": {"progress", "max.message.bytes", "200", "1000000", "raise max.message.bytes of topic conversations.progress"},
		"state":    {"state", "max.message.bytes", "200", "1000000", "raise max.message.bytes of topic conversations.state"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, map[string]string{"START_FROM": "1h"}, func(w *world) {
				stop := w.start()
				time.Sleep(10 * time.Minute)
				w.configure("conversations."+c.topic, c.setting, c.bad)
				time.Sleep(20 * time.Minute)
				w.logged(c.wants, 1)
				if code, body := w.get("/status"); code != http.StatusOK || !strings.Contains(body, c.wants) || !strings.Contains(body, `"refused"`) {
					t.Errorf("/status: %d %s", code, body)
				}
				w.configure("conversations."+c.topic, c.setting, c.good)
				time.Sleep(20 * time.Minute)
				w.must(stop())
				r := w.verify(w.complete)
				w.fresh(r)
				if r.DeadLetters != 0 {
					t.Errorf("%d dead letters", r.DeadLetters)
				}
			})
		})
	}
}

// TestDeadLettersWithoutAKey: a topic that compacts takes none.
func TestDeadLettersWithoutAKey(t *testing.T) {
	t.Parallel()
	c := simulator.Config{History: time.Hour, PerMinute: 2}
	c.Faults.Poison = 0.2
	inWorld(t, c, map[string]string{"START_FROM": "1h"}, func(w *world) {
		compact := time.Now().Add(20 * time.Minute)
		w.refuse("dead-letter", kerr.InvalidRecord, func(_ *kmsg.RecordBatch, records []kmsg.Record) bool {
			for _, r := range records {
				if time.Now().Before(compact) && len(r.Key) == 0 {
					return true
				}
			}
			return false
		})
		stop := w.start()
		time.Sleep(20 * time.Minute)
		if w.log.count("cleanup.policy of topic conversations.dead-letter is one cause") == 0 { // with each read that holds one
			t.Errorf("no remedy:\n%s", w.log.tail())
		}
		time.Sleep(20 * time.Minute)
		w.must(stop())
		w.fresh(w.verify(w.complete))
	})
}

// TestLimitLoweredWhileRunning: what no longer fits goes to the dead letters, and only that; and it leaves no hole in the
// revisions of its conversation.
func TestLimitLoweredWhileRunning(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 2}, map[string]string{"START_FROM": "1h", "KAFKA_COMPRESSION": "none"}, func(w *world) {
		stop := w.start()
		time.Sleep(10 * time.Minute)
		w.configure("conversations.voice", "max.message.bytes", "2500")
		time.Sleep(time.Hour)
		w.must(stop())
		r := w.verify(onlyAbout("has revisions", "twice"))
		w.fresh(r)
		if r.DeadLetters == 0 || r.DeadLetters > r.Revisions/2 {
			t.Errorf("%d dead letters of %d revisions", r.DeadLetters, r.Revisions)
		}
		t.Log(describe(r))
	})
}
