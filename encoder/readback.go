package encoder

import (
	"bytes"
	"context"
	"errors"
	"strconv"

	"github.com/convstream/convstream/poller/smartassist"
)

// ErrOtherAccount means that a message is of another account: several may share a topic.
var ErrOtherAccount = errors.New("the message is of another account")

// ReadConversation returns the revision that a message of a channel topic was made of: its row as
// smartassist.ParseRow would read it, the fingerprint as it was then. A [LookupError] says nothing about the message.
func (e *Encoder) ReadConversation(ctx context.Context, d *Decoder, m Message) (Revision, error) {
	_, r, err := e.ReadRecord(ctx, d, m)
	return r, err
}

// ReadRecord is [Encoder.ReadConversation] that also returns the record itself.
func (e *Encoder) ReadRecord(ctx context.Context, d *Decoder, m Message) (*Conversation, Revision, error) {
	if !bytes.Equal(m.header("ce_source"), e.source) {
		return nil, Revision{}, ErrOtherAccount
	}
	c, err := d.Conversation(ctx, m.Value)
	if err != nil {
		return nil, Revision{}, err
	}
	raw, err := c.Rebuild()
	if err != nil {
		return nil, Revision{}, err
	}
	id := m.header("ce_id")
	fingerprint, err := strconv.ParseUint(string(id[bytes.LastIndexByte(id, ':')+1:]), 16, 64)
	if err != nil {
		return nil, Revision{}, errors.New("read conversation: ce_id does not end with a fingerprint")
	}
	r := Revision{
		Row: smartassist.ParseRow(raw), Number: c.Revision, Change: c.Change, ObservedAt: c.ObservedAt, Fingerprint: fingerprint,
	}
	if c.Supersedes != nil {
		r.Supersedes = *c.Supersedes
	}
	return c, r, r.Row.Err
}

// Sequence returns the number of the commit that a message of the progress topic reports, from its ce_id; 0 where it
// has none.
func (m Message) Sequence() int64 {
	id := m.header("ce_id")
	colon := bytes.LastIndexByte(id, ':')
	if colon < 0 {
		return 0
	}
	n, _ := strconv.ParseInt(string(id[colon+1:]), 10, 64)
	return n
}

// header returns the value of a header, nil where the message has none of that name.
func (m Message) header(name string) []byte {
	for _, h := range m.Headers {
		if h.Key == name {
			return h.Value
		}
	}
	return nil
}
