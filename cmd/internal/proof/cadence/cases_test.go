package cadence

import (
	"time"

	"github.com/convstream/convstream/poller"
)

const (
	halfMinute = 30 * time.Second // the default of POLL_INTERVAL
	day        = 24 * time.Hour
)

var (
	byRows  = paging{unit: poller.UnitRows}
	byPages = paging{unit: poller.UnitPages}
)

// usualAccount is an account with the default settings, whose poller starts at 14:00: then a day of backlog, and what comes
// meanwhile, cost about as much as in the model that the figures are of. At noon they cost most.
func usualAccount(name, about string, perDay float64, perMinute int, startFrom time.Duration) trial {
	return trial{
		name: name, about: about, perDay: perDay, curve: daily, law: usual, perMinute: perMinute, paging: byRows,
		startFrom: startFrom, interval: halfMinute, begin: 14 * time.Hour,
	}
}

// catchingUp is the part of table B that is about first starts.
func catchingUp() *table {
	week := usualAccount("catchup-7d", "7 days at 10,000 a day, 30/min, rows", 10_000, 30, 168*time.Hour)
	week.want = map[string]string{gapsPer100: "1.05", backlogRead: "30 min"}
	large := usualAccount("catchup-24h-rows", "24 h at 100,000 a day, 30/min, rows", 100_000, 30, day)
	large.want = map[string]string{gapsPer100: "1.05", backlogRead: "75 min"}
	noon := usualAccount("catchup-24h-noon", "the same, begun at 11:00", 100_000, 30, day)
	noon.begin, noon.want = 11*time.Hour, large.want
	pages := usualAccount("catchup-24h-pages", "24 h at 100,000 a day, 30/min, pages", 100_000, 30, day)
	pages.paging = byPages
	pages.want = map[string]string{gapsPer100: "1.35"}
	first := usualAccount("first-95s", "3,000 in 5 min, then 10 a second, 60/min, POLL_INTERVAL=5s", 864_000, 60, 5*time.Minute)
	first.curve, first.interval = flat, 5*time.Second
	first.spans = []part{{"the first 95 s", 0, 95 * time.Second}}
	first.want = map[string]string{rowsARequest: "80", backlogShare: "100 %"}
	return &table{title: "B: catching up", columns: catchUpColumns(), trials: []trial{week, large, noon, pages, first}}
}

// live is the rest of table B, and table C. Where three days are to be learned from, the fourth is measured; six hours more
// pass until what happened on it counts as not seen.
func live() *table {
	large := usualAccount("live-100k", "100,000 a day, 30/min", 100_000, 30, 8*time.Hour)
	large.spans, large.after = []part{{"the second day", day, 2 * day}}, 6*time.Hour
	large.want = map[string]string{tierWorst: "1.2"}
	huge := usualAccount("live-500k", "500,000 a day, 60/min", 500_000, 60, time.Hour)
	huge.begin, huge.after = 3*time.Hour, 2*time.Hour
	huge.spans = []part{
		{"06:00 to 08:00, about the mean", 3 * time.Hour, 5 * time.Hour}, {"11:00 to 13:00, the busiest", 8 * time.Hour, 10 * time.Hour},
		{"13:00 to 15:00", 10 * time.Hour, 12 * time.Hour},
	}
	huge.want = map[string]string{freshness: "p99 35 s", lagging: "4 min", firstHour: "6 min"}
	usual10 := learned("learned-10k", "10,000 a day, 30/min", 10_000, usual)
	usual10.want = map[string]string{firstHour: "0.45 min, 1.35 min", sixHours: "3.75 min", twoDays: "67 min"}
	usual45 := learned("learned-45k", "45,000 a day, 30/min", 45_000, usual)
	usual45.want = map[string]string{firstHour: "1.05 min"}
	late := learned("surveys", "10,000 a day, 30/min, all change once, 8 h and some minutes after the start", 10_000, surveys)
	late.want = map[string]string{twoDays: "(as learned-10k at 0-1 h)"}
	never := learned("constant", "10,000 a day, 30/min, never change", 10_000, constant)
	never.want = map[string]string{perMinute: "a trickle above the tiers"}
	return &table{title: "B and C: live", columns: liveColumns(), trials: []trial{large, huge, usual10, usual45, late, never}}
}

// learned is a case of table C.
func learned(name, about string, perDay float64, l law) trial {
	t := usualAccount(name, about, perDay, 30, 168*time.Hour)
	t.law = l
	t.spans, t.after = []part{{"the fourth day", 3 * day, 4 * day}}, 6*time.Hour
	return t
}

// short returns cases of little cost that say as much as that the poller works under either reading of the documents.
func short() []trial {
	rows := usualAccount("short-rows", "", 10_000, 30, 2*time.Hour)
	rows.spans, rows.after = []part{{"", time.Hour, 3 * time.Hour}}, time.Hour
	pages := usualAccount("short-pages", "", 20_000, 60, 2*time.Hour)
	pages.paging, pages.law = paging{unit: poller.UnitPages, ascending: true, cap: 10}, surveys
	pages.spans, pages.after = []part{{"", time.Hour, 2 * time.Hour}}, time.Hour
	return []trial{rows, pages}
}
