package fleet

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/cmd/internal/replay"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
	"github.com/convstream/convstream/producer"
)

// The addresses of the virtual network are none of loopback, so these tests come with the token.
const adminToken1 = "t0ken-of-the-admin-port"

// post asks an admin port for a replay and gives the lines of the answer.
func (w *world) post(addr, body string) (code int, text string, answers []replay.Answer) {
	w.t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: w.network.DialContext, DisableKeepAlives: true}}
	req, err := http.NewRequest(http.MethodPost, "http://"+addr+"/dead-letters/replay", strings.NewReader(body))
	w.must(err)
	req.Header.Set("authorization", "Bearer "+adminToken1)
	res, err := client.Do(req)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer res.Body.Close()
	var all strings.Builder
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		fmt.Fprintln(&all, lines.Text())
		var a replay.Answer
		if json.Unmarshal(lines.Bytes(), &a) == nil {
			answers = append(answers, a)
		}
	}
	return res.StatusCode, all.String(), answers
}

// replayed asks for a replay that must come to its end, and gives the outcomes by id.
func (w *world) replayed(addr, body string) map[string]replay.Answer {
	w.t.Helper()
	code, text, answers := w.post(addr, body)
	if code != http.StatusOK || len(answers) == 0 || !answers[len(answers)-1].Done {
		w.t.Fatalf("replay of %s: %d %s\n%s", body, code, text, w.log.tail())
	}
	out := map[string]replay.Answer{}
	for _, a := range answers[:len(answers)-1] {
		if _, twice := out[a.ID]; twice {
			w.t.Errorf("%s is answered twice", a.ID)
		}
		out[a.ID] = a
	}
	return out
}

// outcome is what the only letter asked for became.
func (w *world) outcome(addr, id string) string {
	w.t.Helper()
	a, ok := w.replayed(addr, fmt.Sprintf(`{"ids":[%q]}`, id))[id]
	if !ok {
		w.t.Fatalf("%s is not answered", id)
	}
	return strings.TrimSpace(fmt.Sprint(a.Outcome, " ", a.As, a.Reason, " ", a.Revision))
}

// letters are the dead letters in the topic, joined.
func (w *world) letters() (out []encoder.Letter) {
	w.t.Helper()
	var reader encoder.LetterReader
	for _, r := range w.consume("conversations.dead-letter") {
		m := producer.Message{Topic: r.Topic, Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			m.Headers = append(m.Headers, producer.Header{Key: h.Key, Value: h.Value})
		}
		l, whole, err := reader.Read(worker.MessageOf(m))
		w.must(err)
		if whole {
			out = append(out, l)
		}
	}
	return out
}

// letterOf is the only dead letter of an identity.
func (w *world) letterOf(id string) encoder.Letter {
	w.t.Helper()
	var found []encoder.Letter
	for _, l := range w.letters() {
		if string(l.Key) == id {
			found = append(found, l)
		}
	}
	if len(found) != 1 {
		w.t.Fatalf("%d dead letters of %s, want 1\n%s", len(found), id, w.log.tail())
	}
	return found[0]
}

// large is a world with a conversation that the topic does not take at first.
func large() simulator.Config {
	return simulator.Config{History: time.Hour, PerMinute: 1, Extra: []json.RawMessage{extraRow("c-large", `,"metaInfo":"`+noise(2<<20)+`"`)}}
}

func withToken(more ...string) map[string]string {
	env := map[string]string{"START_FROM": "1h", "POLL_INTERVAL": "1m", "ADMIN_TOKEN": adminToken1}
	for i := 0; i < len(more); i += 2 {
		env[more[i]] = more[i+1]
	}
	return env
}

func (w *world) raiseLimit() { w.configure("conversations.voice", "max.message.bytes", "10000000") }

// revisionsOf are the records of a conversation.
func (w *world) revisionsOf(id string) (out []*kgo.Record) {
	for _, r := range w.consume("conversations.voice", "conversations.rtm", "conversations.agentassist", "conversations.other") {
		if string(r.Key) == id {
			out = append(out, r)
		}
	}
	return out
}

// TestReplay: a letter that was too large, cut into parts, is published once the topic takes it: once, whoever asks how often,
// through restarts and a state that is lost.
func TestReplay(t *testing.T) {
	t.Parallel()
	inWorld(t, large(), withToken(), func(w *world) {
		w.create("dead-letter", 1, map[string]string{"max.message.bytes": "300000"})
		stop := w.start()
		time.Sleep(20 * time.Minute)
		l := w.letterOf("c-large")
		if l.Parts < 2 {
			t.Errorf("the letter is in %d parts", l.Parts)
		}
		for range 2 { // and nothing of the first attempt is held against the second
			if got := w.outcome(adminAddr, l.ID); !strings.HasPrefix(got, "dead the broker refuses the record (raise max.message.bytes of topic conversations.voice)") {
				t.Errorf("before the limit is raised: %s", got)
			}
			time.Sleep(time.Minute)
		}
		w.raiseLimit()
		if got := w.outcome(adminAddr, l.ID); got != "published  1" {
			t.Errorf("after it was raised: %s\n%s", got, w.log.tail())
		}
		w.resolved(adminAddr, l.ID, "resolved published 1")
		w.must(stop())
		again := w.start()
		time.Sleep(time.Minute)
		w.resolved(adminAddr, l.ID, "resolved published 1")
		w.must(again())
		w.must(w.cluster.DeleteTopic(stateName))
		w.env["STATE_LOST"] = "resume"
		last := w.start()
		time.Sleep(time.Minute)
		if got := w.outcome(adminAddr, l.ID); got != "superseded  0" {
			t.Errorf("after the state was lost: %s", got)
		}
		w.must(last())
		r := w.verify(w.complete)
		w.fresh(r)
		if r.Replays != 2 || r.DeadLetters != 1 {
			t.Errorf("%d replays, %d dead letters", r.Replays, r.DeadLetters)
		}
		w.publishedAs(l)
	})
}

