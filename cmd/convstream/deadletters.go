package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/logging"
	"github.com/convstream/convstream/cmd/internal/show"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/producer"
)

func deadLetters(ctx context.Context, args []string, t terminal) error {
	if len(args) > 0 {
		switch args[0] {
		case "list":
			return listLetters(ctx, args[1:], t)
		case "replay":
			return replayLetters(ctx, args[1:], t)
		}
	}
	return fmt.Errorf("dead-letters: expected list or replay; %w", errUsage)
}

// listOptions is the command line of dead-letters list.
type listOptions struct{ all, asJSON, rows bool }

func parseList(args []string) (o listOptions, err error) {
	flags := flag.NewFlagSet("list", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&o.all, "all", false, "")
	flags.BoolVar(&o.asJSON, "json", false, "")
	flags.BoolVar(&o.rows, "rows", false, "")
	if err := flags.Parse(args); err != nil {
		return o, fmt.Errorf("dead-letters list: %w; %w", err, errUsage)
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("dead-letters list takes --all, --json and --rows and nothing else; %w", errUsage)
	}
	return o, nil
}

func listLetters(ctx context.Context, args []string, t terminal) error {
	o, err := parseList(args)
	if err != nil {
		return err
	}
	cfg, err := config.LoadForReading(os.LookupEnv, os.Environ())
	if err != nil {
		return err
	}
	cluster := producer.Config{Brokers: cfg.Kafka.Brokers, ClientID: "convstream-list", Log: logging.New(cfg, t.err)}
	return o.list(ctx, cluster, cfg.TopicPrefix, t)
}

func (o listOptions) list(ctx context.Context, cluster producer.Config, prefix string, t terminal) error {
	topics, err := tailTopics(ctx, cluster, prefix, []string{"dead-letter"})
	if err != nil {
		return err
	}
	known, err := resolutions(ctx, cluster, prefix)
	if err != nil {
		return err
	}
	print := show.LetterLines(t.out)
	switch {
	case o.asJSON:
		print = show.LetterJSON(t.out, o.rows)
	case o.rows:
		print = show.LetterRows(t.out)
	}
	open, resolved := 0, 0
	var letters encoder.LetterReader
	err = producer.Tail(ctx, cluster, producer.TailOptions{Topics: topics, Patience: readingPatience}, func(m producer.Message) error {
		l, whole, err := letters.Read(show.MessageOf(m))
		if !whole {
			return nil
		}
		letter := show.Letter{Letter: l, Err: err}
		if letter.Resolution = known[letterOf{l.Account, l.ID}]; letter.Resolution == nil {
			open++
		} else if resolved++; !o.all {
			return nil
		}
		return print(letter)
	})
	if err != nil || o.asJSON || o.rows {
		return err
	}
	_, err = fmt.Fprintln(t.out, o.summary(open, resolved))
	return err
}

func (o listOptions) summary(open, resolved int) string {
	text := fmt.Sprintf("%d dead letters to be resolved, %d resolved", open, resolved)
	if resolved > 0 && !o.all {
		text += " (--all shows them)"
	}
	if open > 0 {
		text += ".\nMend what the errors name; then 'convstream dead-letters replay ID...', or --all, has the active worker try them again. --rows shows the rows: they are personal data"
	}
	return text + "."
}

// letterOf names a dead letter among those of all accounts.
type letterOf struct{ account, id string }

// resolutions are what the state tells of letters that were replayed; empty where there is no state.
func resolutions(ctx context.Context, cluster producer.Config, prefix string) (map[letterOf]*poller.Resolution, error) {
	known := map[letterOf]*poller.Resolution{}
	there, err := producer.Topics(ctx, cluster, prefix+"state")
	if err != nil || !slices.Contains(there, prefix+"state") {
		return known, err
	}
	err = producer.Tail(ctx, cluster, producer.TailOptions{Topics: []string{prefix + "state"}, Patience: readingPatience}, func(m producer.Message) error {
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
		return nil, fmt.Errorf("what became of the letters stands in the topic state: %w", err)
	}
	return known, err
}
