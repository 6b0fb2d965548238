package worker

import (
	"errors"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/cmd/internal/auditor"
	"github.com/convstream/convstream/cmd/internal/drift"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
)

// metrics are the Worker's Prometheus metrics. Their names are stable within v1; none contains personal data.
type metrics struct {
	registry        *prometheus.Registry
	labelled        prometheus.Registerer // adds the label account
	requests        *prometheus.CounterVec
	rows            *prometheus.CounterVec
	published       *prometheus.CounterVec
	late            prometheus.Counter
	twins           prometheus.Counter
	changeAge       prometheus.Histogram
	lateness        prometheus.Histogram
	reads           *prometheus.CounterVec
	refusedContents prometheus.Gauge
	commits         *prometheus.CounterVec
	commitSeconds   prometheus.Histogram
	recoveries      prometheus.Counter
	timings         timings
	sessionFailures *prometheus.CounterVec
	unmapped        *prometheus.CounterVec
	respelt         *prometheus.CounterVec
	findings        *prometheus.CounterVec
	stableLag       *prometheus.GaugeVec
	audits          *prometheus.CounterVec
	auditRows       *prometheus.CounterVec
}

// measured is what gauges are read from at a scrape.
type measured interface {
	Role() admin.Role
	// pollerStatus is nil where there is no poller.
	pollerStatus() *poller.Status
	// out reports whether nothing can be committed.
	out() bool
	// loggedIn reports whether the service accepts the token.
	loggedIn() bool
}

// newMetrics returns the metrics of the account's worker, which publishes to these topics, with so many requests a minute.
func newMetrics(account string, topics []string, budget int, w measured) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	m.labelled = prometheus.WrapRegistererWith(prometheus.Labels{"account": account}, m.registry)
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "convstream", Name: name, Help: help})
		m.labelled.MustRegister(c)
		return c
	}
	vector := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "convstream", Name: name, Help: help}, labels)
		m.labelled.MustRegister(c)
		return c
	}
	m.requests = vector("requests_total", "Requests to the service, by outcome: ok or the category of failure.", "outcome")
	m.rows = vector("rows_total", "Rows of committed reads: published, unchanged or dead_lettered.", "result")
	m.published = vector("published_total", "Rows committed, by topic; the dead-letter topic included.", "topic")
	m.late = counter("late_rows_total", "Rows first met in a window that was covered before.")
	m.twins = counter("twin_rows_total", "Rows that differ from another row of the same identity and session on one page, counted at each read; each content is published once.")
	m.changeAge = m.ages("change_age_seconds", "Age of a conversation, since its start, at the read that found it changed.")
	m.lateness = m.ages("first_seen_seconds", "Time from the start of a conversation to the read of the newest rows that first showed it.")
	m.reads = vector("reads_total", "Committed reads, by reason: head, settled, reread, gap, backfill, audit, replay, restored or note; the last three read nothing.", "reason")
	m.recoveries = counter("recoveries_total", "Times the state was recovered from its topic; 1 after a start without trouble.")
	m.sessionFailures = vector("session_failures_total", "Times the Kafka side failed and the worker recovered, by category.", "category")
	m.commits = vector("commits_total", "Transactions, by outcome: ok or the category of failure.", "outcome")
	m.unmapped = vector("unmapped_values_total", "Values that did not fit their typed field and stand in unmapped, by field.", "field")
	m.respelt = vector("respelt_values_total", "Values that fit their typed field and stand in unmapped since their name is spelt in another case, by field.", "field")
	m.findings = vector("drift_findings_total", "Differences between rows and schema that were found for the first time, by kind: member, value, spelling, new value or row.", "kind")
	m.audits = vector("audits_total", "Audits that have ended, by outcome: equal, different or failed.", "outcome")
	m.auditRows = vector("audit_rows_total", "Rows that audits have judged, by result.", "result")
	m.commitSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "convstream", Name: "commit_seconds", Help: "Time of a transaction.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 13),
	})
	m.labelled.MustRegister(m.commitSeconds)
	m.refusedContents = prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "convstream", Name: "refused_contents", Help: "Contents of rows that the brokers have refused, and that stand in the dead-letter topic until the rows change.",
	})
	m.labelled.MustRegister(m.refusedContents)
	m.stableLag = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: "convstream", Name: "last_stable_offset_lag", Help: "Offsets of state and progress that an open transaction keeps from readers, by topic.",
	}, []string{"topic"})
	m.labelled.MustRegister(m.stableLag)
	m.timings = newTimings(m.labelled)
	m.gauges(budget, w)
	m.begin(topics)
	return m
}

