package encoder

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/avro"
)

// Lookup returns the text of the schema that a registry knows by an id.
type Lookup func(ctx context.Context, id uint32) (string, error)

// ErrNoRegistry means that a value names its schema by an id, and that there is
// no registry to ask. The present schema may be another one, and would read
// such a value as something else without noticing.
var ErrNoRegistry = errors.New("the value names its schema by an id of a schema registry: set SCHEMA_REGISTRY_URL to the registry that it was written with")

// LookupError means that the schema of a value could not be looked up. That says
// nothing of the value: when it can be had, the value can be read.
type LookupError struct {
	ID  uint32
	Err error // ErrNoRegistry, or the Lookup's
}

// Error returns the id and the reason.
func (e *LookupError) Error() string { return fmt.Sprintf("schema id %d: %v", e.ID, e.Err) }

// Unwrap returns the reason.
func (e *LookupError) Unwrap() error { return e.Err }

// Decoder reads the values of the topics back, in both framings and in every
// version of the schemas, however they are written now: a topic may hold all of
// it. It asks once for each id and may be used from many goroutines. The zero
// value has no registry to ask.
type Decoder struct {
	lookup Lookup

	mu      sync.Mutex
	readers map[writtenBy]*avro.Schema
}

// writtenBy names the schema that a value was written with.
type writtenBy struct {
	format      *format
	registered  bool   // the id says which
	id          uint32 // in a registry
	fingerprint uint64 // without one
}

// NewDecoder makes a decoder that asks a registry; nil where there is none.
func NewDecoder(lookup Lookup) *Decoder { return &Decoder{lookup: lookup} }

// Conversation reads a value of a channel topic. The error tells whether the
// bytes are in no framing of ours, of an unknown schema ([LookupError] where a
// registry has to say which), or broken.
func (d *Decoder) Conversation(ctx context.Context, value []byte) (*Conversation, error) {
	c := new(Conversation)
	if err := d.decode(ctx, conversationFormat, value, c); err != nil {
		return nil, fmt.Errorf("decode conversation: %w", err)
	}
	return c, nil
}

// Progress reads a value of the progress topic; see [Decoder.Conversation].
func (d *Decoder) Progress(ctx context.Context, value []byte) (*Progress, error) {
	p := new(Progress)
	if err := d.decode(ctx, progressFormat, value, p); err != nil {
		return nil, fmt.Errorf("decode progress: %w", err)
	}
	return p, nil
}

// DecodeConversation is [Decoder.Conversation] without a registry.
func DecodeConversation(value []byte) (*Conversation, error) {
	return new(Decoder).Conversation(context.Background(), value)
}

// DecodeProgress is [Decoder.Progress] without a registry.
func DecodeProgress(value []byte) (*Progress, error) {
	return new(Decoder).Progress(context.Background(), value)
}

// maxValue bounds what is decoded: more than any broker of ours takes.
const maxValue = 64 << 20

func (d *Decoder) decode(ctx context.Context, f *format, value []byte, v any) error {
	if len(value) > maxValue {
		return fmt.Errorf("value of %d bytes, more than %d", len(value), maxValue)
	}
	by, body, err := f.unframe(value)
	if err != nil {
		return err
	}
	schema, err := d.reader(ctx, by)
	if err != nil {
		return err
	}
	rest, err := schema.Decode(body, v)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return errors.New("trailing bytes after the value")
	}
	return nil
}

// unframe returns which schema a value was written with.
func (f *format) unframe(value []byte) (by writtenBy, body []byte, err error) {
	switch n := len(f.singleObject); {
	case len(value) >= n && [2]byte(value) == [2]byte(f.singleObject[:]):
		return writtenBy{format: f, fingerprint: binary.LittleEndian.Uint64(value[2:])}, value[n:], nil
	case len(value) >= 5 && value[0] == confluent:
		return writtenBy{format: f, registered: true, id: binary.BigEndian.Uint32(value[1:])}, value[5:], nil
	}
	return by, nil, fmt.Errorf("neither Avro single-object encoding nor a registry's: want first bytes %x and a fingerprint, or 00 and an id, have % x of %d",
		f.singleObject[:2], value[:min(2, len(value))], len(value))
}

// reader returns the schema that reads such values into our structs.
func (d *Decoder) reader(ctx context.Context, by writtenBy) (*avro.Schema, error) {
	ours := by.format.schema
	if !by.registered && by.fingerprint == by.format.fingerprint {
		return ours.Parsed(), nil
	}
	d.mu.Lock()
	reader, known := d.readers[by]
	d.mu.Unlock()
	if known {
		return reader, nil
	}
	writer, err := d.writer(ctx, by)
	if err != nil {
		return nil, err
	}
	if reader, err = avro.Resolve(writer, ours.Parsed()); err != nil {
		return nil, by.notOurs(fmt.Errorf("written with a schema that cannot be read as %s: %w", ours.Name, err))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.readers == nil {
		d.readers = map[writtenBy]*avro.Schema{}
	}
	d.readers[by] = reader
	return reader, nil
}

// writer returns the schema that such values were written with.
func (d *Decoder) writer(ctx context.Context, by writtenBy) (*avro.Schema, error) {
	ours := by.format.schema
	if !by.registered {
		writer, known := ours.Known(by.fingerprint)
		if !known {
			return nil, fmt.Errorf("written with schema %016x, which no version of %s known to this program has", by.fingerprint, ours.Name)
		}
		return writer, nil
	}
	if d.lookup == nil {
		return nil, &LookupError{by.id, ErrNoRegistry}
	}
	text, err := d.lookup(ctx, by.id)
	if err != nil {
		return nil, &LookupError{by.id, err}
	}
	if text == ours.Text {
		return ours.Parsed(), nil
	}
	writer, err := avro.Parse(text)
	if err != nil {
		return nil, by.notOurs(err)
	}
	return writer, nil
}

// notOurs returns the error over a schema that our values cannot have been written with. Ids of different registries overlap.
func (by writtenBy) notOurs(err error) error {
	if !by.registered {
		return err
	}
	return &LookupError{by.id, fmt.Errorf("the registry has another schema under it (%w): set SCHEMA_REGISTRY_URL to the registry that the value was written with", err)}
}
