// Package show prints records of convstream's topics for people and for other programs.
package show

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/producer"
	"github.com/convstream/convstream/schemas/registry"
)

// Printer prints one record. Its error is the writer's, or that a schema registry is needed and cannot be asked; a record that
// cannot be decoded is printed as such.
type Printer func(producer.Message) error

// Topics is what is needed to read the records: the topics' names, and what decodes their values.
type Topics struct {
	encoder.Topics
	Decoder *encoder.Decoder
}

// Lines prints a line a record, coloured on a terminal.
func Lines(ctx context.Context, out io.Writer, t Topics) Printer {
	p := lines{Topics: t, out: out, colour: colours(out)}
	return func(m producer.Message) error { return p.print(ctx, m) }
}

// JSON prints an object a record, for jq: topic, partition, offset, time, key, headers, and the decoded value.
func JSON(ctx context.Context, out io.Writer, t Topics) Printer {
	e := json.NewEncoder(Safe(out))
	e.SetEscapeHTML(false)
	return func(m producer.Message) error {
		headers := map[string]string{}
		for _, h := range m.Headers {
			headers[h.Key] = string(h.Value)
		}
		value, err := t.decoded(ctx, m)
		if cannotAsk(err) {
			return err
		}
		if err != nil {
			value = map[string]string{"error": err.Error()}
		}
		return e.Encode(map[string]any{
			"topic": m.Topic, "partition": m.Partition, "offset": m.Offset, "time": m.Time, "key": t.keyOrNull(m),
			"headers": headers, "value": value,
		})
	}
}

// Rows prints each conversation's row as the service sent it, one a line, and each dead letter's, joined where it was cut; other
// topics print nothing.
func Rows(ctx context.Context, out io.Writer, t Topics) Printer {
	var letters encoder.LetterReader
	out = Safe(out)
	return func(m producer.Message) error {
		switch t.Kind(m.Topic) {
		case encoder.KindProgress, encoder.KindState:
			return nil
		case encoder.KindDeadLetter:
			l, whole, err := letters.Read(worker.MessageOf(m))
			if errors.Is(err, encoder.ErrIncomplete) && l.Parts > 1 {
				return line(out, fmt.Appendf(nil, "%s offset %d: %v", producer.PartitionName(m.Topic, m.Partition), m.Offset, err))
			}
			if !whole {
				return nil
			}
			return line(out, l.Row)
		}
		row, err := t.rebuilt(ctx, m.Value)
		if cannotAsk(err) {
			return err
		}
		if err != nil {
			row = fmt.Appendf(nil, "%s offset %d: %v", producer.PartitionName(m.Topic, m.Partition), m.Offset, err)
		}
		return line(out, row)
	}
}

// line writes a row on one line: the service may have spread it over several. What is not JSON is written as it is.
func line(out io.Writer, row []byte) error {
	var b bytes.Buffer
	if json.Compact(&b, row) != nil {
		b.Reset()
		b.Write(row)
	}
	b.WriteByte('\n')
	_, err := out.Write(b.Bytes())
	return err
}

// cannotAsk tells that the schema of a record cannot be had, now or with these settings: it would be the same for all that follow.
func cannotAsk(err error) bool {
	if errors.Is(err, encoder.ErrNoRegistry) {
		return true
	}
	e, ok := errors.AsType[*registry.Error](err)
	return ok && !e.Final
}

func (t Topics) rebuilt(ctx context.Context, value []byte) ([]byte, error) {
	c, err := t.Decoder.Conversation(ctx, value)
	if err != nil {
		return nil, err
	}
	return c.Rebuild()
}

// decoded is the value as something that encoding/json prints with its schema's names.
func (t Topics) decoded(ctx context.Context, m producer.Message) (any, error) {
	var value any
	var err error
	switch t.Kind(m.Topic) {
	case encoder.KindDeadLetter:
		return textOrJSON(m.Value), nil
	case encoder.KindState:
		return stateValue(m.Value), nil
	case encoder.KindProgress:
		value, err = t.Decoder.Progress(ctx, m.Value)
	default:
		value, err = t.Decoder.Conversation(ctx, m.Value)
	}
	if err != nil {
		return nil, err
	}
	return named(value), nil
}

type lines struct {
	Topics
	out    io.Writer
	colour bool
}

func (l lines) print(ctx context.Context, m producer.Message) error {
	text, err := l.text(ctx, m)
	if cannotAsk(err) {
		return err
	}
	if err != nil {
		text = l.paint(31, clean(err.Error()))
	}
	_, err = fmt.Fprintf(l.out, "%s %s %s\n", m.Time.UTC().Format("15:04:05"), l.paint(36, fmt.Sprintf("%-12s", l.Short(m.Topic))), text)
	return err
}

func (l lines) text(ctx context.Context, m producer.Message) (string, error) {
	switch l.Kind(m.Topic) {
	case encoder.KindState:
		return clean(l.keyText(m)) + " " + stateText(m.Value), nil
	case encoder.KindDeadLetter:
		letter, _ := worker.MessageOf(m).Letter()
		return l.paint(31, clean(letter.Error)) + fmt.Sprintf(" %s%s, %d bytes, read in %s", clean(letter.ID), partText(letter), len(m.Value), clean(letter.Window)), nil
	case encoder.KindProgress:
		p, err := l.Decoder.Progress(ctx, m.Value)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("#%d %s to %s: %d rows, %d published, %d unchanged, %d dead; complete through %s%s", p.Sequence,
			p.WindowStart.Format(time.DateTime), p.WindowEnd.Format(time.TimeOnly), p.Fetched, p.Published, p.Unchanged,
			p.DeadLettered, p.CompleteThrough.Format(time.DateTime), eventText(p.Event)), nil
	}
	c, err := l.Decoder.Conversation(ctx, m.Value)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s %s, %s, started %s, channel %s", clean(c.ID), l.paint(33, fmt.Sprintf("revision %d", c.Revision)), clean(c.Change),
		clean(or(c.FinalStatus, "no status")), instant(c.SessionStartTime), clean(or(c.Channel, "none"))), nil
}

// eventText returns what a progress record says beside the read; "" for nothing.
func eventText(e *encoder.Event) string {
	if e == nil {
		return ""
	}
	text := "; " + clean(e.Kind)
	if e.WindowStart != nil && e.WindowEnd != nil {
		text += fmt.Sprintf(" %s to %s", e.WindowStart.Format(time.DateTime), e.WindowEnd.Format(time.DateTime))
	}
	if e.By != nil {
		text += " by " + clean(*e.By)
	}
	if e.Detail != nil {
		text += ": " + clean(*e.Detail)
	}
	return text
}

func (l lines) paint(colour int, s string) string {
	if !l.colour {
		return s
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, s)
}

func or(s *string, otherwise string) string {
	if s == nil {
		return otherwise
	}
	return *s
}

func instant(t *time.Time) string {
	if t == nil {
		return "unknown"
	}
	return t.UTC().Format(time.DateTime)
}
