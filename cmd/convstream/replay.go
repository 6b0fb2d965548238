package main

import (
	"context"
	"fmt"
	"io"

	"github.com/convstream/convstream/cmd/internal/replay"
	"github.com/convstream/convstream/cmd/internal/show"
	"github.com/convstream/convstream/poller"
)

// replayOptions are the flags of dead-letters replay, and the ids it is given.
type replayOptions struct {
	replay.Request
	askOptions
	asJSON bool
}

func replayCommand() *command {
	var o replayOptions
	c := newCommand("dead-letters replay", "[ID...]", "asks the active worker to try dead letters again: those with the ids, or --all")
	c.details = "'convstream dead-letters list' shows the ids. Letters that are resolved are not published again."
	c.flags.BoolVar(&o.All, "all", false, "all that are not resolved")
	c.flags.BoolVar(&o.asJSON, "json", false, "an object a letter, for jq")
	o.declare(c)
	c.run = func(ctx context.Context, ids []string, t terminal) error {
		o.IDs = ids
		if err := o.check(); err != nil {
			return err
		}
		return o.run(ctx, t)
	}
	return c
}

func (o replayOptions) check() error {
	for _, id := range o.IDs {
		if _, ok := poller.ParseLetterID(id); !ok {
			return fmt.Errorf("dead-letters replay: %q is not an id; 'convstream dead-letters list' shows them; %w", id, errUsage)
		}
	}
	if o.All == (len(o.IDs) > 0) {
		return fmt.Errorf("dead-letters replay: expected ids, or --all; %w", errUsage)
	}
	return nil
}

func (o replayOptions) run(ctx context.Context, t terminal) error {
	worker, err := o.worker()
	if err != nil {
		return err
	}
	answer, err := replay.Client(worker).Ask(ctx, o.Request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	return o.follow(answer, t.out)
}

// follow prints the answer as it arrives.
func (o replayOptions) follow(answer io.Reader, out io.Writer) error {
	counts := map[string]int{}
	out = show.Safe(out)
	if err := replay.Follow(answer, func(line []byte, a replay.Answer) error {
		counts[a.Outcome]++
		if !o.asJSON {
			line = []byte(a.ID + " " + became(a) + "\n")
		}
		_, err := out.Write(line)
		return err
	}); err != nil {
		return err
	}
	return o.conclude(counts, out)
}

// became describes the outcome of a letter.
func became(a replay.Answer) string {
	switch a.Outcome {
	case string(poller.LetterPublished):
		return fmt.Sprintf("published as revision %d", a.Revision)
	case string(poller.LetterSuperseded):
		return "superseded: this content of the conversation or a newer one was published since; resolved without publishing it"
	case replay.Resolved:
		res := poller.Resolution{Fate: poller.Fate(a.As), Revision: a.Revision}
		if a.Resolved != nil {
			res.At = *a.Resolved
		}
		return "resolved before: " + show.Resolved(res)
	case string(poller.LetterDead):
		return "still dead: " + a.Reason
	}
	return a.Outcome + ": " + a.Reason
}

// conclude prints the numbers of outcomes. Unknown and untried letters are an error; those that are still dead are one if they were
// requested by id.
func (o replayOptions) conclude(counts map[string]int, out io.Writer) error {
	text := fmt.Sprintf("%d published, %d superseded, %d resolved before, %d still dead",
		counts[string(poller.LetterPublished)], counts[string(poller.LetterSuperseded)], counts[replay.Resolved], counts[string(poller.LetterDead)])
	if !o.asJSON {
		if _, err := fmt.Fprintln(out, text); err != nil {
			return err
		}
	}
	if n, m := counts[replay.Unknown], counts[replay.Untried]; n+m > 0 {
		return fmt.Errorf("dead-letters replay: %d unknown, %d not tried", n, m)
	}
	if n := counts[string(poller.LetterDead)]; n > 0 && !o.All {
		return fmt.Errorf("dead-letters replay: %d still dead", n)
	}
	return nil
}
