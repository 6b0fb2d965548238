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

// largestInflated is how much may come of a batch that is decompressed. Kafka bounds only what is compressed. A batch of ours is
// before compression no larger than the topic's max.message.bytes, 10 MiB for dead letters unless somebody has raised it.
const largestInflated = 32 << 20

var errBomb = fmt.Errorf("it decompresses to more than %d MiB", largestInflated>>20)

// inflate decompresses the records of a batch. The result of one that is not compressed is the argument itself.
func inflate(data []byte, codec kafka.Compression) ([]byte, error) {
	switch {
	case codec == 0 || len(data) == 0: // compaction left no record of it
		return data, nil
	case codec == kafka.Zstd:
		return unzstd(data)
	case codec == kafka.Snappy:
		return unsnappy(data)
	}
	c := codec.Codec()
	if c == nil {
		return nil, fmt.Errorf("its compression is %d, which is not known", codec)
	}
	r := c.NewReader(bytes.NewReader(data))
	defer func() { _ = r.Close() }()
	out, err := io.ReadAll(io.LimitReader(r, largestInflated+1))
	if len(out) > largestInflated {
		return nil, errBomb
	}
	return out, err
}

// decoder serves all of the process. It has channels, and those that are made in a test's bubble are of no use to another one.
var decoder = newDecoder()

func newDecoder() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(largestInflated))
	if err != nil {
		panic(err) // options of our own only
	}
	return d
}

func unzstd(data []byte) ([]byte, error) {
	out, err := decoder.DecodeAll(data, nil)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return nil, errBomb
	}
	return out, err
}

// Java clients write snappy in blocks, each behind its length, after a head of sixteen bytes that begins with this.
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

// unsnappyBlock appends.
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
