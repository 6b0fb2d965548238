package producer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"github.com/segmentio/kafka-go/protocol"
)

const (
	// largestFrame is far above any answer that is asked for: fetchBytes, or one batch that is larger, which the largest
	// max.message.bytes in use bounds; and far below what text read as a length is, 512 MiB and more.
	largestFrame = 64 << 20
	// believed is how much memory is taken on the word of a peer, before the bytes have come.
	believed = 1 << 20
	// Of each frame, request and answer alike: its length without these four bytes. An answer goes on with the number of the
	// request that it belongs to, which a request has behind its kind and version.
	lengthBytes   = 4
	answerHeader  = lengthBytes + 4
	requestHeader = lengthBytes + 8
)

// frames is a connection to what may not be a broker. kafka-go believes every length that it reads, and allocates by it: of
// a peer that answers with text that is gigabytes. So nothing of an answer reaches kafka-go before all of it is there, it
// belongs to the request that was made last, and is what such a request is answered with. There is one request at a time, and
// kafka-go writes each from its length on.
type frames struct {
	net.Conn
	address string
	answers int
	hints   []string // what the end of the connection may mean, by the number of answers before it; "" and beyond: nothing

	requestLeft int64        // of the request that is being written
	request     uint32       // number of the last request
	asked       kindOfAnswer // by the last request

	answer []byte // checked and not yet read
}

// Write takes the number of each request on its way.
func (f *frames) Write(b []byte) (int, error) {
	if f.requestLeft == 0 && len(b) >= requestHeader {
		f.requestLeft = lengthBytes + int64(binary.BigEndian.Uint32(b))
		f.request = binary.BigEndian.Uint32(b[requestHeader-4:])
		f.asked = kindOfAnswer{protocol.ApiKey(binary.BigEndian.Uint16(b[lengthBytes:])), int16(binary.BigEndian.Uint16(b[lengthBytes+2:]))}
	}
	n, err := f.Conn.Write(b)
	f.requestLeft = max(0, f.requestLeft-int64(n))
	return n, err
}

// Read reads no further than to the end of an answer.
func (f *frames) Read(b []byte) (int, error) {
	if len(f.answer) == 0 {
		if err := f.receive(); err != nil {
			return 0, err
		}
	}
	n := copy(b, f.answer)
	if f.answer = f.answer[n:]; len(f.answer) == 0 {
		f.answer = nil
	}
	return n, nil
}

// receive waits for the next answer and checks it.
func (f *frames) receive() error {
	var head [answerHeader]byte
	n, err := io.ReadFull(f.Conn, head[:])
	if wrong := f.suspect(head[:n]); wrong != nil {
		return wrong
	}
	if err != nil {
		return f.silent(n, err)
	}
	f.answers++
	length := int64(lengthBytes) + int64(binary.BigEndian.Uint32(head[:]))
	answer := bytes.NewBuffer(make([]byte, 0, min(length, believed)+bytes.MinRead))
	answer.Write(head[:])
	if _, err := io.CopyN(answer, f.Conn, length-answerHeader); err != nil {
		return err
	}
	if err := f.asked.check(answer.Bytes()[answerHeader:]); err != nil {
		return f.foreign("answers a request not as Kafka does", "check the port in KAFKA_BROKERS, and what stands between")
	}
	f.answer = answer.Bytes()
	return nil
}

// suspect says what is wrong with the first bytes of an answer; nothing is wrong yet with those that are too few.
func (f *frames) suspect(head []byte) error {
	if len(head) < lengthBytes {
		return nil
	}
	switch length := int32(binary.BigEndian.Uint32(head)); {
	case string(head[:4]) == "HTTP":
		return f.foreign("speaks HTTP, not Kafka", "check the port in KAFKA_BROKERS")
	case head[0] == 0x15 && head[1] == 3: // an alert, of SSL 3 to TLS 1.3
		return f.foreign("answers with a TLS alert", "the listener wants TLS: set KAFKA_TLS=on, or check the port in KAFKA_BROKERS")
	case printable(head[:4]):
		return f.foreign("answers with text, not as Kafka does", "check the port in KAFKA_BROKERS")
	case length < answerHeader-lengthBytes || length > largestFrame:
		return f.foreign(fmt.Sprintf("announces an answer of %d bytes, not as Kafka does", length), "check the port in KAFKA_BROKERS")
	}
	if len(head) == answerHeader && binary.BigEndian.Uint32(head[lengthBytes:]) != f.request {
		return f.foreign("answers what was not asked, not as Kafka does", "check the port in KAFKA_BROKERS")
	}
	return nil
}

// silent gives the end of a connection a meaning where it may have one: a broker ends it at what it does not expect.
func (f *frames) silent(n int, err error) error {
	if n > 0 || !ended(err) || f.answers >= len(f.hints) || f.hints[f.answers] == "" {
		return err
	}
	// It does not wrap err: of EOF kafka-go makes an error of its own.
	return &peerError{address: f.address, category: Connection, text: "ended the connection", hint: hintBrokers + "; " + f.hints[f.answers]}
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\r' && c != '\n' && c != '\t' || c > '~' {
			return false
		}
	}
	return true
}

func (f *frames) foreign(text, hint string) error {
	return &peerError{address: f.address, category: Protocol, text: text, hint: hint}
}

// peerError says what a peer is or wants. It never quotes the peer.
type peerError struct {
	address  string
	category Category
	text     string
	hint     string
	err      error // may be nil
}

// Error implements error.
func (e *peerError) Error() string { return e.address + " " + e.text }

// Unwrap returns what the connection said, if it said anything.
func (e *peerError) Unwrap() error { return e.err }
