package encoder

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// ErrOtherAccount says that a message tells of another account: several may share a topic.
var ErrOtherAccount = errors.New("the message is of another account")

// ReadConversation gives the revision that a message of a channel topic was made of: its row as
// smartassist.ParseRow would read it, the fingerprint as it was then. A [LookupError] tells nothing of the message.
func (e *Encoder) ReadConversation(ctx context.Context, d *Decoder, m Message) (Revision, error) {
	if !bytes.Equal(m.header("ce_source"), e.source) {
		return Revision{}, ErrOtherAccount
	}
	c, err := d.Conversation(ctx, m.Value)
	if err != nil {
		return Revision{}, err
	}
	raw, err := c.Rebuild()
	if err != nil {
		return Revision{}, err
	}
	id := m.header("ce_id")
	fingerprint, err := strconv.ParseUint(string(id[bytes.LastIndexByte(id, ':')+1:]), 16, 64)
	if err != nil {
		return Revision{}, errors.New("read conversation: ce_id does not end with a fingerprint")
	}
	r := Revision{
		Row: smartassist.ParseRow(raw), Number: c.Revision, Change: c.Change, ObservedAt: c.ObservedAt, Fingerprint: fingerprint,
	}
	if c.Supersedes != nil {
		r.Supersedes = *c.Supersedes
	}
	return r, r.Row.Err
}

// DeadLetterReader reads the dead letters of the encoder's account back and joins those that were cut.
type DeadLetterReader struct {
	encoder *Encoder
	letters LetterReader
}

// NewDeadLetterReader begins to read messages of the dead-letter topic, in their order.
func (e *Encoder) NewDeadLetterReader() *DeadLetterReader { return &DeadLetterReader{encoder: e} }

// Read gives the row of a dead letter and when it was read from the service; whole is false for all parts but the last.
func (d *DeadLetterReader) Read(m Message) (row smartassist.Row, at time.Time, whole bool, err error) {
	if !bytes.Equal(m.header("ce_source"), d.encoder.source) {
		return row, at, false, ErrOtherAccount
	}
	l, whole, err := d.letters.Read(m)
	if err != nil || !whole {
		return row, l.At, false, err
	}
	return smartassist.ParseRow(l.Row), l.At, true, nil
}

// header is the value of a header, nil where the message has none of that name.
func (m Message) header(name string) []byte {
	for _, h := range m.Headers {
		if h.Key == name {
			return h.Value
		}
	}
	return nil
}
