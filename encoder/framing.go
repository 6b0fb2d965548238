package encoder

import (
	"encoding/binary"
	"fmt"
	"maps"

	"github.com/convstream/convstream/schemas"
)

// Schemas returns the schemas of the values by the full name of their topic, for all
// topics of Avro values.
func (e *Encoder) Schemas() map[string]schemas.Schema {
	out := map[string]schemas.Schema{e.progress.topic: progressFormat.schema}
	for _, topic := range e.topics.Conversations() {
		out[topic] = conversationFormat.schema
	}
	return out
}

// Framed returns an encoder that writes values in the wire format of Confluent's
// registry, with the ids by which the registry knows the [Encoder.Schemas]: by
// topic, for each of them.
func (e *Encoder) Framed(ids map[string]uint32) (*Encoder, error) {
	framed := *e
	framed.channels = maps.Clone(e.channels)
	for channel, d := range framed.channels {
		if err := d.frame(ids); err != nil {
			return nil, err
		}
		framed.channels[channel] = d
	}
	if err := framed.other.frame(ids); err != nil {
		return nil, err
	}
	if err := framed.progress.frame(ids); err != nil {
		return nil, err
	}
	return &framed, nil
}

// confluent begins a value in the wire format of Confluent's registry: a zero
// byte, and the schema's id in four, big-endian.
const confluent = 0x00

func (d *destination) frame(ids map[string]uint32) error {
	id, known := ids[d.topic]
	if !known {
		return fmt.Errorf("no schema id for topic %s", d.topic)
	}
	d.header = binary.BigEndian.AppendUint32([]byte{confluent}, id)
	return nil
}
