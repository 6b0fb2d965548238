package fleet

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/poller/simulator"
)

const stateName = "conversations.state"

// losses are ways to lose the state while no worker runs. early is called in the midst of the worker's life, lose at its end.
var losses = map[string]struct {
	early func(*world) []*kgo.Record
	lose  func(*world, []*kgo.Record)
	says  string
}{
	"deleted": {nil, func(w *world, _ []*kgo.Record) {
		w.must(w.cluster.DeleteTopic(stateName))
	}, "holds nothing of this account"},
	"truncated": {nil, func(w *world, _ []*kgo.Record) {
		w.must(w.cluster.DeleteRecords(stateName, 0, -1))
	}, "holds nothing of this account"},
	"truncated in part": {nil, func(w *world, _ []*kgo.Record) {
		records := w.consume(stateName)
		w.must(w.cluster.DeleteRecords(stateName, 0, records[len(records)/3].Offset))
	}, "part of it was deleted"},
	"restored older": {func(w *world) []*kgo.Record {
		return w.consume(stateName)
	}, func(w *world, backup []*kgo.Record) {
		w.must(w.cluster.DeleteTopic(stateName))
		w.create("state", 1, map[string]string{"cleanup.policy": "compact"})
		w.produce(backup)
	}, "ends with commit"},
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// produce writes records as they are, without a transaction.
func (w *world) produce(records []*kgo.Record) {
	w.t.Helper()
	w.request(func(ctx context.Context, c *kgo.Client) error {
		for _, r := range records {
			if err := c.ProduceSync(ctx, &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value}).FirstErr(); err != nil {
				return err
			}
		}
		return nil
	})
}

// request asks the broker by franz-go.
func (w *world) request(ask func(context.Context, *kgo.Client) error) {
	w.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(kafkaAddr), kgo.Dialer(w.network.DialContext), kgo.ProducerBatchCompression(kgo.NoCompression()))
	w.must(err)
	defer c.Close()
	w.must(ask(context.Background(), c))
}

// lose runs a worker for an hour, and then loses its state.
func lose(w *world, name string) {
	w.run(30 * time.Minute)
	var backup []*kgo.Record
	if early := losses[name].early; early != nil {
		backup = early(w)
	}
	w.run(30 * time.Minute)
	losses[name].lose(w, backup)
}

var lossWorld = simulator.Config{History: 2 * time.Hour, PerMinute: 1}

// TestLostStateStopsTheWorker: whatever became of the state topic, the worker must notice before it publishes anything.
func TestLostStateStopsTheWorker(t *testing.T) {
	long(t)
	for name, loss := range losses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, lossWorld, map[string]string{"START_FROM": "2h"}, func(w *world) {
				lose(w, name)
				before, requests := w.verify(), w.service.Stats().Requests
				stop := w.start()
				time.Sleep(10 * time.Minute)
				err := stop()
				if err == nil {
					t.Fatalf("the worker went on\n%s", w.log.tail())
				}
				w.says(err.Error(), "state is lost", loss.says, "STATE_LOST=stop", "STATE_LOST=resume", "STATE_LOST=restart")
				if after := w.verify(); after.Commits != before.Commits || w.service.Stats().Requests != requests {
					t.Errorf("%d commits, %d before the state was lost", after.Commits, before.Commits)
				}
			})
		})
	}
}

// TestLostStateIsMadeAnew: with STATE_LOST=resume and restart the worker goes on, and to a consumer nothing has happened:
// no content and no number comes twice, none is missing. After that the state is whole again.
func TestLostStateIsMadeAnew(t *testing.T) {
	long(t)
	for name, loss := range losses {
		if raceDetector && strings.HasPrefix(loss.says, "holds") { // the simpler ones
			continue
		}
		for _, mode := range []string{"resume", "restart"} {
			t.Run(mode+" "+name, func(t *testing.T) {
				t.Parallel()
				c := lossWorld
				c.Faults.Poison = 0.05
				inWorld(t, c, map[string]string{"START_FROM": "2h"}, func(w *world) {
					lose(w, name)
					before := w.verify()
					w.env["STATE_LOST"] = mode
					w.run(30 * time.Minute)
					w.run(10 * time.Minute)
					delete(w.env, "STATE_LOST")
					w.run(10 * time.Minute)
					r := w.verify(w.complete)
					w.fresh(r)
					w.logged(loss.says, 1)
					w.logged("is made anew (STATE_LOST="+mode+")", 1)
					switch {
					case mode == "resume" && !r.CompleteFrom.Equal(before.CompleteThrough):
						t.Errorf("complete from %v, was complete through %v", r.CompleteFrom, before.CompleteThrough)
					case mode == "restart" && (time.Since(r.CompleteFrom) < 2*time.Hour || time.Since(r.CompleteFrom) > 3*time.Hour):
						t.Errorf("complete from %v, after a restart at START_FROM=2h 50 minutes ago", r.CompleteFrom)
					}
					t.Log(describe(r))
				})
			})
		}
	}
}

