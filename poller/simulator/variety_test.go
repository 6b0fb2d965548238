package simulator

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestTwinSessions(t *testing.T) {
	for _, share := range []float64{0, 0.3} {
		s, err := New(world30(2, func(c *Config) { c.Switches.TwinSessions = share }))
		if err != nil {
			t.Fatal(err)
		}
		sessions := map[string]map[string]bool{}
		twins := 0
		for r := range s.RowsAt(noon.Add(time.Hour), noon.Add(-time.Hour), noon.Add(time.Hour)) {
			if sessions[r.Key.Identity] == nil {
				sessions[r.Key.Identity] = map[string]bool{}
			}
			if sessions[r.Key.Identity][r.Key.Session] = true; len(sessions[r.Key.Identity]) == 2 {
				twins++
			}
		}
		if share == 0 && twins > 0 || share > 0 && twins < 30 {
			t.Errorf("share %v: %d conversations on two rows", share, twins)
		}
	}
}

// Companions belong to a contact that exists.
func TestCompanionsNameTheirConversation(t *testing.T) {
	s, err := New(world30(2, nil))
	if err != nil {
		t.Fatal(err)
	}
	contacts, companions := map[string]bool{}, []string{}
	for r := range s.RowsAt(noon.Add(time.Hour), noon.Add(-time.Hour), noon.Add(time.Hour)) {
		var fields struct{ ConversationID, ChannelSpecificUserID string }
		if err := json.Unmarshal(r.Raw, &fields); err != nil {
			t.Fatal(err)
		}
		contacts[fields.ConversationID] = true
		if rest, ok := bytes.CutPrefix([]byte(fields.ChannelSpecificUserID), []byte(account+"/agentassist/")); ok {
			companions = append(companions, string(rest))
		}
	}
	if len(companions) < 20 || slices.ContainsFunc(companions, func(id string) bool { return !contacts[id] }) {
		t.Errorf("%d companions, not all of them of a contact", len(companions))
	}
}

func TestSomeConversationsChangeTheirChannel(t *testing.T) {
	s, err := New(world30(2, func(c *Config) { c.PerMinute = 40 }))
	if err != nil {
		t.Fatal(err)
	}
	channels, moved := map[Key]string{}, 0
	for at := noon.Add(-30 * time.Minute); at.Before(noon.Add(time.Hour)); at = at.Add(10 * time.Minute) {
		for r := range s.RowsAt(at, noon.Add(-time.Hour), noon) {
			var fields struct{ Channel string }
			if err := json.Unmarshal(r.Raw, &fields); err != nil {
				t.Fatal(err)
			}
			if before, ok := channels[r.Key]; ok && before != fields.Channel {
				moved++
			}
			channels[r.Key] = fields.Channel
		}
	}
	if moved == 0 || moved > len(channels)/20 {
		t.Errorf("%d of %d rows changed their channel", moved, len(channels))
	}
}

// Restyled rows are the same rows in other bytes.
func TestRestyle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{AccountID: account, PerMinute: 10, History: 30 * time.Hour, Until: time.Now().Add(-24 * time.Hour), Switches: Switches{Restyle: true}})
		if err != nil {
			t.Fatal(err)
		}
		window := ask{from: time.Now().Add(-30 * time.Hour), to: time.Now(), limit: 100}
		first := direct(t, s, window)
		time.Sleep(time.Second)
		again := direct(t, s, window)
		differ := 0
		for i, raw := range first.rows {
			if ContentHash(raw) != ContentHash(again.rows[i]) {
				t.Errorf("another content: %s", raw)
			}
			if !bytes.Equal(raw, again.rows[i]) {
				differ++
			}
		}
		if len(first.rows) != 100 || differ < 50 {
			t.Errorf("%d rows, %d in other bytes", len(first.rows), differ)
		}
	})
}
