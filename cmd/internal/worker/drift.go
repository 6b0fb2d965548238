package worker

import (
	"bytes"
	"errors"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/replay"
	"github.com/convstream/convstream/poller/smartassist"
)

// mostNamed bounds how many findings a line of the log names.
const mostNamed = 20

// showDrift shows what is known of how rows differ from the schema, and logs what the commit found for the first time: names, never values.
func (s sink) showDrift(d *draft) {
	s.shown.drift.Store(&d.memo.Drift.Report)
	if len(d.news) == 0 {
		return
	}
	names := zerolog.Arr()
	for _, f := range d.news[:min(len(d.news), mostNamed)] {
		names.Str(f.String())
	}
	s.log.Info().Int("new", len(d.news)).Array("findings", names).Msg(rowsDiffer)
}

const rowsDiffer = "rows differ from the schema as they did not before; nothing is lost, and 'convstream drift' tells more"

// followDrift shows what a standby knows of it.
func (s *session) followDrift() {
	if note := s.memory.state.Note; s.note == nil || !bytes.Equal(note, s.note) {
		s.note = append([]byte{}, note...)
		known := parseMemo(note)
		s.worker.shown.drift.Store(&known.Drift.Report)
	}
}

// causeOf returns why a row cannot be published, as one of few sentences.
func causeOf(err error) string {
	for _, cause := range []error{smartassist.ErrBrokenJSON, smartassist.ErrNoObject, smartassist.ErrNoIdentity, smartassist.ErrUnsplittable, replay.ErrRefused} {
		if errors.Is(err, cause) {
			return cause.Error()
		}
	}
	return "the row cannot be encoded"
}
