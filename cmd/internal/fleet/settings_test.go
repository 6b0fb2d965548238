package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
)

// stored is a conversation as it stands in a topic.
type stored struct {
	*encoder.Conversation
	topic     string
	partition int32
	time      time.Time // the record's
}

// channel is the channel as routes and filters see it.
func (s stored) channel() string {
	if s.Channel == nil {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(*s.Channel))
}

// stored reads the conversations of the built-in topics and of more.
func (w *world) stored(more ...string) []stored {
	w.t.Helper()
	var names []string
	for _, suffix := range append([]string{"voice", "rtm", "agentassist", "other"}, more...) {
		names = append(names, "conversations."+suffix)
	}
	records, err := verify.Consume(context.Background(), []string{kafkaAddr}, w.network.DialContext, names)
	if err != nil {
		w.t.Fatal(err)
	}
	out := make([]stored, len(records))
	for i, r := range records {
		c, err := encoder.DecodeConversation(r.Value)
		if err != nil {
			w.t.Fatal(err)
		}
		out[i] = stored{c, r.Topic, r.Partition, r.Timestamp}
	}
	return out
}

// commits reads the progress topic.
func (w *world) commits() []*encoder.Progress {
	w.t.Helper()
	records, err := verify.Consume(context.Background(), []string{kafkaAddr}, w.network.DialContext, []string{"conversations.progress"})
	if err != nil {
		w.t.Fatal(err)
	}
	out := make([]*encoder.Progress, len(records))
	for i, r := range records {
		if out[i], err = encoder.DecodeProgress(r.Value); err != nil {
			w.t.Fatal(err)
		}
	}
	return out
}

// extra is a row of our own, verbatim.
func extra(id, status string, start, end time.Time, more string) json.RawMessage {
	const layout = "2006-01-02T15:04:05"
	return fmt.Appendf(nil, `{"conversationId":%q,"sessionId":%q,"channel":"voice","finalStatus":%q,"sessionStartTime":%q,"sessionEndTime":%q%s}`,
		id, "s-"+id, status, start.UTC().Format(layout), end.UTC().Format(layout), more)
}

// bubble is the instant at which every bubble's clock starts.
var bubble = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// TestRecordTimestamp: the time of a record is the publication's, or the conversation's start where Kafka would not
// delete the record soon for it and no consumer would meet the future.
func TestRecordTimestamp(t *testing.T) {
	for _, setting := range []string{"publish", "start"} {
		t.Run(setting, func(t *testing.T) {
			c := simulator.Config{History: 6 * time.Hour, PerMinute: 1, Switches: simulator.Switches{FilterBy: simulator.ByEnd}}
			c.Extra = []json.RawMessage{extra("of-tomorrow", "CLOSED", bubble.Add(24*time.Hour), bubble.Add(-time.Hour), "")}
			env := map[string]string{"START_FROM": "6h", "RECORD_TIMESTAMP": setting, "TOPIC_RETENTION": "4h"}
			inWorld(t, c, env, func(w *world) {
				w.run(30 * time.Minute)
				met := map[string]int{}
				for _, s := range w.stored() {
					age := kindOfStart(s, 2*time.Hour)
					if age == "" {
						continue
					}
					met[age]++
					published := s.time.Sub(s.ObservedAt).Abs() < 20*time.Second
					atStart := s.SessionStartTime != nil && s.time.Equal(*s.SessionStartTime)
					if want := setting == "start" && age == "young"; atStart != want || published == want {
						w.t.Fatalf("%s (%s): start %v, read at %v, record time %v", s.ID, age, s.SessionStartTime, s.ObservedAt, s.time)
					}
				}
				t.Log(met)
				if met["young"] == 0 || met["old"] == 0 || met["future"] == 0 || met["none"] == 0 {
					t.Errorf("%v: a kind is missing, the test shows nothing", met)
				}
			})
		})
	}
}

// kindOfStart sorts the conversations by their start; "" is for those on a border.
func kindOfStart(s stored, keeps time.Duration) string {
	if s.SessionStartTime == nil {
		return "none"
	}
	switch age := s.ObservedAt.Sub(*s.SessionStartTime); {
	case age < -time.Minute:
		return "future"
	case age > time.Minute && age < keeps-time.Minute:
		return "young"
	case age > keeps+time.Minute:
		return "old"
	}
	return ""
}

