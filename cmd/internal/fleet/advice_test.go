package fleet

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

// TestAdvice: three accounts whose rows show and change by laws that are known; /status says so of each, in words.
func TestAdvice(t *testing.T) {
	for name, c := range map[string]struct {
		of             simulator.Config
		env            map[string]string
		lasts          time.Duration
		settle, reread string    // what is said; the groups are numbers
		shares         []float64 // from, to: of each group that is a share
	}{
		"all show soon, and change soon": {simulator.Config{PerMinute: 5, LateBy: 40 * time.Second, SurveyBy: -1}, map[string]string{}, 4 * time.Hour,
			`^99.9 % of the rows show within (?:4\ds|59s|1m1\ds) of their start: SETTLE 2m covers it$`,
			`^99 % of the changes come within (?:\d+m\d+s|1h\d+m) of the start: REREAD 168h covers it$`, nil},
		"one in twelve shows too late": {simulator.Config{PerMinute: 5, LateBy: 12 * time.Minute, SurveyBy: -1}, map[string]string{}, 6 * time.Hour,
			`^([\d.]+) % of the rows show within SETTLE 2m of their start, 99.9 % within (?:1[2-9]m\d*s?|2\dm\d*s?): those between`, ``, []float64{89, 94}},
		"surveys after days": {simulator.Config{PerMinute: 1, LateBy: -1, SurveyBy: 22 * time.Hour}, map[string]string{"POLL_INTERVAL": "10m", "REREAD": "1h:20m,24h:2h"}, 36 * time.Hour,
			`^SETTLE 2m: POLL_INTERVAL 10m is too long to tell how late rows show$`,
			`^([\d.]+) % of the changes that were seen came after more than 12h: there are likely to be some after more than 24h, which are not seen with REREAD 24h`, []float64{1, 20}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, c.of, frugal(c.env), func(w *world) {
				stop := w.start()
				time.Sleep(c.lasts)
				var s struct {
					Accounts []struct{ Poller struct{ Advice []string } }
				}
				w.tellsOf(&s)
				w.must(stop())
				advice := s.Accounts[0].Poller.Advice
				if len(advice) != 2 {
					t.Fatalf("advice %q", advice)
				}
				for i, want := range []string{c.settle, c.reread} {
					m := regexp.MustCompile(want).FindStringSubmatch(advice[i])
					if m == nil {
						t.Errorf("%q\nwant %s", advice[i], want)
					} else if len(m) > 1 {
						if share, _ := strconv.ParseFloat(m[1], 64); share < c.shares[0] || share > c.shares[1] {
							t.Errorf("%q\nwant a share from %v to %v", advice[i], c.shares[0], c.shares[1])
						}
					}
				}
			})
		})
	}
}
