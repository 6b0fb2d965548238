package simulator

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSameSeedAndInstantGiveTheSameBytes(t *testing.T) {
	bodies := func(seed uint64) string {
		var all strings.Builder
		synctest.Test(t, func(t *testing.T) {
			s, err := New(Config{Seed: seed, AccountID: account, History: time.Hour, PerMinute: 30, Peak: 1.8,
				Switches: Switches{TwinSessions: 0.1, VeryLate: 0.1, Thin: 0.1, Restyle: true}, Faults: Faults{Poison: 0.1}})
			if err != nil {
				t.Fatal(err)
			}
			for range 20 {
				time.Sleep(time.Minute)
				w := directRaw(t, s, ask{from: time.Now().Add(-20 * time.Minute), to: time.Now(), limit: 100})
				all.Write(w)
			}
		})
		return all.String()
	}
	first := bodies(1)
	if first != bodies(1) {
		t.Error("the same seed gave other bytes")
	}
	if first == bodies(2) || len(first) < 1e6 {
		t.Errorf("another seed gave the same bytes, or too few: %d", len(first))
	}
}

// What was forgotten is drawn again the same, in whatever order it is asked for.
func TestForgettingChangesNothing(t *testing.T) {
	s, err := New(world30(8, nil))
	if err != nil {
		t.Fatal(err)
	}
	rows := func() map[Key]uint64 {
		m := map[Key]uint64{}
		for r := range s.RowsAt(noon.Add(time.Hour), noon.Add(-time.Hour), noon) {
			m[r.Key] = r.Hash()
		}
		return m
	}
	first := rows()
	s.world.drawn = map[int64][]row{}
	for m := floorMinute(noon.UnixMilli()); m >= floorMinute(noon.Add(-time.Hour).UnixMilli()); m-- {
		s.world.minute(m)
	}
	if again := rows(); !maps.Equal(first, again) || len(first) < 200 {
		t.Errorf("%d rows, then %d", len(first), len(again))
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	s, err := New(Config{AccountID: account, Start: noon, Until: noon, History: 24 * time.Hour, PerMinute: 500})
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	s.world.candidates(noon.Add(-24*time.Hour).UnixMilli(), noon.UnixMilli(), noon.UnixMilli(), func(*row) { rows++ })
	held := 0
	for _, minute := range s.world.drawn {
		held += len(minute) + 1
	}
	if rows < 2*cachedRows || held > cachedRows || held != s.world.cached {
		t.Errorf("%d rows seen, %d held, %d counted, want at most %d", rows, held, s.world.cached, cachedRows)
	}
}

// One large world has everything that the service's texts tell of.
func TestThePopulationHasEverything(t *testing.T) {
	s, err := New(Config{Seed: 1, AccountID: account, Start: noon, History: 10 * time.Hour, PerMinute: 8, Switches: Switches{TwinSessions: 0.05}})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	rows := 0
	for r := range s.RowsAt(noon, noon.Add(-10*time.Hour), noon, selectable...) {
		if !json.Valid(r.Raw) {
			t.Fatalf("not JSON: %s", r.Raw)
		}
		all.Write(r.Raw)
		all.WriteByte('\n')
		rows++
	}
	text := all.String()
	if mean := len(text) / rows; mean < 2400 || mean > 3000 {
		t.Errorf("mean row of %d bytes, want about 2700", mean)
	}
	for _, want := range []string{
		`"conversationId":"c-`, `"sessionId":"`, `"isVoicemail":"NO"`, `"isVoicemail":"YES"`, `"isVoicemail":true`, `"isVoicemail":false`, `"isVoicemail":null`,
		`"Direction":"Outbound"`, `"finalStatus":"TRANSIENT_OPEN"`, `"finalStatus":"CLOSED"`, `"finalStatus":"BotResolved"`, `"finalStatus":"Dropped"`,
		`"finalStatus":"USER ABANDONED"`, `"smartStatus":"ABANDONED WITH AGENT"`, `"reason":`, `"Reason":`, `"disconnectingEvent":"Agent Hangup"`, `"errorDetails":`,
		`"botId":"st-`, `"automationBotIDs":["st-`, `"dispositions":[]`, `"dispositions":["`, `"dispositionRemarks":["`, `"metaInfo":{`, `"agentTransferConfig":{`,
		`"customData":{`, `"identities":[{"val"`, `"sessionStartTime":null`, `/korevg/`, `/agentassist/c-`, `"channelSpecificUserId":null`, `"orgId":"o-`,
		`"destinationType":"QueueEntry"`, `"destinations":[{"destinationType":"AgentSegment"`, `"EnterTime":`, `"CallbackOpted":true`, `"CallbackOptedTime":`,
		`"userCallbackAcceptTime":`, `"respondingAgent":{`, `"nonRespondingAgents":[{"agentId"`, `"nonResponseEvent":`, `"firstResponseDuration":`,
		`"interactionDuration":"`, `"holdDuration":`, `"afterCallWorkDuration":`, `"afterCallWorkEndTime":`, `"ConsultingAgents":[{"agentId"`,
		`"ConsultingAgents":[{"name"`, `"isMerged":false`, `"JoinedUsers":[{"agentId"`, `"agentChoseTranslate":true`, `"snoozeinfo":[`, `"agentNotes":["`,
		`"surveyType":"csat"`, `"csatScore":`, `"surveyType":"nps"`, `"npsScore":`, `"likeDislikeScore":`, `"csatFeedback":`, `"skills":["`, `"CustomerPhone":`,
		`"userleveltags":[{"name"`, `"sessionleveltags":[{`, `"campaignRunDate":"`, `"attempt":""`, `"attempt":2`, `"contactListName":["`,
		`"channel":"voice"`, `"channel":"Voice"`, `"channel":"rtm"`, `"channel":"rtm "`, `"channel":"campaign"`, `"channel":"telegram"`, `"channel":"agentassist"`,
		`"channel":"AgentAssistV2"`, `"channel":"Web/Mobile Client"`, `"channel":"acme-kiosk"`, `"channel":null`, `"sentimentScore":-0.250`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %d rows", want, rows)
		}
	}
}

