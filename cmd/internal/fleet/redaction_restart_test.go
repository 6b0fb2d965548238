package fleet

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/simulator"
	"github.com/convstream/convstream/poller/smartassist"
)

// contents are what the topics hold of each conversation: the rows as they were rebuilt, by id, in the order of their revisions.
func (w *world) contents() map[string][]any {
	w.t.Helper()
	out := map[string][]any{}
	all := w.stored()
	slices.SortFunc(all, func(a, b stored) int { return int(a.Revision - b.Revision) })
	for _, s := range all {
		raw, err := s.Rebuild()
		w.must(err)
		if out[s.ID] = append(out[s.ID], valueOf(raw)); len(out[s.ID]) != int(s.Revision) {
			w.t.Errorf("%s: revision %d is the %d. that is there", s.ID, s.Revision, len(out[s.ID]))
		}
	}
	return out
}

// valueOf is a row to compare; numbers by their text.
func valueOf(raw []byte) (value any) {
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if d.Decode(&value) != nil {
		return string(raw)
	}
	return value
}

// shown are the rows that the service shows now, as they should be published, by id.
func (w *world) shown(redaction *smartassist.Redaction) map[string]any {
	out := map[string]any{}
	for row := range w.service.RowsAt(time.Now(), bubble.Add(-24*time.Hour), time.Now(), strings.Split(everythingSelected, ",")...) {
		if r := redaction.Row(smartassist.ParseRow(row.Raw)); r.Err == nil {
			out[r.Identity()] = valueOf(r.Raw)
		}
	}
	return out
}

// unchanged counts the revisions that say what the one before said.
func unchanged(contents map[string][]any) (n int) {
	for _, revisions := range contents {
		for i := 1; i < len(revisions); i++ {
			if reflect.DeepEqual(revisions[i-1], revisions[i]) {
				n++
			}
		}
	}
	return n
}

// revisions counts all.
func revisions(contents map[string][]any) (n int) {
	for _, list := range contents {
		n += len(list)
	}
	return n
}

func (w *world) redaction() *smartassist.Redaction {
	w.t.Helper()
	r, err := w.config().Rules()
	w.must(err)
	return r
}

// changing is a service whose conversations change in what is redacted, and in what is not.
func changing() simulator.Config {
	return simulator.Config{History: time.Hour, PerMinute: 2, SurveyBy: time.Hour, Until: bubble, Switches: simulator.Switches{Restyle: true, BotRowStays: true}}
}

func redacting(rules string, more ...string) map[string]string {
	return withToken(append([]string{"REDACT", rules, "REDACT_KEY", redactKey, "SMARTASSIST_SELECTED_FIELDS", everythingSelected, "REREAD", "8h:20m"}, more...)...)
}

// TestRevisionsOfRedactedRows: one only where something that is left changes, through a restart; with another key each conversation
// comes once more, as its next revision.
func TestRevisionsOfRedactedRows(t *testing.T) {
	long(t)
	t.Parallel()
	counts := map[string]int{}
	for _, rules := range []string{rulesOf(t, 1), "/nowhere=drop"} {
		inWorld(t, changing(), redacting(rules), func(w *world) {
			w.run(time.Hour)
			w.run(time.Hour)
			got := w.contents()
			if n := unchanged(got); n > 0 {
				t.Errorf("%d revisions without a change", n)
			}
			for id, want := range w.shown(w.redaction()) {
				if list := got[id]; len(list) == 0 || !reflect.DeepEqual(list[len(list)-1], want) {
					t.Errorf("%s: the newest of %d revisions is not what is left of the row", id, len(list))
				}
			}
			counts[rules] = revisions(got)
		})
	}
	t.Logf("%d revisions of rows redacted, %d of rows as they are", counts[rulesOf(t, 1)], counts["/nowhere=drop"])
	if counts[rulesOf(t, 1)] >= counts["/nowhere=drop"] {
		t.Error("nothing changed in what is redacted: the test shows nothing")
	}
}

