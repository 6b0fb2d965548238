package monitoring

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// evaluation is how often rules are evaluated, and how often the worker is scraped here.
const evaluation = time.Minute

// scrape is what was scraped in one minute: the values by series, as in the text format.
type scrape map[string]float64

// database holds what was scraped.
type database struct {
	start  time.Time
	length int // in scrapes
	series []storage.Series
}

// stored returns a database of the scrapes from start on. A series that was there before, and is not any more, is stale, as it is when a
// target is gone.
func stored(t *testing.T, start time.Time, scrapes []scrape) *database {
	t.Helper()
	points := map[string][]promql.FPoint{}
	var before scrape
	for i, now := range scrapes {
		at := start.Add(time.Duration(i) * evaluation).UnixMilli()
		for name, v := range now {
			points[name] = append(points[name], promql.FPoint{T: at, F: v})
		}
		for name := range before {
			if _, there := now[name]; !there {
				points[name] = append(points[name], promql.FPoint{T: at, F: math.Float64frombits(value.StaleNaN)})
			}
		}
		before = now
	}
	db := &database{start: start, length: len(scrapes)}
	for name, floats := range points {
		set, err := parser.NewParser(parser.Options{}).ParseMetric(name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		db.series = append(db.series, promql.NewStorageSeries(promql.Series{Metric: set, Floats: floats}))
	}
	return db
}

// Querier implements storage.Queryable. The engine looks at times by itself.
func (db *database) Querier(int64, int64) (storage.Querier, error) {
	return &storage.MockQuerier{SelectMockFunction: func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
		var found []storage.Series
	next:
		for _, s := range db.series {
			for _, m := range matchers {
				if !m.Matches(s.Labels().Get(m.Name)) {
					continue next
				}
			}
			found = append(found, s)
		}
		return &seriesSet{all: found, at: -1}
	}}, nil
}

// seriesSet implements storage.SeriesSet.
type seriesSet struct {
	all []storage.Series
	at  int
}

func (s *seriesSet) Next() bool                      { s.at++; return s.at < len(s.all) }
func (s *seriesSet) At() storage.Series              { return s.all[s.at] }
func (*seriesSet) Err() error                        { return nil }
func (*seriesSet) Warnings() annotations.Annotations { return nil }

// episode is a time in which an alert was firing, in minutes from the first scrape, with one of its samples.
type episode struct {
	alert    string
	from, to int
	sample   promql.Sample
}

// alerts evaluates the rules every minute, and returns when they were firing.
func (db *database) alerts(t *testing.T, all []rulefmt.Rule) (out []episode) {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 100e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, Parser: parser.NewParser(parser.Options{})})
	defer engine.Close()
	end := db.start.Add(time.Duration(db.length-1) * evaluation)
	for _, r := range all {
		query, err := engine.NewRangeQuery(context.Background(), db, nil, r.Expr, db.start, end, evaluation)
		if err != nil {
			t.Fatalf("%s: %v", r.Alert, err)
		}
		matrix, err := query.Exec(context.Background()).Matrix()
		if err != nil {
			t.Fatalf("%s: %v", r.Alert, err)
		}
		for _, s := range matrix {
			for _, e := range firing(s.Floats, r.For) {
				e.alert = r.Alert
				e.sample.Metric = s.Metric
				e.from -= int(db.start.Unix() / 60)
				e.to -= int(db.start.Unix() / 60)
				out = append(out, e)
			}
		}
		query.Close()
	}
	return out
}

// firing returns when an alert was firing, in minutes of Unix time, given the points at which its expression held: it is pending until that
// has lasted for as long as the rule wants, and ends with the first evaluation at which it does not hold.
func firing(points []promql.FPoint, wanted model.Duration) (all []episode) {
	var since, last int64
	fires := false
	for _, p := range points {
		if last == 0 || p.T-last > evaluation.Milliseconds() {
			since, fires = p.T, false
		}
		last = p.T
		if p.T-since < time.Duration(wanted).Milliseconds() {
			continue
		}
		at := int(p.T / 60000)
		if !fires {
			all = append(all, episode{from: at, sample: promql.Sample{T: p.T, F: p.F}})
		}
		fires = true
		all[len(all)-1].to = at
	}
	return all
}
