package producer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go"
)

// largestInflated bounds a batch after decompression. Kafka bounds only its compressed size. Batches of ours have before compression at
// most the topic's max.message.bytes, which is 10 MiB for dead letters unless it was raised.
const largestInflated = 32 << 20

// errWindow is for what brokers make that compress anew, at their highest levels.
var errWindow = fmt.Errorf("its zstd window is larger than %d MiB; set compression.type=producer on the topic", largestInflated>>20)

var errBomb = fmt.Errorf("it decompresses to more than %d MiB", largestInflated>>20)

// inflate decompresses the records of a batch; it returns data itself if that is not compressed.
func inflate(data []byte, codec kafka.Compression) ([]byte, error) {
	switch {
	case codec == 0 || len(data) == 0: // empty after compaction
		return data, nil
	case codec == kafka.Zstd:
		return unzstd(data)
	case codec == kafka.Snappy:
		return unsnappy(data)
	}
	c := codec.Codec()
	if c == nil {
		return nil, fmt.Errorf("its compression is unknown: %d", codec)
	}
	r := c.NewReader(bytes.NewReader(data))
	defer func() { _ = r.Close() }()
	out, err := io.ReadAll(io.LimitReader(r, largestInflated+1))
	if len(out) > largestInflated {
		return nil, errBomb
	}
	return out, err
}

// decoder is one for the process, made at its start: it has channels, and one made in a synctest bubble could not be used in another.
var decoder = newDecoder()

func newDecoder() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(largestInflated))
	if err != nil {
		panic(err) // only our own options
	}
	return d
}

func unzstd(data []byte) ([]byte, error) {
	out, err := decoder.DecodeAll(data, nil)
	switch {
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, errWindow
	case errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return nil, errBomb
	}
	return out, err
}

// Java clients write snappy as blocks, each preceded by its length, after a header of sixteen bytes that begins with this.
var xerialMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const xerialHead = 16

func unsnappy(data []byte) (out []byte, err error) {
	if !bytes.HasPrefix(data, xerialMagic) {
		return unsnappyBlock(nil, data)
	}
	if len(data) < xerialHead {
		return nil, io.ErrUnexpectedEOF
	}
	for data = data[xerialHead:]; len(data) > 0 && err == nil; {
		if len(data) < 4 || int64(binary.BigEndian.Uint32(data)) > int64(len(data)-4) {
			return nil, io.ErrUnexpectedEOF
		}
		n := 4 + int(binary.BigEndian.Uint32(data))
		out, err = unsnappyBlock(out, data[4:n])
		data = data[n:]
	}
	return out, err
}

// unsnappyBlock appends the decompressed block to out.
func unsnappyBlock(out, block []byte) ([]byte, error) {
	n, err := snappy.DecodedLen(block)
	switch {
	case err != nil:
		return nil, err
	case n > largestInflated-len(out):
		return nil, errBomb
	}
	more, err := snappy.Decode(nil, block)
	return append(out, more...), err
}
