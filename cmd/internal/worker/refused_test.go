package worker

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/cmd/internal/verify"
	"github.com/convstream/convstream/poller/simulator"
)

// TestSeveralRefusedRecordsAreTakenOutOneByOne: a broker refuses every batch that holds one of some records, and does not
// say which. They must end in the dead letters, they alone, and polling must go on.
func TestSeveralRefusedRecordsAreTakenOutOneByOne(t *testing.T) {
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, map[string]string{"START_FROM": "1h"}, func(w *world) {
		bad := map[string]bool{}
		for row := range w.service.RowsAt(time.Now(), time.Now().Add(-time.Hour), time.Now()) {
			if len(bad) < 3 && !row.Dead {
				bad[row.Key.Identity] = true
			}
		}
		w.cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			return refuseBatchesWith(req.(*kmsg.ProduceRequest), bad)
		})
		w.run(2 * time.Hour)
		r := w.verify(func(r *verify.Report) {
			r.Problems = nil // the refused contents are missing in the topics: that is what is looked at here
		})
		if r.DeadLetters < len(bad) || r.DeadLetters > 10*len(bad) {
			t.Errorf("%d dead letters for %d conversations that are refused in every content", r.DeadLetters, len(bad))
		}
		if behind := time.Since(r.CompleteThrough); behind > 10*time.Minute {
			t.Errorf("complete through %v: polling has not gone on\n%s", r.CompleteThrough, w.log.tail())
		}
		if len(w.worker.refused) != 0 {
			t.Errorf("%d verdicts are still remembered", len(w.worker.refused))
		}
	})
}

// refuseBatchesWith answers INVALID_RECORD to a request that holds a conversation of one of the identities.
func refuseBatchesWith(req *kmsg.ProduceRequest, bad map[string]bool) (kmsg.Response, error, bool) {
	refused := false
	res := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, topic := range req.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
		for _, p := range topic.Partitions {
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
			for _, r := range records {
				if bad[string(r.Key)] && topic.Topic != "conversations.dead-letter" {
					rp.ErrorCode, refused = kerr.InvalidRecord.Code, true
				}
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		res.Topics = append(res.Topics, rt)
	}
	return res, nil, refused
}
