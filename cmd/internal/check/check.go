// Package check tries everything that a worker needs before one runs: the service's login and pages, the brokers, all topics and
// permissions, and the schema registry, for all accounts. What does not work is reported with its remedy.
//
// It publishes nothing and does not disturb running workers: requests to create topics only validate, the group is not joined,
// and requests about transactional ids are those of a producer that does not exist. It requests at most three pages of each account
// from the service, in addition to those of a running worker. It ends within a minute, even if nothing answers.
//
// A problem is reported once: probes that depend on one that failed are skipped, with the reason. Calculations, texts and
// connections are those of the worker, so that the report is what a worker would meet.
package check

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/worker"
)

// Config is what to check.
type Config struct {
	Process  *config.Process
	Accounts []config.AccountFile // at least one, and none with an Err
	Network  worker.Network
}

// atMost limits a check; probes that have not begun by then are skipped.
const atMost = 50 * time.Second

var errTooLong = fmt.Errorf("the check ended after %v", atMost)

// Run runs all probes, and returns when they have ended or the context ends.
func Run(ctx context.Context, c Config) Report {
	ctx, cancel := context.WithTimeoutCause(ctx, atMost, errTooLong)
	defer cancel()
	var service, kafka, registry []Line
	var probes sync.WaitGroup
	probes.Go(func() { service = c.services(ctx) })
	probes.Go(func() { kafka = c.kafka(ctx) })
	probes.Go(func() { registry = c.registry(ctx) })
	probes.Wait()
	var r Report
	for _, lines := range [][]Line{c.configuration(), service, kafka, registry} {
		r.Lines = append(r.Lines, lines...)
	}
	return r
}

func (c Config) configuration() []Line {
	says := "one account"
	if n := len(c.Accounts); c.Process.AccountsDir != "" {
		says = fmt.Sprintf("%d accounts in %s", n, c.Process.AccountsDir)
	}
	lines := []Line{{Area: Configuration, Subject: "settings", State: OK, Says: says}}
	for _, text := range c.Process.Warnings() {
		lines = append(lines, Line{Area: Configuration, Subject: "settings", State: Warn, Says: text})
	}
	for _, a := range c.Accounts {
		for _, text := range a.Config.Warnings() {
			lines = append(lines, Line{Area: Configuration, Subject: "settings", Account: a.Config.AccountID, State: Warn, Says: text})
		}
	}
	return lines
}

// Wrong returns the report for a configuration error, after which nothing else is tried. It is empty for other errors.
func Wrong(err error) (r Report) {
	wrong, ok := errors.AsType[*config.Error](err)
	if !ok {
		return r
	}
	for _, p := range wrong.Problems {
		subject := p.Name
		if p.File != "" {
			subject = p.File + " " + p.Name
		}
		r.Lines = append(r.Lines, Line{Area: Configuration, Subject: subject, State: Fail, Says: p.Text})
	}
	return r
}
