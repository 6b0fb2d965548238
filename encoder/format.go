package encoder

import (
	"bytes"
	"sync"

	"github.com/convstream/convstream/schemas"
	"github.com/hamba/avro/v2"
)

// format writes and reads the values of one schema.
type format struct {
	schema       schemas.Schema
	singleObject [10]byte // header of the framing without a registry
	fingerprint  uint64
	parsed       avro.Schema
	writers      sync.Pool // of *avro.Writer
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
	f := &format{schema: s, singleObject: s.Header(), fingerprint: s.Fingerprint(), parsed: mustParse(s)}
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

// encode returns v, a pointer to the schema's struct, behind the header.
func (f *format) encode(header []byte, v any) ([]byte, error) {
	w := f.writers.Get().(*avro.Writer)
	w.Reset(nil)
	_, _ = w.Write(header) // into memory
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