// ages returns a histogram of ages up to a month.
func (m *metrics) ages(name, help string) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "convstream", Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(4, 2, 20),
	})
	m.labelled.MustRegister(h)
	return h
}

// begin initializes the counters of rows to zero: if a series began with its first dead letter, an alert on its increase would miss that
// one.
func (m *metrics) begin(topics []string) {
	for _, topic := range topics {
		m.published.WithLabelValues(topic)
	}
	m.requests.WithLabelValues(outcomeOK)
	m.commits.WithLabelValues(outcomeOK)
	for _, result := range []string{"published", "unchanged", "dead_lettered"} {
		m.rows.WithLabelValues(result)
	}
	for _, result := range audit.Results() {
		m.auditRows.WithLabelValues(string(result))
	}
	for _, outcome := range auditor.Outcomes() {
		m.audits.WithLabelValues(string(outcome))
	}
	for _, kind := range drift.Kinds() {
		m.findings.WithLabelValues(string(kind))
	}
}

func (m *metrics) gauges(budget int, w measured) {
	gauge := func(name, help string, value func() float64) {
		m.labelled.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "convstream", Name: name, Help: help}, value))
	}
	status := func(name, help string, value func(poller.Status) float64) {
		gauge(name, help, func() float64 {
			if s := w.pollerStatus(); s != nil {
				return value(*s)
			}
			return value(poller.Status{})
		})
	}
	gauge("active", "1 while this worker reads and publishes.", func() float64 { return number(w.Role() == admin.Active) })
	gauge("service_trouble", "1 while the service cannot be read.", func() float64 {
		s := w.pollerStatus()
		return number(s != nil && s.Trouble != nil)
	})
	gauge("kafka_trouble", "1 while nothing can be committed.", func() float64 { return number(w.out()) })
	gauge("login_accepted", "1 while the service accepts the token.", func() float64 { return number(w.loggedIn()) })
	status("complete_through_timestamp_seconds", "Everything before this instant was read whole and committed; Unix time.",
		func(s poller.Status) float64 { return unixSeconds(s.CompleteThrough) })
	status("head_read_timestamp_seconds", "When the newest rows were last read; Unix time.",
		func(s poller.Status) float64 { return unixSeconds(s.HeadRead) })
	status("remembered_entries", "Conversations and sessions in the memory of deduplication.",
		func(s poller.Status) float64 { return float64(s.Remembered) })
	status("partial_windows", "Windows that could not be read whole, without those that were accepted.", func(s poller.Status) float64 { return float64(s.Gaps()) })
	status("failing_windows", "Windows that could not be read and are tried again; everything else goes on.",
		func(s poller.Status) float64 { return float64(len(s.Failing)) })
	status("backfills_active", "Backfills that are under way.", func(s poller.Status) float64 {
		n, _ := backfills(s)
		return float64(n)
	})
	status("backfill_left_seconds", "How long the backfill that takes longest will take, at its rate so far; 0 if there is none, NaN while it is not known.",
		func(s poller.Status) float64 {
			_, left := backfills(s)
			return left
		})
	status("last_row_timestamp_seconds", "When a read last brought a new conversation; Unix time, 0 while none has.",
		func(s poller.Status) float64 {
			if s.LastRow.IsZero() {
				return 0
			}
			return unixSeconds(s.LastRow)
		})
	status("service_clock_behind_seconds", "How far the service's clock, by the Date header of its answers, is behind this machine's.",
		func(s poller.Status) float64 { return time.Duration(s.Behind).Seconds() })
	status("service_clock_ahead_seconds", "How far it is ahead.",
		func(s poller.Status) float64 { return time.Duration(s.Ahead).Seconds() })
	status("short_page_unsafe", "1 once a short page was found not to be the last: every window is then walked.",
		func(s poller.Status) float64 { return number(s.Paging.ShortUnsafe) })
	status("sequence", "Number of the last commit.", func(s poller.Status) float64 { return float64(s.Sequence) })
	gauge("requests_per_minute_budget", "The configured budget.", func() float64 { return float64(budget) })
}

