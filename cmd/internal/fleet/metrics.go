package fleet

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
)

// newMetrics returns the metrics of the process. The workers have their own.
func newMetrics(f *Fleet) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	gauge := func(name, help string, value func() float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "convstream", Name: name, Help: help}, value))
	}
	gauge("accounts", "Accounts that this process has settings for.", func() float64 { return float64(len(f.list())) })
	gauge("accounts_ended", "Accounts that have ended on this process because of an error that an operator has to correct.", func() float64 {
		return float64(count(f.list(), func(a *account) bool { return a.ended() != nil }))
	})
	gauge("account_files_wrong", "Files of accounts that are not used as they are because of an error in them; 1 more if the folder cannot be read.",
		func() float64 { return float64(len(f.wrong())) })
	gauge("group_joined", "1 while this process is a member of the consumer group that assigns the accounts; 1 with LEASE=off.", func() float64 {
		if f.member == nil || f.member.Status().Joined {
			return 1
		}
		return 0
	})
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

func count(accounts []*account, is func(*account) bool) (n int) {
	for _, a := range accounts {
		if is(a) {
			n++
		}
	}
	return n
}

// gather returns the metrics of the process and of all its accounts.
func (f *Fleet) gather() ([]*dto.MetricFamily, error) {
	all := prometheus.Gatherers{f.metrics}
	for _, a := range f.list() {
		all = append(all, a.worker.Load().Metrics())
	}
	return all.Gather()
}