// TestEachConversationOnce: under DEDUPLICATE=conversation each is published once, when it is first seen closed or is a
// day old.
func TestEachConversationOnce(t *testing.T) {
	long(t)
	c := simulator.Config{History: time.Hour, PerMinute: 0.3, Switches: simulator.Switches{TwinSessions: 0.1}}
	c.Extra = []json.RawMessage{extra("for-ever-open", "TRANSIENT_OPEN", bubble.Add(-30*time.Minute), bubble.Add(-30*time.Minute), "")}
	env := frugal(map[string]string{"START_FROM": "1h", "POLL_INTERVAL": "5m", "REREAD": "1h:10m,6h:1h,48h:4h", "DEDUPLICATE": "conversation"})
	inWorld(t, c, env, func(w *world) {
		w.run(48 * time.Hour)
		published := map[string]stored{}
		for _, s := range w.stored() {
			if _, twice := published[s.ID]; twice || s.Revision != 1 || s.Change != encoder.ChangeNew {
				w.t.Fatalf("%s: revision %d (%s), there already: %v", s.ID, s.Revision, s.Change, twice)
			}
			published[s.ID] = s
			open := s.FinalStatus != nil && *s.FinalStatus == "TRANSIENT_OPEN"
			if open && (s.SessionStartTime == nil || s.ObservedAt.Sub(*s.SessionStartTime) < 24*time.Hour) {
				w.t.Fatalf("%s was published open, at %v, having started %v", s.ID, s.ObservedAt, s.SessionStartTime)
			}
		}
		if s, ok := published["for-ever-open"]; !ok || s.ObservedAt.Sub(bubble) > 28*time.Hour {
			t.Errorf("the conversation that stays open was published: %v (%+v)", ok, s)
		}
		rows := 0
		for row := range w.service.RowsAt(time.Now(), bubble.Add(-time.Hour), time.Now().Add(-8*time.Hour)) { // all closed and read again
			if rows++; published[row.Key.Identity].Conversation == nil {
				t.Errorf("lost: %s, started %v", row.Key.Identity, row.Start)
			}
		}
		if rows < 500 {
			t.Errorf("%d rows: the test shows nothing", rows)
		}
	})
}

// TestIgnoredMembersMakeNoRevision: a member that changes with every answer makes a revision of every read, unless it is
// ignored; another member of the same row still makes one.
func TestIgnoredMembersMakeNoRevision(t *testing.T) {
	for _, ignored := range []bool{false, true} {
		t.Run(fmt.Sprint("ignored ", ignored), func(t *testing.T) {
			env := map[string]string{"START_FROM": "1h", "POLL_INTERVAL": "1m"}
			if ignored {
				env["DEDUPLICATE_IGNORE"] = "/age,/seen/*/ago"
			}
			var service *simulator.Service
			c := simulator.Config{History: time.Hour, PerMinute: 0.1}
			c.Extra = []json.RawMessage{extra("ages", "CLOSED", bubble.Add(-time.Minute), bubble, `,"age":"@","seen":[{"ago":"@"}],"score":"#"`)}
			c.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				const inner = "X-Inner"
				if r.Header.Get(inner) != "" {
					return false
				}
				again, answer := r.Clone(r.Context()), httptest.NewRecorder()
				again.Header.Set(inner, "1")
				service.ServeHTTP(answer, again)
				score := time.Since(bubble) / (30 * time.Minute) // one change, after half an hour
				text := strings.NewReplacer(`"@"`, fmt.Sprint(time.Now().UnixNano()), `"#"`, fmt.Sprint(int(score))).Replace(answer.Body.String())
				w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
				w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
				w.WriteHeader(answer.Code)
				_, _ = w.Write([]byte(text))
				return true
			}
			inWorld(t, c, env, func(w *world) {
				service = w.service
				w.run(50 * time.Minute)
				revisions := 0
				for _, s := range w.stored() {
					if s.ID == "ages" {
						revisions++
					}
				}
				if ignored && revisions != 2 || !ignored && revisions < 8 {
					t.Errorf("%d revisions\n%s", revisions, w.log.tail())
				}
			})
		})
	}
}

