package encoder

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/convstream/convstream/schemas"
	"github.com/hamba/avro/v2"
)

// format writes and reads the values of one schema.
type format struct {
	schema  schemas.Schema
	header  [10]byte
	parsed  avro.Schema
	writers sync.Pool // of *avro.Writer
}

var (
	conversationFormat = newFormat(schemas.Conversation)
	progressFormat     = newFormat(schemas.Progress)
)

// newFormat gives each schema a configuration and a cache of its own: hamba keeps
// encoders by a fingerprint that ignores defaults, and a second schema in the
// same cache could silently be written as the first.
func newFormat(s schemas.Schema) *format {
	api := avro.Config{}.Freeze()
	f := &format{schema: s, header: s.Header(), parsed: mustParse(s)}
	f.writers.New = func() any { return avro.NewWriter(nil, 4<<10, avro.WithWriterConfig(api)) }
	return f
}

func mustParse(s schemas.Schema) avro.Schema {
	parsed, err := avro.ParseWithCache(s.Text, "", &avro.SchemaCache{})
	if err != nil {
		panic("encoder: schema " + s.Name + ": " + err.Error()) // it is part of the program
	}
	return parsed
}

// maxPooledWriter bounds the buffer that a large record leaves in the pool.
const maxPooledWriter = 256 << 10

// encode gives v, a pointer to the schema's struct, in single-object encoding.
func (f *format) encode(v any) ([]byte, error) {
	w := f.writers.Get().(*avro.Writer)
	w.Reset(nil)
	_, _ = w.Write(f.header[:]) // into memory
	w.WriteVal(f.parsed, v)
	if w.Error != nil {
		return nil, w.Error // a writer keeps its error: not pooled again
	}
	value := bytes.Clone(w.Buffer())
	if len(value) <= maxPooledWriter {
		f.writers.Put(w)
	}
	return value, nil
}

// maxValue bounds what is decoded: more than any broker of ours takes.
const maxValue = 64 << 20

// decode reads a value that encode made.
func (f *format) decode(value []byte, v any) error {
	switch {
	case len(value) > maxValue:
		return fmt.Errorf("value of %d bytes, more than %d", len(value), maxValue)
	case len(value) < len(f.header) || !bytes.Equal(value[:2], f.header[:2]):
		return fmt.Errorf("no Avro single-object encoding: want first bytes %x, have % x of %d", f.header[:2], value[:min(2, len(value))], len(value))
	case !bytes.Equal(value[:len(f.header)], f.header[:]):
		return fmt.Errorf("written with schema %016x, want %s %016x",
			binary.LittleEndian.Uint64(value[2:]), f.schema.Name, f.schema.Fingerprint())
	}
	rest, err := f.schema.Parsed().Decode(value[len(f.header):], v)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return errors.New("bytes left over behind the value")
	}
	return nil
}

// DecodeConversation reads a value of a channel topic. The error tells whether
// the bytes are no single-object encoding, of another schema, or broken.
func DecodeConversation(value []byte) (*Conversation, error) {
	c := new(Conversation)
	if err := conversationFormat.decode(value, c); err != nil {
		return nil, fmt.Errorf("decode conversation: %w", err)
	}
	return c, nil
}

// DecodeProgress reads a value of the progress topic; see [DecodeConversation].
func DecodeProgress(value []byte) (*Progress, error) {
	p := new(Progress)
	if err := progressFormat.decode(value, p); err != nil {
		return nil, fmt.Errorf("decode progress: %w", err)
	}
	return p, nil
}