// backfills returns how many are under way, and how many seconds the longest of them will take; NaN if that is not known.
func backfills(s poller.Status) (n int, left float64) {
	for _, p := range s.Passes {
		if p.Reason != poller.Backfill || !p.Ended.IsZero() {
			continue
		}
		n++
		if p.Left == 0 {
			left = math.NaN()
		}
		left = math.Max(left, time.Duration(p.Left).Seconds()) // NaN stays
	}
	return n, left
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return math.NaN() // an alert on its age must not fire before there is one
	}
	return float64(t.UnixMilli()) / 1000
}

// outcomeOK is the outcome of what did not fail.
const outcomeOK = "ok"

// request notes a request to the service; took is negative if it was not made.
func (m *metrics) request(err error, took time.Duration) {
	outcome := outcomeOK
	if e, ok := errors.AsType[*smartassist.Error](err); ok {
		outcome = e.Category
	} else if err != nil {
		outcome = "unknown"
	}
	m.requests.WithLabelValues(outcome).Inc()
	if took >= 0 {
		m.timings.request.Observe(took.Seconds())
	}
}

// failed notes a transaction that failed, or whose outcome is unknown.
func (m *metrics) failed(err error) { m.commits.WithLabelValues(categorize(err)).Inc() }

// committed notes a transaction that is durable since at.
func (m *metrics) committed(u poller.Bundle, d *draft, took time.Duration, at time.Time) {
	m.commits.WithLabelValues(outcomeOK).Inc()
	m.commitSeconds.Observe(took.Seconds())
	for i, b := range u.Batches {
		p := d.progress[i]
		m.reads.WithLabelValues(string(b.Reason)).Inc()
		m.rows.WithLabelValues("published").Add(float64(p.Published))
		m.rows.WithLabelValues("unchanged").Add(float64(p.Unchanged))
		m.rows.WithLabelValues("dead_lettered").Add(float64(p.DeadLettered))
		m.late.Add(float64(b.Late))
		m.twins.Add(float64(b.Twins))
		m.revisions(b)
		m.timings.published(b, at)
		for topic, n := range p.ByTopic {
			m.published.WithLabelValues(topic).Add(float64(n))
		}
	}
	for _, deviation := range d.deviations {
		values := m.unmapped
		if deviation.Kind == encoder.Respelt {
			values = m.respelt
		}
		values.WithLabelValues(deviation.Bounded()).Inc()
	}
	for _, f := range d.news {
		m.findings.WithLabelValues(string(f.Kind)).Inc()
	}
}

// revisions notes how old conversations were when they first showed, and when they were found changed.
func (m *metrics) revisions(b poller.Batch) {
	for _, r := range b.Fresh {
		switch age := b.Read.At.Sub(r.Row.Start).Seconds(); {
		case r.Row.Start.IsZero() || r.Change == poller.Republished || b.Reason == poller.Replay:
		case r.Number > 1:
			m.changeAge.Observe(age)
		case b.Reason == poller.Head:
			m.lateness.Observe(age)
		}
	}
}