// The first eight digits of a sessionId are the second of the start, as shown.
func TestSessionIDsTellTheStart(t *testing.T) {
	s := serve(t, world30(1, nil))
	checked := 0
	for r := range s.RowsAt(noon, noon.Add(-time.Hour), noon) {
		var fields struct{ SessionID, SessionStartTime string }
		if err := json.Unmarshal(r.Raw, &fields); err != nil {
			t.Fatal(err)
		}
		if fields.SessionStartTime == "" {
			continue
		}
		start, err := time.Parse("2006-01-02T15:04:05", fields.SessionStartTime)
		shown := parseExtra(0, []byte(`{"sessionId":"`+fields.SessionID+`"}`), time.Time{})
		if err != nil || start.UnixMilli() != shown.start || start.UnixMilli() != r.Start.Truncate(time.Second).UnixMilli() {
			t.Errorf("%s started %s (%v)", fields.SessionID, fields.SessionStartTime, err)
		}
		checked++
	}
	if checked < 200 {
		t.Errorf("%d rows checked", checked)
	}
}

// Followed for ten hours, rows only go forward, and nothing changes once settled.
func TestRowsGoThroughTheirStages(t *testing.T) {
	s, err := New(world30(12, func(c *Config) { c.Switches.VeryLate, c.PerMinute = 0.02, 2 }))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[Key][]uint64{}
	stages := map[int]int{}
	look := func(at time.Time) (changed int) {
		for r := range s.RowsAt(at, noon.Add(-time.Hour), noon) {
			if h := r.Hash(); !slices.Contains(seen[r.Key], h) {
				seen[r.Key] = append(seen[r.Key], h)
				changed++
			} else if seen[r.Key][len(seen[r.Key])-1] != h {
				t.Errorf("%v went back to an earlier content", r.Key)
			}
		}
		return changed
	}
	for at := noon.Add(-30 * time.Minute); at.Before(noon.Add(time.Hour)); at = at.Add(45 * time.Second) {
		look(at)
	}
	for at := noon.Add(time.Hour); at.Before(s.Settled()); at = at.Add(20 * time.Minute) {
		look(at)
	}
	look(s.Settled())
	for at := s.Settled(); at.Before(s.Settled().Add(24 * time.Hour)); at = at.Add(6 * time.Hour) {
		if n := look(at); n > 0 {
			t.Fatalf("%d rows changed after the world was settled", n)
		}
	}
	for _, contents := range seen {
		stages[len(contents)]++
	}
	for _, n := range []int{1, 2, 4, 5, 6} { // 2: a bot's; 6: queued, assigned, ended, wrapped up, summarised, surveyed
		if stages[n] == 0 {
			t.Errorf("no row with %d contents: %v", n, stages)
		}
	}
}

