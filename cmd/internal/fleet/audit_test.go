package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/cmd/internal/auditor"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
	"github.com/convstream/convstream/poller/smartassist"
)

// conversationTopics are those of a world's conversations.
var conversationTopics = encoder.Topics{Prefix: "conversations."}.Conversations()

// audit posts a request for an audit and returns the lines of the answer but progress, and how it ended.
func (w *world) audit(addr string, from, to time.Time) (lines []auditor.Line, s auditor.Summary, err error) {
	w.t.Helper()
	answer, code := w.askAudit(context.Background(), addr, from, to)
	defer answer.Body.Close()
	if code != http.StatusOK {
		var text bytes.Buffer
		_, err := text.ReadFrom(answer.Body)
		w.must(err)
		return nil, s, fmt.Errorf("%d %s", code, text.String())
	}
	s, err = auditor.Follow(answer.Body, func(_ []byte, l auditor.Line) error {
		if l.Progress == nil {
			lines = append(lines, l)
		}
		return nil
	})
	return lines, s, err
}

func (w *world) askAudit(ctx context.Context, addr string, from, to time.Time) (answer *http.Response, code int) {
	w.t.Helper()
	body, err := json.Marshal(auditor.Request{From: from.UTC().Format(time.RFC3339), To: to.UTC().Format(time.RFC3339)})
	w.must(err)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+auditor.Path, bytes.NewReader(body))
	w.must(err)
	req.Header.Set("authorization", "Bearer "+adminToken1)
	client := http.Client{Transport: &http.Transport{DialContext: w.network.DialContext, DisableKeepAlives: true}}
	answer, err = client.Do(req)
	w.must(err)
	return answer, answer.StatusCode
}

// differences are what an audit found that differs, with the identity.
func differences(lines []auditor.Line) (out []string) {
	for _, l := range lines {
		if l.Difference != nil && l.Result != audit.DeadLetter {
			out = append(out, l.Identity+" "+string(l.Result))
		}
	}
	slices.Sort(out)
	return out
}

// TestAudit: whole worlds, whose topics are changed behind the worker's back while it is down: every difference is found, none is invented,
// and what was missing or stale is there afterwards. The worker's own notion of them is not asked.
func TestAudit(t *testing.T) {
	long(t)
	for seed := uint64(1); seed <= 2; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			c := simulator.Config{Seed: seed, History: time.Hour, PerMinute: 3, SurveyBy: -1, Faults: simulator.Faults{Poison: 0.02}}
			inWorld(t, c, withToken("LEASE", "off", "REREAD", "3h:5m"), func(w *world) {
				from := time.Now().Add(-time.Hour)
				to := from.Add(2 * time.Hour)
				stop := w.start()
				time.Sleep(3 * time.Hour)
				lines, s, err := w.audit(adminAddr, from, to)
				if got := differences(lines); err != nil || len(got) > 0 || s.Differs || s.Counts[audit.Equal] < 300 {
					t.Errorf("untouched: %v, %+v, %v\n%s", got, s, err, w.log.tail())
				}
				if n := w.showsOf(from, to); s.Counts[audit.Equal]+s.Counts[audit.DeadLetter] < n {
					t.Errorf("%d rows compared, the service shows %d", s.Counts[audit.Equal]+s.Counts[audit.DeadLetter], n)
				}
				w.must(stop())
				want := w.tamper(rand.New(rand.NewPCG(seed, 1)), from, to)
				stop = w.start()
				time.Sleep(time.Minute)
				lines, s, err = w.audit(adminAddr, from, to)
				if got := differences(lines); err != nil || !slices.Equal(got, want) || !s.Differs {
					t.Errorf("tampered: %v\n%s\nwant\n%s\n%s", err, strings.Join(got, "\n"), strings.Join(want, "\n"), w.log.tail())
				}
				t.Logf("%+v", s)
				lines, again, err := w.audit(adminAddr, from, to)
				if err != nil || again.Counts[audit.Missing]+again.Counts[audit.Stale] > 0 || again.Published > 0 || s.Published == 0 {
					t.Errorf("afterwards: %v, %+v, %v", differences(lines), again, err)
				}
				w.must(stop())
			})
		})
	}
}

