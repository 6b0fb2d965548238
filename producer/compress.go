package producer

import (
	"bytes"
	"encoding/binary"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// Compressor builds batches with kafka-go and compresses their records. Producers may share one: it holds several MiB and is idle
// most of the time.
//
// kafka-go could compress too, but not well in a small process: each of its zstd encoders has a window of 16 MiB, though few batches
// are larger than 1 MiB, the garbage collector frees them again and again, and it compresses in writes of a few bytes.
type Compressor struct {
	mu    sync.Mutex
	zstd  *zstd.Encoder
	plain bytes.Buffer // a batch as kafka-go built it
}

// usualBatch is about the size of the largest batch that a topic takes by default.
const usualBatch = 1 << 20

// NewCompressor returns a Compressor with a window of one usual batch.
func NewCompressor() (*Compressor, error) {
	// No checksum: a record batch has its own.
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(usualBatch), zstd.WithEncoderCRC(false))
	return &Compressor{zstd: encoder}, err
}

// batch returns a record batch, with its length before it. The checksum is left to batch.stamp.
func (c *Compressor) batch(records []protocol.Record, codec kafka.Compression) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	set := protocol.RecordSet{Version: 2, Records: protocol.NewRecordReader(records...)}
	if c.plain.Reset(); c.plain.Cap() > 4*usualBatch {
		c.plain = bytes.Buffer{}
	}
	if _, err := set.WriteTo(&c.plain); err != nil {
		return nil, err
	}
	head, body := c.plain.Bytes()[:lengthPrefix+batchOverhead], c.plain.Bytes()[lengthPrefix+batchOverhead:]
	out, err := c.compress(append(make([]byte, 0, c.plain.Len()/2), head...), body, codec)
	if err != nil {
		return nil, err
	}
	raw := out[lengthPrefix:]
	binary.BigEndian.PutUint32(out, uint32(len(raw)))
	binary.BigEndian.PutUint32(raw[offsetLength:], uint32(len(raw)-offsetLength-4))
	binary.BigEndian.PutUint16(raw[offsetAttributes:], uint16(codec))
	return out, nil
}

// compress appends body, compressed, to out.
func (c *Compressor) compress(out, body []byte, codec kafka.Compression) ([]byte, error) {
	switch codec {
	case 0:
		return append(out, body...), nil
	case kafka.Zstd:
		return c.zstd.EncodeAll(body, out), nil
	}
	buffer := bytes.NewBuffer(out)
	w := codec.Codec().NewWriter(buffer)
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	err := w.Close()
	return buffer.Bytes(), err
}
