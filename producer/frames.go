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
	// largestFrame is far above any answer to our requests: fetchBytes, or one batch that is larger, up to the largest
	// max.message.bytes in use; and far below what text is when it is read as a length, 512 MiB and more.
	largestFrame = 64 << 20
	// firstAllocation is how much is allocated for an answer at most before its bytes arrive.
	firstAllocation = 1 << 20
	// Requests and answers begin with their length, without these four bytes. Then an answer has the correlation id of its
	// request; a request has its api key and version before its correlation id.
	lengthBytes   = 4
	answerHeader  = lengthBytes + 4
	requestHeader = lengthBytes + 8
)

// frames is a connection to a peer that may not be a broker. kafka-go trusts every length that it reads and allocates that much:
// gigabytes, if the peer answers with text. So kafka-go gets nothing of an answer before all of it has arrived, its correlation id is
// that of the last request, and it decodes as an answer to that request. There is one request at a time, and kafka-go writes each from
// its length on.
type frames struct {
	net.Conn
	address string
	answers int
	hints   []string // what it may mean if the peer closes the connection, by the number of answers before; "" where nothing

	requestLeft int64        // bytes left of the request that is being written
	request     uint32       // correlation id of the last request
	asked       kindOfAnswer // to the last request

	answer []byte // the part of an answer that is checked and not yet read
}

// Write notes the correlation id, api key and version of each request.
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

// Read does not read beyond the end of an answer.
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
	if wrong := f.checkHead(head[:n]); wrong != nil {
		return wrong
	}
	if err != nil {
		return f.explainEnd(n, err)
	}
	f.answers++
	length := int64(lengthBytes) + int64(binary.BigEndian.Uint32(head[:]))
	answer := bytes.NewBuffer(make([]byte, 0, min(length, firstAllocation)+bytes.MinRead))
	answer.Write(head[:])
	if _, err := io.CopyN(answer, f.Conn, length-answerHeader); err != nil {
		return err
	}
	if err := f.asked.check(answer.Bytes()[answerHeader:]); err != nil {
		return f.notKafka("answers a request with something else, which is not Kafka", "check the port in KAFKA_BROKERS, and proxies before it")
	}
	f.answer = answer.Bytes()
	return nil
}

// checkHead returns an error if the first bytes of an answer are not those of a broker. Too few bytes to tell are no error.
func (f *frames) checkHead(head []byte) error {
	if len(head) < lengthBytes {
		return nil
	}
	switch length := int32(binary.BigEndian.Uint32(head)); {
	case string(head[:4]) == "HTTP":
		return f.notKafka("answers with HTTP, not Kafka", "check the port in KAFKA_BROKERS")
	case head[0] == 0x15 && head[1] == 3: // an alert, of SSL 3 to TLS 1.3
		return f.notKafka("answers with a TLS alert", "the listener wants TLS: set KAFKA_TLS=on, or check the port in KAFKA_BROKERS")
	case printable(head[:4]):
		return f.notKafka("answers with text, not Kafka", "check the port in KAFKA_BROKERS")
	case length < answerHeader-lengthBytes || length > largestFrame:
		return f.notKafka(fmt.Sprintf("announces an answer of %d bytes, which is not Kafka", length), "check the port in KAFKA_BROKERS")
	}
	if len(head) == answerHeader && binary.BigEndian.Uint32(head[lengthBytes:]) != f.request {
		return f.notKafka("answers a request that was not sent, which is not Kafka", "check the port in KAFKA_BROKERS")
	}
	return nil
}

// explainEnd adds the hint of what it may mean that the peer closed the connection: a broker does so at a request that it does not
// expect.
func (f *frames) explainEnd(n int, err error) error {
	if n > 0 || f.answers >= len(f.hints) || f.hints[f.answers] == "" {
		return err
	}
	if f.answers == 0 && timedOut(err) {
		return &peerError{address: f.address, category: Timeout, text: "takes the connection and does not answer", err: err,
			hint: "a listener that wants TLS may wait for more (KAFKA_TLS), and so may one that does not speak Kafka: check the port in KAFKA_BROKERS"}
	}
	if !hungUp(err) {
		return err
	}
	// err is not wrapped: kafka-go replaces io.EOF by an error of its own.
	return &peerError{address: f.address, category: Connection, text: "closed the connection", hint: hintBrokers + "; " + f.hints[f.answers]}
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\r' && c != '\n' && c != '\t' || c > '~' {
			return false
		}
	}
	return true
}

func (f *frames) notKafka(text, hint string) error {
	return &peerError{address: f.address, category: Protocol, text: text, hint: hint}
}

// peerError is an error about what a peer is or requires. It never quotes the peer.
type peerError struct {
	address  string
	category Category
	text     string
	hint     string
	err      error // may be nil
}

// Error returns the address and the text.
func (e *peerError) Error() string { return e.address + " " + e.text }

// Unwrap returns the error of the connection, if there is one.
func (e *peerError) Unwrap() error { return e.err }