// showsOf is how many rows the service shows of a range.
func (w *world) showsOf(from, to time.Time) (n int) {
	for range w.service.RowsAt(time.Now(), from, to) {
		n++
	}
	return n
}

// tamper makes the topics of conversations anew, from which records are missing and to which others were added, and returns what an audit
// must find.
func (w *world) tamper(dice *rand.Rand, from, to time.Time) (want []string) {
	w.t.Helper()
	byKey := map[string][]*kgo.Record{}
	var keys []string
	for _, r := range w.consume(conversationTopics...) {
		if byKey[string(r.Key)] == nil {
			keys = append(keys, string(r.Key))
		}
		byKey[string(r.Key)] = append(byKey[string(r.Key)], r)
	}
	slices.Sort(keys)
	current := map[string]bool{} // identities that the service shows, each with one row
	for row := range w.service.RowsAt(time.Now(), from.Add(time.Minute), to.Add(-time.Minute)) {
		_, twice := current[row.Key.Identity]
		current[row.Key.Identity] = !twice && !row.Dead
	}
	var kept []*kgo.Record
	for _, key := range keys {
		list := byKey[key]
		if current[key] {
			result := ""
			if list, result = alter(dice, list); result != "" {
				want = append(want, key+" "+result)
			}
		}
		kept = append(kept, list...)
	}
	for n := range 3 {
		record, key := w.foreign(n, from.Add(time.Duration(n+1)*10*time.Minute))
		kept, want = append(kept, record), append(want, key+" extra")
	}
	for _, topic := range conversationTopics {
		w.must(w.cluster.DeleteTopic(topic))
		w.must(w.cluster.CreateTopic(topic, 6, nil))
	}
	w.produceAt(kept)
	slices.Sort(want)
	return want
}

// alter returns what is left of the records of a conversation, and what an audit must call that.
func alter(dice *rand.Rand, list []*kgo.Record) (left []*kgo.Record, result string) {
	slices.SortStableFunc(list, func(a, b *kgo.Record) int { return revisionOf(a) - revisionOf(b) })
	last := len(list) - 1
	switch n := dice.IntN(30); {
	case n == 0:
		return nil, "missing"
	case n == 1 && last > 0:
		return list[:last], "stale"
	case n == 2 && last > 0:
		return list[1:], "gone"
	case n == 3:
		return append(slices.Clone(list), list[last]), "twice"
	}
	return list, ""
}

func revisionOf(r *kgo.Record) (n int) {
	for _, h := range r.Headers {
		if h.Key == "ce_id" {
			parts := strings.Split(string(h.Value), ":")
			_, _ = fmt.Sscan(parts[len(parts)-2], &n)
		}
	}
	return n
}

// foreign is a record of a conversation that the service never had.
func (w *world) foreign(n int, at time.Time) (r *kgo.Record, key string) {
	w.t.Helper()
	e, err := encoder.New(encoder.Config{AccountID: accountID, Topics: encoder.Topics{Prefix: "conversations."}})
	w.must(err)
	key = fmt.Sprint("foreign-", n)
	text := at.UTC().Format("2006-01-02T15:04:05")
	row := smartassist.ParseRow(fmt.Appendf(nil, `{"conversationId":%q,"channel":"voice","sessionStartTime":%q,"sessionEndTime":%q}`, key, text, text))
	m, err := e.Conversation(encoder.Revision{Row: row, Number: 1, Change: "new", ObservedAt: at, Fingerprint: row.Fingerprint(smartassist.Ignore{})})
	w.must(err)
	r = &kgo.Record{Topic: m.Topic, Key: m.Key, Value: m.Value}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return r, key
}

// produceAt writes records where they stood.
func (w *world) produceAt(records []*kgo.Record) {
	w.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(kafkaAddr), kgo.Dialer(w.network.DialContext), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	w.must(err)
	defer c.Close()
	for _, r := range records {
		w.must(c.ProduceSync(context.Background(), &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers}).FirstErr())
	}
}
