package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

// TestTwoRowsOfOneKeyOnAPage: two rows of one session, by two bots, come on every page together. Each content is published, or
// is a dead letter, once.
func TestTwoRowsOfOneKeyOnAPage(t *testing.T) {
	t.Parallel()
	at := bubble.Add(-30 * time.Minute)
	row := func(bot string) json.RawMessage {
		return fmt.Appendf(nil, `{"sessionId":"386d3f38aaaaaaaaaaaaaaaa","channel":"rtm","botId":%q,"finalStatus":"BotResolved","sessionStartTime":%q,"sessionEndTime":%q}`,
			bot, at.Format("2006-01-02T15:04:05"), at.Add(time.Minute).Format("2006-01-02T15:04:05"))
	}
	bots := []string{"st-first", "st-second"}
	c := simulator.Config{History: time.Hour, PerMinute: 0.2, Extra: []json.RawMessage{row(bots[0]), row(bots[1])}}
	inWorld(t, c, frugal(map[string]string{"START_FROM": "1h"}), func(w *world) {
		w.run(20 * time.Minute)
		w.run(90 * time.Minute) // with a memory that was restored
		for _, bot := range bots {
			published, letters := 0, 0
			for _, s := range w.stored() {
				if s.BotID != nil && *s.BotID == bot {
					published++
				}
			}
			for _, r := range w.consume("conversations.dead-letter") {
				if bytes.Contains(r.Value, []byte(bot)) {
					letters++
				}
			}
			if published+letters != 1 {
				t.Errorf("the row of %s is published %d times and %d times a dead letter, want once", bot, published, letters)
			}
		}
		w.fresh(w.verify(onlyAbout("has revisions", "goes back", "is there twice")))
	})
}

// TestIgnoredMembersChange: what is ignored is another list after a restart, and then the first again. A content that did not
// change makes no revision; one that did makes one.
func TestIgnoredMembersChange(t *testing.T) {
	t.Parallel()
	const rows = 40
	var c simulator.Config
	for i := range rows {
		at := bubble.Add(-time.Duration(i+1) * time.Minute)
		more := fmt.Sprintf(`,"metaInfo":{"caller":"+49 %d","customData":{"n":%d}}`, i, i)
		if i == 7 {
			more += `,"smartStatus":"@"`
		}
		c.Extra = append(c.Extra, extra(fmt.Sprint("c-", i), "CLOSED", at, at.Add(30*time.Second), more))
	}
	changes := bubble.Add(110 * time.Minute)
	g := &gateway{changes: func(_ pageRequest, _ http.Header, page []byte) []byte {
		if time.Now().Before(changes) {
			return page
		}
		return bytes.Replace(page, []byte(`"smartStatus":"@"`), []byte(`"smartStatus":"CLOSED"`), 1)
	}}
	env := frugal(map[string]string{"START_FROM": "1h", "POLL_INTERVAL": "5m", "REREAD": "6h:10m"})
	inWorldBehind(t, g, c, env, func(w *world) {
		for _, ignored := range []string{"", "/metaInfo", "/metaInfo,/userTags", ""} {
			w.env["DEDUPLICATE_IGNORE"] = ignored
			w.run(40 * time.Minute)
		}
		revisions := map[string]int{}
		for _, s := range w.stored() {
			revisions[s.ID]++
		}
		again := 0
		for id, n := range revisions {
			switch {
			case id == "c-7":
				if n != 2 {
					t.Errorf("%d revisions of the conversation that changed once", n)
				}
			case n != 1:
				again++
			}
		}
		if again > 0 || len(revisions) != rows {
			t.Errorf("%d of %d conversations have further revisions, though nothing of them changed", again, len(revisions))
		}
	})
}
