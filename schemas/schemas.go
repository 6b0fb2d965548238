// Package schemas holds the Avro schemas of the topics, in the text in which
// they were written.
//
// The text is what is registered and what consumers read: Avro libraries drop
// docs and defaults when they print a parsed schema, and here the docs are the
// specification (meaning, unit, the service's name, the way back to JSON).
//
// Within v1 a schema only ever changes so that every version can read every
// other: fields are added, nullable, with default null; none is removed,
// renamed or retyped. Each version is kept in history; README.md tells how to
// add one.
package schemas

import (
	_ "embed"
	"encoding/binary"

	"github.com/twmb/avro"
)

//go:embed conversation.avsc
var conversationText string

//go:embed progress.avsc
var progressText string

// Schema is one schema of a topic's values.
type Schema struct {
	Name string // full name, such as convstream.v1.Conversation
	Text string // the original text

	parsed *avro.Schema
}

var (
	// Conversation is the value of the channel topics.
	Conversation = load("convstream.v1.Conversation", conversationText)
	// Progress is the value of the progress topic.
	Progress = load("convstream.v1.Progress", progressText)
)

// load panics on a text that is no schema: it is part of the program.
func load(name, text string) Schema {
	return Schema{Name: name, Text: text, parsed: avro.MustParse(text)}
}

// Fingerprint is the CRC-64-AVRO (Rabin) hash of the schema's Parsing Canonical
// Form; docs, defaults and logical types do not count. (hamba/avro computes
// another number for a schema with logical types, which it fails to strip.)
func (s Schema) Fingerprint() uint64 {
	h := avro.NewRabin()
	h.Write(s.parsed.Canonical())
	return h.Sum64()
}

// Header begins a value in Avro's single-object encoding: C3 01 and the
// fingerprint, little-endian.
func (s Schema) Header() [10]byte {
	header := [10]byte{0xC3, 0x01}
	binary.LittleEndian.PutUint64(header[2:], s.Fingerprint())
	return header
}

// Parsed is the schema as the decoding library knows it.
func (s Schema) Parsed() *avro.Schema { return s.parsed }