// TestChannelTopics: channels go where they are told to, and the others where they went before.
func TestChannelTopics(t *testing.T) {
	c := simulator.Config{History: 6 * time.Hour, PerMinute: 1}
	env := map[string]string{"START_FROM": "6h", "CHANNEL_TOPICS": " Telegram =chat,whatsapp=chat,Web/Mobile Client=web"}
	routes := map[string]string{
		"voice": "voice", "rtm": "rtm", "agentassist": "agentassist", "agentassistv2": "agentassist",
		"telegram": "chat", "whatsapp": "chat", "web/mobile client": "web",
	}
	inWorld(t, c, env, func(w *world) {
		w.run(30 * time.Minute)
		met := map[string]int{}
		for _, s := range w.stored("chat", "web") {
			want, ok := routes[s.channel()]
			if !ok {
				want = "other"
			}
			if met[want]++; s.topic != "conversations."+want {
				w.t.Fatalf("channel %q is in %s, want %s", s.channel(), s.topic, want)
			}
		}
		if len(met) != 6 {
			t.Errorf("%v: the test shows nothing", met)
		}
	})
}

// TestChannelFilter: what is filtered for is all there, and nothing else is.
func TestChannelFilter(t *testing.T) {
	t.Parallel()
	c := simulator.Config{History: 6 * time.Hour, PerMinute: 1}
	inWorld(t, c, map[string]string{"START_FROM": "6h", "SMARTASSIST_CHANNELS": "voice, telegram"}, func(w *world) {
		w.run(2 * time.Hour)
		r := w.verify(func(r *verify.Report) { r.CheckClaims(2 * time.Minute) })
		w.fresh(r)
		published := map[string]bool{}
		for _, s := range w.stored() {
			// The simulator's filter knows the channel also of a row that leaves it out.
			if published[s.ID] = true; s.Channel != nil && s.channel() != "voice" && s.channel() != "telegram" {
				w.t.Fatalf("%s is of channel %q", s.ID, s.channel())
			}
		}
		rows := 0
		for row := range w.service.RowsAt(time.Now(), r.CompleteFrom, time.Now().Add(-time.Hour)) {
			var of struct{ Channel string }
			if json.Unmarshal(row.Raw, &of) != nil || of.Channel != "voice" && of.Channel != "telegram" {
				continue
			}
			if rows++; !published[row.Key.Identity] {
				t.Errorf("lost: %s, started %v", row.Key.Identity, row.Start)
			}
		}
		if rows < 100 {
			t.Errorf("%d rows: the test shows nothing", rows)
		}
	})
}

// TestBotsAndDirection: what is asked for by bot and direction is all there, and nothing else is.
func TestBotsAndDirection(t *testing.T) {
	t.Parallel()
	type row struct{ BotID, Direction string }
	c := simulator.Config{History: 6 * time.Hour, PerMinute: 1}
	inWorld(t, c, map[string]string{"START_FROM": "6h", "SMARTASSIST_DIRECTION": "outbound"}, func(w *world) {
		want := map[string]bool{}
		for r := range w.service.RowsAt(time.Now(), time.Now().Add(-5*time.Hour), time.Now().Add(-time.Hour)) {
			var of row
			if json.Unmarshal(r.Raw, &of) != nil || of.Direction != "Outbound" || of.BotID == "" {
				continue
			}
			if w.env["SMARTASSIST_BOTS"] == "" {
				w.env["SMARTASSIST_BOTS"] = of.BotID
			}
			if of.BotID == w.env["SMARTASSIST_BOTS"] {
				want[r.Key.Identity] = true
			}
		}
		w.run(time.Hour)
		w.verify(func(r *verify.Report) { r.CheckClaims(2 * time.Minute) })
		for _, s := range w.stored() {
			if s.Direction != nil && *s.Direction != "Outbound" || s.BotID != nil && *s.BotID != w.env["SMARTASSIST_BOTS"] {
				w.t.Fatalf("%s is %v, of bot %v", s.ID, *s.Direction, s.BotID)
			}
			delete(want, s.ID)
		}
		if len(want) > 0 || w.env["SMARTASSIST_BOTS"] == "" {
			t.Errorf("lost of bot %q: %v", w.env["SMARTASSIST_BOTS"], want)
		}
	})
}
