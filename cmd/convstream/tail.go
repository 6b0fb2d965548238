package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/logging"
	"github.com/convstream/convstream/cmd/internal/show"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/producer"
)

// tailOptions are the flags of tail, and the topics it is given.
type tailOptions struct {
	topics         []string
	from           string
	asJSON, asRows bool
	noFollow       bool
}

func tailCommand() *command {
	var o tailOptions
	c := newCommand("tail", "[TOPIC...]", "prints the topics' committed records, decoded, as they come")
	c.details = "Needs only KAFKA_BROKERS, TOPIC_PREFIX and, where values have ids, SCHEMA_REGISTRY_*.\nColours on a terminal, unless NO_COLOR is set."
	c.flags.StringVar(&o.from, "from", "", "`beginning|end` of the topics; the end, with --no-follow the beginning")
	c.flags.BoolVar(&o.asJSON, "json", false, "an object a record, for jq")
	c.flags.BoolVar(&o.asRows, "rows", false, "each row as the service sent it, one a line; dead letters joined where they were cut")
	c.flags.BoolVar(&o.noFollow, "no-follow", false, "only the records that are there; fails if the brokers send nothing for 30 s")
	c.run = func(ctx context.Context, topics []string, t terminal) error {
		o.topics = topics
		if err := o.check(); err != nil {
			return err
		}
		return o.run(ctx, t)
	}
	return c
}

// check validates the flags, and sets the default of from.
func (o *tailOptions) check() error {
	if o.from == "" {
		o.from = "end"
		if o.noFollow { // from the end to the end would be nothing
			o.from = "beginning"
		}
	}
	switch {
	case o.asJSON && o.asRows:
		return fmt.Errorf("tail: --json and --rows exclude each other; %w", errUsage)
	case o.from != "beginning" && o.from != "end":
		return fmt.Errorf("tail: --from %.20q: expected beginning or end; %w", o.from, errUsage)
	}
	return nil
}

func (o tailOptions) run(ctx context.Context, t terminal) error {
	cfg, err := config.LoadForReading(os.LookupEnv, os.Environ())
	if err != nil {
		return err
	}
	cluster := cfg.Kafka.Cluster("convstream-tail", nil, logging.New(&cfg.Process, t.err))
	_, decoder, err := worker.OpenRegistry(cfg, worker.Network{}, cluster.Log, nil)
	if err != nil {
		return err
	}
	err = o.read(ctx, cluster, show.Topics{Topics: cfg.Topics(), Decoder: decoder}, t.out)
	switch {
	case errors.Is(err, os.ErrClosed):
		return nil
	case ctx.Err() == nil:
		return err
	case o.noFollow:
		return errors.New("tail: interrupted before the end was reached")
	}
	return nil // following has no other end
}

func (o tailOptions) read(ctx context.Context, cluster producer.Cluster, in show.Topics, out io.Writer) error {
	topics, err := tailTopics(ctx, cluster, in.Topics, o.topics)
	if err != nil {
		return err
	}
	print := show.Lines
	switch {
	case o.asJSON:
		print = show.JSON
	case o.asRows:
		print = show.Rows
	}
	return producer.Tail(ctx, cluster, producer.TailOptions{
		Topics: topics, FromEnd: o.from == "end", Follow: !o.noFollow, Patience: o.patience(),
	}, print(ctx, out, in))
}

// patience limits the first request to the brokers, since a user waits. Later outages are waited out.
const patience = 10 * time.Second

// readingPatience is how long the brokers may send nothing before reading to the end is given up.
const readingPatience = 30 * time.Second

// patience returns how long the brokers may send nothing, 0 for no limit.
func (o tailOptions) patience() time.Duration {
	if o.noFollow {
		return readingPatience
	}
	return 0
}

// tailTopics returns the full names of the topics asked for; if there are none, all but state.
func tailTopics(ctx context.Context, cluster producer.Cluster, names encoder.Topics, asked []string) ([]string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer within %v", patience))
	defer cancel()
	there, err := producer.Topics(ctx, cluster, names.Prefix)
	switch {
	case err != nil:
		return nil, err
	case len(there) == 0:
		return nil, fmt.Errorf("no topic begins with %q: check TOPIC_PREFIX; the worker creates the topics at its first start", names.Prefix)
	case len(asked) == 0:
		return slices.DeleteFunc(there, func(name string) bool { return name == names.State() }), nil
	}
	for i, name := range asked {
		if !slices.Contains(there, name) {
			asked[i] = names.Full(name)
		}
		if !slices.Contains(there, asked[i]) {
			return nil, fmt.Errorf("no topic %q; there are: %s", asked[i], strings.Join(there, ", "))
		}
	}
	return asked, nil
}
