package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/logging"
	"github.com/convstream/convstream/cmd/internal/show"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/producer"
)

// listOptions are the flags of dead-letters list.
type listOptions struct{ all, asJSON, rows bool }

func listCommand() *command {
	var o listOptions
	c := newCommand("dead-letters list", "", "the rows that could not be published, and why")
	c.details = "Needs only KAFKA_BROKERS and TOPIC_PREFIX."
	c.flags.BoolVar(&o.all, "all", false, "also those that are resolved")
	c.flags.BoolVar(&o.asJSON, "json", false, "an object a letter, for jq")
	c.flags.BoolVar(&o.rows, "rows", false, "the rows themselves, which are personal data; with --json as a member")
	c.run = func(ctx context.Context, _ []string, t terminal) error { return o.run(ctx, t) }
	return c
}

func (o listOptions) run(ctx context.Context, t terminal) error {
	cfg, err := config.LoadForReading(os.LookupEnv, os.Environ())
	if err != nil {
		return err
	}
	cluster := cfg.Kafka.Cluster("convstream-list", nil, logging.New(&cfg.Process, t.err))
	return o.list(ctx, cluster, cfg.Topics(), t)
}

func (o listOptions) list(ctx context.Context, cluster producer.Cluster, names encoder.Topics, t terminal) error {
	topics, err := tailTopics(ctx, cluster, names, []string{names.Short(names.DeadLetters())})
	if err != nil {
		return err
	}
	letters := func(use func(show.Letter) error) error {
		var reader encoder.LetterReader
		return producer.Tail(ctx, cluster, producer.TailOptions{Topics: topics, Patience: readingPatience}, func(m producer.Message) error {
			l, whole, err := reader.Read(worker.MessageOf(m))
			if !whole {
				return nil
			}
			return use(show.Letter{Letter: l, Err: err})
		})
	}
	newest := map[letterOf]time.Time{}
	if err := letters(func(l show.Letter) error {
		if of := (letterOf{l.Account, l.ID}); l.At.After(newest[of]) {
			newest[of] = l.At
		}
		return nil
	}); err != nil {
		return err
	}
	known, err := resolutions(ctx, cluster, names.State())
	if err != nil {
		return err
	}
	open, resolved, err := o.show(letters, newest, known, t)
	if err != nil || o.asJSON || o.rows {
		return err
	}
	_, err = fmt.Fprintln(t.out, o.summary(open, resolved))
	return err
}

// show prints each letter once. A row may have been put aside several times, replayed in between: it is shown as it was the
// last time, and what was resolved before that time is open again. So all are read once before, for their times only: the
// rows of a whole topic need not fit into memory.
func (o listOptions) show(letters func(func(show.Letter) error) error, newest map[letterOf]time.Time, known map[letterOf]*poller.Resolution, t terminal) (open, resolved int, err error) {
	print := o.printer(t)
	shown := map[letterOf]bool{}
	err = letters(func(l show.Letter) error {
		of := letterOf{l.Account, l.ID}
		if shown[of] || l.At.Before(newest[of]) {
			return nil
		}
		shown[of] = true
		if res := known[of]; res != nil && !l.At.After(res.At) {
			l.Resolution = res
			resolved++
		} else {
			open++
		}
		if l.Resolution != nil && !o.all {
			return nil
		}
		return print(l)
	})
	return open, resolved, err
}

func (o listOptions) printer(t terminal) show.LetterPrinter {
	switch {
	case o.asJSON:
		return show.LetterJSON(t.out, o.rows)
	case o.rows:
		return show.LetterRows(t.out)
	}
	return show.LetterLines(t.out)
}

func (o listOptions) summary(open, resolved int) string {
	text := fmt.Sprintf("%d dead letters to be resolved, %d resolved", open, resolved)
	if resolved > 0 && !o.all {
		text += " (--all shows them)"
	}
	if open > 0 {
		text += ".\nCorrect what the errors name; then 'convstream dead-letters replay ID...', or --all, makes the active worker try them again. --rows shows the rows: they are personal data"
	}
	return text + "."
}

// letterOf identifies a dead letter among those of all accounts.
type letterOf struct{ account, id string }

// resolutions returns the outcomes of replayed letters from the state topic; none if there is no such topic.
func resolutions(ctx context.Context, cluster producer.Cluster, state string) (map[letterOf]*poller.Resolution, error) {
	known := map[letterOf]*poller.Resolution{}
	there, err := producer.Topics(ctx, cluster, state)
	if err != nil || !slices.Contains(there, state) {
		return known, err
	}
	err = producer.Tail(ctx, cluster, producer.TailOptions{Topics: []string{state}, Patience: readingPatience}, func(m producer.Message) error {
		account, id, res, ok := poller.LetterRecord(poller.Record{Key: m.Key, Value: m.Value})
		switch letter := (letterOf{account, id.String()}); {
		case !ok:
		case m.Value == nil:
			delete(known, letter)
		default:
			known[letter] = &res
		}
		return nil
	})
	if e, denied := errors.AsType[*producer.Error](err); denied && e.Category == producer.Denied {
		return nil, fmt.Errorf("the topic state has the outcome of replays: %w", err)
	}
	return known, err
}