// TestStateRecreatedBehindTheWorker: somebody deletes the state topic under the running worker and makes a new one. The
// number of the last commit is right then, but the memory is not.
func TestStateRecreatedBehindTheWorker(t *testing.T) {
	t.Parallel()
	inWorld(t, lossWorld, map[string]string{"START_FROM": "2h"}, func(w *world) {
		w.run(30 * time.Minute)
		stop := w.start()
		time.Sleep(5*time.Minute + 7*time.Second)
		w.must(w.cluster.DeleteTopic(stateName))
		w.create("state", 1, map[string]string{"cleanup.policy": "compact"})
		time.Sleep(5 * time.Minute)
		_ = stop()
		before := w.verify()
		err := w.start()
		time.Sleep(time.Minute)
		if err := err(); err == nil || !strings.Contains(err.Error(), "state is lost") {
			t.Errorf("worker ended with %v, want it to say that the state is lost", err)
		}
		if after := w.verify(); after.Commits != before.Commits {
			t.Errorf("%d commits, %d before", after.Commits, before.Commits)
		}
	})
}

// TestStateDeletedWhileItRuns is over with one restart where the operator has decided beforehand.
func TestStateDeletedWhileItRuns(t *testing.T) {
	t.Parallel()
	inWorld(t, lossWorld, map[string]string{"START_FROM": "2h", "STATE_LOST": "resume"}, func(w *world) {
		stop := w.start()
		time.Sleep(30 * time.Minute)
		w.must(w.cluster.DeleteTopic(stateName))
		time.Sleep(30 * time.Minute)
		w.must(stop())
		w.fresh(w.verify(w.complete))
		w.logged("is made anew", 1)
	})
}

// TestProgressSetBack: the state knows all that is needed, and numbers go on above both.
func TestProgressSetBack(t *testing.T) {
	t.Parallel()
	inWorld(t, lossWorld, map[string]string{"START_FROM": "2h"}, func(w *world) {
		w.run(30 * time.Minute)
		last := w.verify().Commits
		w.must(w.cluster.DeleteTopic("conversations.progress"))
		w.run(30 * time.Minute)
		w.logged("the progress topic ends before the last commit", 1)
		records := w.consume("conversations.progress")
		if n := sequenceOfRecord(records[0]); n != int64(last+1) {
			t.Errorf("the first commit in the new topic is number %d, the last one in the old was %d", n, last)
		}
		w.verify(onlyAbout("revision"))
	})
}

// TestDeletedDataTopic is told once, and work goes on.
func TestDeletedDataTopic(t *testing.T) {
	for _, when := range []string{"stopped", "running"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			inWorld(t, lossWorld, map[string]string{"START_FROM": "2h"}, func(w *world) {
				stop := w.start()
				time.Sleep(30 * time.Minute)
				if when == "stopped" {
					w.must(stop())
				}
				w.must(w.cluster.DeleteTopic("conversations.voice"))
				if when == "stopped" {
					stop = w.start()
				}
				time.Sleep(time.Hour)
				w.must(stop())
				w.run(10 * time.Minute)
				w.logged(`"topic":"conversations.voice","partitions":6`, 1)
				w.logged("deleted or truncated", 1)
				if n := len(w.consume("conversations.voice")); n == 0 {
					t.Errorf("nothing was published to the new topic\n%s", w.log.tail())
				}
				w.logged("number of partitions has changed", 0)
			})
		})
	}
}

// TestMorePartitions: keys move, which is told once, and work goes on.
func TestMorePartitions(t *testing.T) {
	for _, when := range []string{"stopped", "running"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			inWorld(t, lossWorld, map[string]string{"START_FROM": "2h"}, func(w *world) {
				stop := w.start()
				time.Sleep(30 * time.Minute)
				if when == "stopped" {
					w.must(stop())
				}
				w.partitions("conversations.voice", 9)
				if when == "stopped" {
					stop = w.start()
				}
				time.Sleep(time.Hour)
				w.must(stop())
				w.run(10 * time.Minute)
				w.logged("number of partitions has changed", 1)
				w.logged("deleted or truncated", 0)
				w.fresh(w.verify(w.complete))
			})
		})
	}
}

// partitions gives a topic so many.
func (w *world) partitions(topic string, n int32) {
	w.request(func(ctx context.Context, c *kgo.Client) error {
		req := kmsg.NewPtrCreatePartitionsRequest()
		t := kmsg.NewCreatePartitionsRequestTopic()
		t.Topic, t.Count = topic, n
		req.Topics = append(req.Topics, t)
		_, err := req.RequestWith(ctx, c)
		return err
	})
}

// onlyAbout drops the problems that a test makes on purpose: what is left holds one of the texts.
func onlyAbout(texts ...string) func(*verify.Report) {
	return func(r *verify.Report) {
		r.Problems = slices.DeleteFunc(r.Problems, func(p string) bool {
			return !slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(p, text) })
		})
		r.More = 0
	}
}

func sequenceOfRecord(r *kgo.Record) (n int64) {
	for _, h := range r.Headers {
		if h.Key == "ce_id" {
			for _, c := range h.Value[strings.LastIndexByte(string(h.Value), ':')+1:] {
				n = n*10 + int64(c-'0')
			}
		}
	}
	return n
}