// resolved fails the test where a letter was not resolved before.
func (w *world) resolved(addr, id, want string) {
	w.t.Helper()
	time.Sleep(2 * time.Second)
	if got := w.outcome(addr, id); got != want {
		w.t.Errorf("again: %s, want %s", got, want)
	}
}

// publishedAs holds the record of a letter against the letter: as if it had been taken at once.
func (w *world) publishedAs(l encoder.Letter) {
	w.t.Helper()
	records := w.revisionsOf(string(l.Key))
	if len(records) != 1 {
		w.t.Fatalf("%d records of %s", len(records), l.Key)
	}
	c, err := encoder.DecodeConversation(records[0].Value)
	w.must(err)
	row, err := c.Rebuild()
	w.must(err)
	headers := map[string]string{}
	for _, h := range records[0].Headers {
		headers[h.Key] = string(h.Value)
	}
	if !encoder.EqualJSON(row, l.Row) || c.Revision != 1 || c.Change != "new" || !c.ObservedAt.Equal(l.At) {
		w.t.Errorf("published as revision %d (%s), observed at %v, read at %v", c.Revision, c.Change, c.ObservedAt, l.At)
	}
	if headers["ce_time"] != l.At.Format(time.RFC3339Nano) || !strings.HasPrefix(headers["ce_id"], "c-large:1:") || headers["ce_type"] != "convstream.conversation.v1" {
		w.t.Errorf("headers %v", headers)
	}
}

// TestReplayOfAPart: retention took the first parts of a letter. Half a row must not be taken for one.
func TestReplayOfAPart(t *testing.T) {
	t.Parallel()
	inWorld(t, large(), withToken(), func(w *world) {
		w.create("dead-letter", 1, map[string]string{"max.message.bytes": "300000"})
		stop := w.start()
		time.Sleep(20 * time.Minute)
		l := w.letterOf("c-large")
		w.raiseLimit()
		w.must(w.cluster.DeleteRecords("conversations.dead-letter", 0, w.consume("conversations.dead-letter")[2].Offset))
		if got := w.outcome(adminAddr, l.ID); got != "dead it cannot be read back: parts of the dead letter are missing 0" {
			t.Error(got)
		}
		w.must(stop())
		if r := w.verify(onlyAbout("revision")); r.Replays != 0 {
			t.Errorf("%d replays", r.Replays)
		}
	})
}

// TestReplayLost: the transaction of a replay meets every loss, for so long that it is given up and the session ends. The letter
// is published once, and the answer says so.
func TestReplayLost(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.AddPartitionsToTxn, kmsg.Produce, kmsg.EndTxn} {
		for name, fate := range map[string]loss{"before it took effect": lost, "after": unheard} {
			t.Run(fmt.Sprint(key.Name(), " ", name), func(t *testing.T) {
				t.Parallel()
				inWorld(t, large(), withToken(), func(w *world) {
					stop := w.start()
					time.Sleep(20*time.Minute + 30*time.Second)
					l := w.letterOf("c-large")
					w.raiseLimit()
					begun, n := time.Now(), 0
					w.wire.Decide(func(k kmsg.Key) loss {
						if k != key || time.Since(begun) > 45*time.Second {
							return arrives
						}
						n++
						return fate
					})
					if got := w.outcome(adminAddr, l.ID); got != "published  1" {
						t.Errorf("%s\n%s", got, w.log.tail())
					}
					w.resolved(adminAddr, l.ID, "resolved published 1")
					w.must(stop())
					if w.log.count("state recovered") < 2 || n < 2 {
						t.Errorf("%d losses, and the session never failed\n%s", n, w.log.tail())
					}
					w.fresh(w.verify(w.complete))
					w.publishedAs(l)
				})
			})
		}
	}
}

// TestReplayTakeover: the worker that replays a letter dies while it commits, and the one that takes over is asked again.
func TestReplayTakeover(t *testing.T) {
	for name, c := range map[string]struct {
		fate loss
		then string
	}{"before the commit took effect": {lost, "published  1"}, "after": {unheard, "resolved published 1"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, large(), withToken(), func(w *world) {
				active := w.replica()
				w.awaitActive(10*time.Second, active)
				standby := w.replica()
				time.Sleep(20*time.Minute + 30*time.Second)
				l := w.letterOf("c-large")
				code, text, _ := w.post(standby.addr, `{"all":true}`)
				if code != http.StatusConflict || !strings.Contains(text, "the active one is worker 1") {
					t.Errorf("the standby answers %d %s", code, text)
				}
				w.raiseLimit()
				var dead atomic.Bool
				active.wire.Decide(func(k kmsg.Key) loss {
					if k != kmsg.EndTxn || dead.Swap(true) {
						return arrives
					}
					go active.wire.Cut("")
					return c.fate
				})
				answered := make(chan string)
				go func() {
					_, text, _ := w.post(active.addr, `{"all":true}`)
					answered <- text
				}()
				w.awaitActive(20*time.Second, standby)
				time.Sleep(5 * time.Second)
				if got := w.outcome(standby.addr, l.ID); got != c.then {
					t.Errorf("after the takeover: %s, want %s\n%s", got, c.then, w.log.tail())
				}
				_ = active.stop()
				if text := <-answered; strings.Contains(text, `"done"`) || strings.Contains(text, "published") {
					t.Errorf("the dead worker says %s", text)
				}
				time.Sleep(5 * time.Minute)
				w.must(standby.stop())
				w.fresh(w.verify(w.complete))
				w.publishedAs(l)
			})
		})
	}
}
