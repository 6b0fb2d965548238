// Package logging makes the worker's logger: JSON lines for machines, or a console for people.
package logging

import (
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/show"
)

// printable keeps from a terminal what others have written into a message to steer it; fields are quoted where they need it.
func printable(event map[string]any) error {
	if text, ok := event[zerolog.MessageFieldName].(string); ok {
		event[zerolog.MessageFieldName] = show.Text(text)
	}
	return nil
}

// New is a logger as LOG_LEVEL and LOG_FORMAT wish, in UTC.
func New(cfg *config.Process, out io.Writer) zerolog.Logger {
	f, isFile := out.(*os.File)
	terminal := isFile && isatty.IsTerminal(f.Fd())
	format := cfg.LogFormat
	if format == config.LogAuto {
		format = config.LogJSON
		if terminal {
			format = config.LogConsole
		}
	}
	if format == config.LogConsole {
		out = zerolog.ConsoleWriter{Out: out, NoColor: !terminal, TimeFormat: time.TimeOnly, TimeLocation: time.UTC, FormatPrepare: printable}
	}
	level, err := zerolog.ParseLevel(cfg.LogLevel)
	if err != nil { // config has checked it
		level = zerolog.InfoLevel
	}
	zerolog.TimestampFunc = func() time.Time { return time.Now().UTC() }
	zerolog.DurationFieldUnit = time.Second
	return zerolog.New(out).Level(level).With().Timestamp().Logger()
}
