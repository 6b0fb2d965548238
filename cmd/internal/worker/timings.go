package worker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/convstream/convstream/poller"
)

// timings are how long things took. The buckets are few: there are so many series for each account on each replica.
type timings struct {
	request         prometheus.Histogram
	registryRequest *prometheus.HistogramVec // has no series until the registry is asked
	recovery        prometheus.Histogram
	publishDelay    prometheus.Histogram
	freshness       prometheus.Histogram

	// headBefore is when the newest rows were read before, in this tenure. It is the committing goroutine's.
	headBefore time.Time
}

func newTimings(to prometheus.Registerer) timings {
	options := func(name, help string, buckets []float64) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Namespace: "convstream", Name: name, Help: help, Buckets: buckets}
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(options(name, help, buckets))
		to.MustRegister(h)
		return h
	}
	registryRequest := prometheus.NewHistogramVec(options("registry_request_seconds",
		"Time until the schema registry answered, by outcome: the class of the status, like 2xx, or connection.", []float64{0.05, 0.25, 1, 2.5, 10}), []string{"outcome"})
	to.MustRegister(registryRequest)
	return timings{
		registryRequest: registryRequest,
		request: histogram("request_seconds", "Time of a request to the service, from when the budget let it go to the end of the answer.",
			prometheus.ExponentialBuckets(0.05, 2, 11)),
		recovery: histogram("recovery_seconds", "Time that a worker took to take over, or to recover after trouble with the brokers.",
			prometheus.ExponentialBuckets(0.1, 3, 8)),
		publishDelay: histogram("publish_delay_seconds", "Time from the read that found a conversation new or changed to its commit.",
			prometheus.ExponentialBuckets(0.05, 2.5, 10)),
		freshness: histogram("freshness_seconds", "Time from when a new conversation became visible to its commit, at most: since the reading of the newest rows before, or since its start.",
			prometheus.ExponentialBuckets(1, 2, 13)),
	}
}

// published notes how late rows of a batch are that is durable since at. A conversation that the newest rows show first was not there when
// they were read before: it became visible since then, and not before it started.
func (t *timings) published(b poller.Batch, at time.Time) {
	if b.Reason == poller.Replay {
		return
	}
	for _, r := range b.Fresh {
		t.publishDelay.Observe(max(0, at.Sub(b.Read.At).Seconds()))
		if b.Reason != poller.Head || r.Number > 1 || r.Row.Start.IsZero() {
			continue
		}
		since := r.Row.Start
		if t.headBefore.After(since) {
			since = t.headBefore
		}
		t.freshness.Observe(max(0, at.Sub(since).Seconds()))
	}
	if b.Reason == poller.Head {
		t.headBefore = b.Read.At
	}
}
