package worker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/schemas/registry"
)

// OpenRegistry returns the registry that the settings name, nil if they name none, and a decoder that uses it. answered is called after
// each request; nil: nothing is.
func OpenRegistry(cfg *config.Config, network Network, log zerolog.Logger, answered func(outcome string, took time.Duration)) (*registry.Registry, *encoder.Decoder, error) {
	c := &cfg.Registry
	if c.URL == "" {
		return nil, encoder.NewDecoder(nil), nil
	}
	r, err := registry.Open(registry.Config{URL: c.URL, Login: c.Login(), TLS: c.TLS, Register: c.Register, Dial: network.Dial, Log: log, Answered: answered})
	if err != nil {
		return nil, nil, err
	}
	return r, encoder.NewDecoder(r.Text), nil
}

// codec encodes and decodes records. It outlives sessions.
type codec struct {
	registry *registry.Registry // nil without SCHEMA_REGISTRY_URL
	plain    *encoder.Encoder   // without a registry's ids
	framed   atomic.Pointer[encoder.Encoder]
	decoder  *encoder.Decoder
}

// missing reports whether the registry has not answered yet.
func (c *codec) missing() bool { return c.registry != nil && c.framed.Load() == nil }

// ensureSchemas requests the ids of the schemas, once in the life of the worker: a standby does it too, and from
// then on the registry may be unavailable.
func (s *session) ensureSchemas(ctx context.Context) error {
	known := &s.worker.codec
	if known.registry == nil {
		return nil
	}
	if known.missing() {
		s.begin()
		ctx, cancel := context.WithTimeout(ctx, step)
		defer cancel()
		ids, err := known.registry.IDs(ctx, known.plain.Schemas())
		if err != nil {
			return err
		}
		framed, err := known.plain.Framed(ids)
		if err != nil {
			return err
		}
		known.framed.Store(framed)
		s.worker.log.Info().Int("subjects", len(ids)).Msg("the schema registry has the schemas")
	}
	s.encoder = known.framed.Load()
	return nil
}

// withoutSchemas returns what a worker without the ids waits for.
func (w *Worker) withoutSchemas() error {
	if o := w.outages.present.Load(); o != nil {
		return fmt.Errorf("starting: %s", o.Error)
	}
	return errors.New("starting: the schema registry has not been asked yet")
}

// schemaMissing returns the error about a record whose schema cannot be found; nil if err is another one. Without the record its content
// would be published again.
func schemaMissing(topic string, err error) error {
	lookup, ok := errors.AsType[*encoder.LookupError](err)
	if !ok {
		return nil
	}
	if e, ok := errors.AsType[*registry.Error](lookup.Err); ok && !e.Final {
		return e
	}
	return &StateError{fmt.Errorf("a record of topic %s, which says what is published, cannot be read: %w", topic, lookup)}
}
