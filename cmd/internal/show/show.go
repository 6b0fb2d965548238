// Package show prints records of convstream's topics for people and for other programs.
package show

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/producer"
)

// Printer prints one record. Its error is the writer's; a record that cannot be decoded is printed as such.
type Printer func(producer.Message) error

// Lines prints a line a record, coloured on a terminal.
func Lines(out io.Writer, prefix string) Printer {
	p := lines{out: out, prefix: prefix}
	if f, ok := out.(*os.File); ok {
		p.colour = isatty.IsTerminal(f.Fd())
	}
	return p.print
}

// JSON prints an object a record, for jq: topic, partition, offset, time, key, headers, and the decoded value.
func JSON(out io.Writer, prefix string) Printer {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return func(m producer.Message) error {
		headers := map[string]string{}
		for _, h := range m.Headers {
			headers[h.Key] = string(h.Value)
		}
		return e.Encode(map[string]any{
			"topic": m.Topic, "partition": m.Partition, "offset": m.Offset, "time": m.Time, "key": string(m.Key),
			"headers": headers, "value": decoded(m, prefix),
		})
	}
}

// Rows prints each conversation's row as the service sent it, one a line, and each dead letter's; other topics print nothing.
func Rows(out io.Writer, prefix string) Printer {
	return func(m producer.Message) error {
		switch kind(m, prefix) {
		case "progress", "state":
			return nil
		case "dead-letter":
			return line(out, m.Value)
		}
		row, err := rebuilt(m.Value)
		if err != nil {
			row = fmt.Appendf(nil, "%s-%d offset %d: %v", m.Topic, m.Partition, m.Offset, err)
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

func rebuilt(value []byte) ([]byte, error) {
	c, err := encoder.DecodeConversation(value)
	if err != nil {
		return nil, err
	}
	return c.Rebuild()
}

// kind is the topic's name without the prefix.
func kind(m producer.Message, prefix string) string { return strings.TrimPrefix(m.Topic, prefix) }

// decoded is the value as something that encoding/json prints with its schema's names.
func decoded(m producer.Message, prefix string) any {
	var value any
	var err error
	switch kind(m, prefix) {
	case "dead-letter":
		if json.Valid(m.Value) {
			return json.RawMessage(m.Value)
		}
		return string(m.Value)
	case "state":
		return string(m.Value)
	case "progress":
		value, err = encoder.DecodeProgress(m.Value)
	default:
		value, err = encoder.DecodeConversation(m.Value)
	}
	if err != nil {
		return map[string]string{"error": err.Error()}
	}
	return named(value)
}

type lines struct {
	out    io.Writer
	prefix string
	colour bool
}

func (l lines) print(m producer.Message) error {
	text := l.text(m)
	_, err := fmt.Fprintf(l.out, "%s %s %s\n", m.Time.UTC().Format("15:04:05"), l.paint(36, fmt.Sprintf("%-12s", kind(m, l.prefix))), text)
	return err
}

func (l lines) text(m producer.Message) string {
	switch kind(m, l.prefix) {
	case "state":
		return fmt.Sprintf("%q, %d bytes", m.Key, len(m.Value))
	case "dead-letter":
		return l.paint(31, header(m, "error")) + fmt.Sprintf(" %s, %d bytes, read in %s", header(m, "ce_id"), len(m.Value), header(m, "window"))
	case "progress":
		p, err := encoder.DecodeProgress(m.Value)
		if err != nil {
			return l.paint(31, err.Error())
		}
		return fmt.Sprintf("#%d %s to %s: %d rows, %d published, %d unchanged, %d dead; complete through %s", p.Sequence,
			p.WindowStart.Format(time.DateTime), p.WindowEnd.Format(time.TimeOnly), p.Fetched, p.Published, p.Unchanged,
			p.DeadLettered, p.CompleteThrough.Format(time.DateTime))
	}
	c, err := encoder.DecodeConversation(m.Value)
	if err != nil {
		return l.paint(31, err.Error())
	}
	return fmt.Sprintf("%s %s %s, %s, started %s, channel %s", c.ID, l.paint(33, fmt.Sprintf("revision %d", c.Revision)), c.Change,
		or(c.FinalStatus, "no status"), instant(c.SessionStartTime), or(c.Channel, "none"))
}

func (l lines) paint(colour int, s string) string {
	if !l.colour {
		return s
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, s)
}

func header(m producer.Message, name string) string {
	for _, h := range m.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
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
