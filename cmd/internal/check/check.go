// Package check tries what a worker will need before one runs: the service's login and pages, the brokers, every topic and every
// permission, and the schema registry, for all accounts; and says of what does not work what to do about it.
//
// It publishes nothing and takes nothing from a worker that runs: topics are created only for the asking, the group is not joined,
// and transactional ids are asked about in the name of a producer that does not exist. It asks the service for at most three pages
// of each account; they come on top of what a running worker asks for. It ends within a minute, whatever does not answer.
//
// What is wrong once is said once: probes that depend on one that failed are skipped, and say why. Arithmetic, texts and
// connections are those of the worker, so that what is said here is what would happen there.
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

// Config says what to check.
type Config struct {
	Process  *config.Process
	Accounts []config.AccountFile // at least one, and none with an Err
	Network  worker.Network
}

// atMost is how long a check takes; what is not tried by then is skipped.
const atMost = 50 * time.Second

var errTooLong = fmt.Errorf("the check ended after %v", atMost)

// Run checks, and reports when all is tried, or when the context ends.
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

// Wrong is the report on settings that are wrong: nothing else is tried then. It is empty for any other error.
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