// A row appears within LateBy of its start unless the switch says very late, and
// its end is known within LateBy of its end.
func TestLateness(t *testing.T) {
	for name, c := range map[string]struct {
		lateBy   time.Duration
		veryLate float64
		within   time.Duration
		some     time.Duration // at least one row is later than this
	}{
		"default":   {0, 0, DefaultLateBy, time.Minute},
		"at once":   {-1, 0, 0, -1},
		"bounded":   {10 * time.Minute, 0, 10 * time.Minute, 5 * time.Minute},
		"very late": {0, 0.1, 3 * time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := New(world30(2, func(cfg *Config) { cfg.LateBy = c.lateBy; cfg.Switches.VeryLate = c.veryLate }))
			if err != nil {
				t.Fatal(err)
			}
			latest := time.Duration(-1)
			for m := floorMinute(noon.Add(-30 * time.Minute).UnixMilli()); m < floorMinute(noon.UnixMilli()); m++ {
				for _, r := range s.world.minute(m) {
					late := time.Duration(r.shown-r.start) * time.Millisecond
					closed := time.Duration(r.closed-max(r.end, r.shown)) * time.Millisecond
					latest = max(latest, late)
					if late > c.within || late < 0 || closed > c.within || closed < 0 {
						t.Errorf("shown %v after its start, closed %v after its end", late, closed)
					}
				}
			}
			if latest <= c.some {
				t.Errorf("the latest row came after %v, want more than %v", latest, c.some)
			}
		})
	}
}

func TestHandoverReplacesTheBotRow(t *testing.T) {
	for _, stays := range []bool{false, true} {
		s, err := New(world30(2, func(c *Config) { c.Switches.BotRowStays = stays }))
		if err != nil {
			t.Fatal(err)
		}
		wasBot, both, replaced := map[string]bool{}, 0, 0
		for at := noon.Add(-30 * time.Minute); at.Before(noon.Add(2 * time.Minute)); at = at.Add(4 * time.Second) {
			bots, contacts := map[string]bool{}, map[string]bool{}
			for r := range s.RowsAt(at, at.Add(-2*time.Minute), at) {
				if r.Key.Identity == r.Key.Session {
					bots[r.Key.Session] = true
				} else {
					contacts[r.Key.Session] = true
				}
			}
			for session := range contacts {
				switch {
				case bots[session]:
					both++
				case wasBot[session]:
					replaced++
				}
			}
			maps.Copy(wasBot, bots)
		}
		if stays && (both == 0 || replaced > 0) || !stays && (both > 0 || replaced == 0) {
			t.Errorf("stays %v: %d seconds with both rows, %d with a contact in place of the bot", stays, both, replaced)
		}
	}
}

// The share of conversations follows the hour of the day when a peak is asked for.
func TestPeak(t *testing.T) {
	count := func(peak float64, hour int) int {
		midnight := noon.Truncate(24 * time.Hour)
		s, err := New(Config{Seed: 3, AccountID: account, Start: midnight.Add(24 * time.Hour), History: 24 * time.Hour, PerMinute: 20, Peak: peak})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for m := range 60 {
			n += len(s.world.minute(floorMinute(midnight.UnixMilli()) + int64(hour*60+m)))
		}
		return n
	}
	flat, busy, quiet := count(0, 14), count(2, 14), count(2, 2)
	if busy < flat*3/2 || quiet > flat/4 {
		t.Errorf("flat %d, at the peak %d, at night %d", flat, busy, quiet)
	}
}
