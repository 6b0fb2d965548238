package client

import (
	"strings"
	"testing"
	"time"
)

// TestInstant: an instant, a date or how long ago; whatever else is typed is quoted and refused.
func TestInstant(t *testing.T) {
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-03-01T10:00:00Z": "2026-03-01T10:00:00Z", "2026-03-01T10:00:00+02:00": "2026-03-01T08:00:00Z", "2026-03-01": "2026-03-01T00:00:00Z",
		"720h": "2026-03-01T12:00:00Z", "30d": "2026-03-01T12:00:00Z", "1d12h": "2026-03-30T00:00:00Z", "90m": "2026-03-31T10:30:00Z", "0s": "2026-03-31T12:00:00Z",
		"": "", "yesterday": "", "-1h": "", "-1d": "", "1d-1h": "", "d": "", "1.5d": "", "30 d": "", "30days": "", "60000d": "", "99999999999d": "", "900000h": "", "2026-02-30": "", "2026-03-01T10:00": "", "30": "",
	} {
		got, err := Instant(text, now)
		if want == "" {
			if err == nil || !strings.Contains(err.Error(), `"`+text+`" is not a time like`) {
				t.Errorf("%q: %v, %v", text, got, err)
			}
			continue
		}
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v; want %s", text, got, err, want)
		}
	}
}