// TestAnotherKey: after a restart with another key what is read again comes once more, as the next revision, and the log says so.
// Where ids are hashed, it comes as new conversations; with the same key they are known.
func TestAnotherKey(t *testing.T) {
	long(t)
	t.Parallel()
	for rules, anew := range map[string]bool{rulesOf(t, 2): false, "/conversationId=hash,/sessionId=hash,/channelSpecificUserId=drop": true} {
		inWorld(t, changing(), redacting(rules), func(w *world) {
			const told = "REDACT or REDACT_KEY is not what the state was written with"
			w.run(3 * time.Hour)
			before := w.contents()
			w.run(30 * time.Minute)
			if again := w.contents(); revisions(again) != revisions(before) || w.log.count(told) != 0 {
				t.Errorf("the same key: %d revisions, then %d; told %d times", revisions(before), revisions(again), w.log.count(told))
			}
			w.env["REDACT_KEY"] = "an0ther-key-of-the-tests-0123456789"
			w.run(30 * time.Minute)
			after := w.contents()
			w.run(10 * time.Minute)
			if n := revisions(w.contents()); n != revisions(after) || w.log.count(told) != 1 {
				t.Errorf("%d revisions, then %d; told %d times", revisions(after), n, w.log.count(told))
			}
			if anew != (len(after) == 2*len(before)) || !anew && len(after) != len(before) {
				t.Errorf("%d conversations, %d with another key", len(before), len(after))
			}
			if more := revisions(after) - revisions(before); more < len(before)*9/10 || more > len(before) {
				t.Errorf("%d revisions more, of %d conversations", more, len(before))
			}
		})
	}
}

// TestReplayOfARedactedLetter: it is published as it was put aside, and its hashes are not hashed once more.
func TestReplayOfARedactedLetter(t *testing.T) {
	long(t)
	t.Parallel()
	c := large()
	c.Extra = append(c.Extra, extraRow("c-other", `,"userId":"u-2","metaInfo":"`+noise(2<<20)+`"`), json.RawMessage(`"Penelope Halloran"`))
	c.Extra[0] = extraRow("c-large", `,"userId":"someone-on-the-phone","metaInfo":"`+noise(2<<20)+`"`)
	inWorld(t, c, redacting("/userId=hash"), func(w *world) {
		stop := w.start()
		time.Sleep(20 * time.Minute)
		l := w.letterOf("c-large")
		if l.Redaction != w.redaction().ID() || !strings.Contains(string(l.Row), `"userId":"`) || strings.Contains(string(l.Row), "someone-on-the-phone") {
			t.Errorf("redaction %q of %.300s", l.Redaction, l.Row)
		}
		w.raiseLimit()
		if got := w.outcome(adminAddr, l.ID); got != "published  1" {
			t.Errorf("%s\n%s", got, w.log.tail())
		}
		w.publishedAs(l)
		withheld := w.letterOf("")
		if got := w.outcome(adminAddr, withheld.ID); !strings.HasPrefix(got, "dead the topic does not have its row") || !smartassist.IsWithheld(withheld.Row) {
			t.Errorf("%s: %s", got, withheld.Row)
		}
		w.must(stop())
		// The other one is not read again: what it says of a person must not be published as it is.
		other := w.letterOf("c-other")
		w.env["REDACT"], w.env["REREAD"] = "/userId=drop", "10m:5m"
		w.env["START_FROM"] = "1m"
		again := w.start()
		time.Sleep(time.Second)
		if got := w.outcome(adminAddr, other.ID); !strings.HasPrefix(got, "dead it was redacted with another REDACT") {
			t.Errorf("%s\n%s", got, w.log.tail())
		}
		w.must(again())
	})
}

// TestConversationsAreKnownByHashedIds: each is one conversation under its hash, however often it is read, and what belongs together still does.
func TestConversationsAreKnownByHashedIds(t *testing.T) {
	long(t)
	t.Parallel()
	inWorld(t, changing(), redacting("/conversationId=hash,/sessionId=hash,/channelSpecificUserId=drop"), func(w *world) {
		w.run(2 * time.Hour)
		w.run(2 * time.Hour)
		want, got := w.shown(w.redaction()), w.contents()
		plain := map[string]string{}
		for row := range w.service.RowsAt(time.Now(), bubble.Add(-24*time.Hour), time.Now()) {
			r := smartassist.ParseRow(row.Raw)
			for _, id := range []string{r.ConversationID, r.SessionID} {
				if id != "" {
					plain[id] = "an id"
				}
			}
		}
		w.nothingInTopics(newNeedles(plain))
		if len(got) != len(want) || len(want) < 100 {
			t.Errorf("%d conversations, want %d", len(got), len(want))
		}
		related, superseding := 0, 0
		for _, s := range w.stored() {
			if len(s.ID) != 32 {
				t.Fatalf("id %q", s.ID)
			}
			if s.RelatedConversationID != nil {
				related++
			}
			if s.Supersedes != nil && len(got[*s.Supersedes]) > 0 {
				superseding++
			}
		}
		t.Logf("%d conversations, %d of them grown out of another", len(got), superseding)
		if related > 0 || superseding == 0 {
			t.Errorf("%d related, %d superseding", related, superseding)
		}
	})
}
