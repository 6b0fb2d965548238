package poller

import (
	"strings"
	"testing"
	"time"
)

// TestAdvice holds the advice against figures that are known.
func TestAdvice(t *testing.T) {
	counted := func(of map[time.Duration]float64) (h Histogram) {
		for age, n := range of {
			h[ageBucket(age.Seconds())] += n
		}
		return h
	}
	rules := Rules{Settle: 2 * time.Minute, Tiers: []Tier{{time.Hour, 5 * time.Minute}, {168 * time.Hour, 24 * time.Hour}}}
	for name, c := range map[string]struct {
		late, changed Histogram
		settle        string // how the advice begins
		reread        string
	}{
		"nothing": {Histogram{}, Histogram{}, "SETTLE 2m: too few", "REREAD 168h: too few"},
		"few":     {counted(map[time.Duration]float64{time.Minute: enoughRows - 1}), counted(map[time.Duration]float64{time.Hour: enoughChanges - 1}), "SETTLE 2m: too few", "REREAD 168h: too few"},
		"all is well": {counted(map[time.Duration]float64{20 * time.Second: 5000, 40 * time.Second: 5000}), counted(map[time.Duration]float64{time.Hour: 100}),
			"99.9 % of the rows show within 47s of their start: SETTLE 2m covers it", "99 % of the changes come within 1h7m of the start: REREAD 168h covers it"},
		"late": {counted(map[time.Duration]float64{20 * time.Second: 900, 30 * time.Minute: 100}), counted(map[time.Duration]float64{time.Hour: 97, 100 * time.Hour: 3}),
			"90 % of the rows show within SETTLE 2m of their start, 99.9 % within 34m42s: those between", "3 % of the changes that were seen came after more than 84h: there are likely to be some after more than 168h, which are not seen with REREAD 168h"},
		"all but a part of the bucket that SETTLE lies in": {counted(map[time.Duration]float64{20 * time.Second: 99_890, 115 * time.Second: 110}), Histogram{},
			"99.9 % of the rows show within 2m of their start: SETTLE 2m covers it", "REREAD 168h: too few"},
		"for ever": {counted(map[time.Duration]float64{20 * time.Second: 900, 90 * 24 * time.Hour: 100}), counted(map[time.Duration]float64{90 * 24 * time.Hour: 100}),
			"90 % of the rows show within SETTLE 2m of their start; some show after more than a month", "100 % of the changes that were seen came after more than 84h"},
	} {
		got := Learned{Late: c.late, Changed: c.changed}.Advice(rules)
		slow := rules
		slow.Interval = 61 * time.Second
		if got := (Learned{Late: c.late}).Advice(slow)[0]; got != "SETTLE 2m: POLL_INTERVAL 1m1s is too long to tell how late rows show" {
			t.Errorf("%s, where a row is seen a minute later: %s", name, got)
		}
		if len(got) != 2 || !strings.HasPrefix(got[0], c.settle) || !strings.HasPrefix(got[1], c.reread) {
			t.Errorf("%s: %q\nwant %q and %q", name, got, c.settle, c.reread)
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 41 * time.Second: "41s", time.Minute: "1m", 90 * time.Second: "1m30s", time.Hour: "1h", 90 * time.Minute: "1h30m", 168 * time.Hour: "168h", time.Hour + time.Second: "1h",
	} {
		if got := short(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
