package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/schemas/registry"
)

func (c Config) registry(ctx context.Context) []Line {
	cfg := c.Accounts[0].Config // registry and topics are the same for all
	r, _, err := worker.OpenRegistry(cfg, c.Network, zerolog.Nop(), nil)
	if err != nil {
		return []Line{{Area: Registry, Subject: "settings", State: Fail, Says: err.Error()}}
	}
	if r == nil {
		return []Line{{Area: Registry, Subject: "settings", State: OK, Says: "no SCHEMA_REGISTRY_URL: values have Avro's single-object encoding"}}
	}
	defer r.Close()
	e, err := encoder.New(encoder.Config{AccountID: cfg.AccountID, Topics: cfg.Topics()})
	if err != nil {
		return []Line{{Area: Registry, Subject: "settings", State: Fail, Says: err.Error()}}
	}
	var lines []Line
	for _, f := range r.Examine(ctx, e.Schemas()) {
		lines = append(lines, subjectLine(f, cfg.Registry.Register))
	}
	if missing := len(e.Schemas()) - len(lines); missing > 0 {
		lines = append(lines, Line{Area: Registry, Subject: fmt.Sprintf("%d other subjects", missing), State: Skip, Says: "the registry did not answer for the first"})
	}
	return lines
}

func subjectLine(f registry.Finding, registers bool) Line {
	l := Line{Area: Registry, Subject: f.Subject, State: OK}
	e, failed := errors.AsType[*registry.Error](f.Err)
	switch {
	case failed:
		l.State, l.Says, l.Do = Fail, e.What, cmp.Or(e.Hint, "check again in a while; if it stays so, look at SCHEMA_REGISTRY_URL and at the registry's logs")
	case f.ID != 0:
		l.Says = fmt.Sprintf("schema id %d", f.ID)
	default:
		l.Says = "not registered yet, would be accepted"
	}
	if failed || f.Full {
		return l
	}
	level := f.Level
	if level == "" {
		level = "not known"
	}
	if l.Says += "; compatibility " + level; registers {
		l.Says += ", which the worker sets to FULL_TRANSITIVE"
		return l
	}
	l.State, l.Do = Warn, "set it to FULL_TRANSITIVE: otherwise others can register a schema that breaks consumers"
	return l
}
