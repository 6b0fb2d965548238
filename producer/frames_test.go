package producer

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// answering makes every server of the network answer each connection with these bytes, and then close it if hangUp is true.
func answering(t *testing.T, network *kfake.VirtualNetwork, answer string, hangUp bool) {
	t.Helper()
	l, err := network.Listen("tcp", "127.0.0.1:9092")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				var request [4096]byte
				if _, err := conn.Read(request[:]); err != nil {
					return
				}
				_, _ = io.WriteString(conn, answer)
				if !hangUp {
					_, _ = io.Copy(io.Discard, conn)
				}
			}()
		}
	}()
}

// TestNotABroker: an answer that is not Kafka's is an error that says so, and costs hardly any memory.
func TestNotABroker(t *testing.T) {
	for name, c := range map[string]struct{ answer, text, hint string }{
		"HTTP":          {"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n400 Bad Request", "127.0.0.1:9092 answers with HTTP, not Kafka", "KAFKA_BROKERS"},
		"HTTP, cut off": {"HTTP/1", "answers with HTTP, not Kafka", "KAFKA_BROKERS"},
		"TLS":           {"\x15\x03\x03\x00\x02\x02\x0a", "answers with a TLS alert", "KAFKA_TLS=on"},
		"SSH":           {"SSH-2.0-OpenSSH_9.6\r\n", "answers with text", "KAFKA_BROKERS"},
		"negative":      {"\xff\xff\xff\xff\x00\x00\x00\x01", "an answer of -1 bytes", "KAFKA_BROKERS"},
		"nothing":       {"\x00\x00\x00\x00\x00\x00\x00\x01", "an answer of 0 bytes", "KAFKA_BROKERS"},
		"too large":     {"\x04\x00\x00\x01\x00\x00\x00\x01", "an answer of 67108865 bytes", "KAFKA_BROKERS"},
		"array":         {"\x00\x00\x00\x0c\x00\x00\x00\x01\x00\x00\x08\x00\x00\x00\x00\x12", "answers a request with something else", "KAFKA_BROKERS"},
		"another's":     {"\x00\x00\x00\x10\x00\x00\x00\x07\x00\x00\x7f\xff\xff\xff" + strings.Repeat("\x00", 10), "was not sent", "KAFKA_BROKERS"},
	} {
		for _, hangUp := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					network := new(kfake.VirtualNetwork)
					answering(t, network, c.answer, hangUp)
					to := Cluster{Brokers: []string{"127.0.0.1:9092"}, ClientID: "test", Dial: network.DialContext}
					ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
					defer cancel()
					before := allocated()
					_, err := Topics(ctx, to, "")
					if cost := allocated() - before; cost > 64<<20 {
						t.Errorf("half a minute allocated %d MiB", cost>>20)
					}
					e, ok := errors.AsType[*Error](err)
					if !ok || e.Category != Protocol || !strings.Contains(e.Error(), c.text) || !strings.Contains(e.Hint, c.hint) {
						t.Errorf("error %v, want one with %q, and a hint with %q", err, c.text, c.hint)
					}
				})
			})
		}
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// TestFramesPassAsTheyAre compares the bytes that come out with those that went in, however they are cut.
func TestFramesPassAsTheyAre(t *testing.T) {
	for size := 1; size < 40; size++ {
		ours, theirs := net.Pipe()
		f := &frames{Conn: ours}
		var sent []byte
		go func() {
			for n := range uint32(5) {
				var request [64]byte
				_, _ = io.ReadFull(theirs, request[:requestHeader+int(n)])
				answer := append(append([]byte{0, 0, 0, byte(4 + 12 + 9*n), 0, 0, 0, byte(n)}, make([]byte, 12)...), request[:9*n]...)
				sent = append(sent, answer...)
				_, _ = theirs.Write(answer)
			}
			_ = theirs.Close()
		}()
		var got []byte
		for n := range byte(5) {
			request := append([]byte{0, 0, 0, 8 + n, 0, 3, 0, 1, 0, 0, 0, n}, make([]byte, n)...)
			if _, err := f.Write(request); err != nil {
				t.Fatal(err)
			}
			for want := len(got) + answerHeader + 12 + 9*int(n); len(got) < want; {
				b := make([]byte, size)
				m, err := f.Read(b)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, b[:m]...)
			}
		}
		if _, err := f.Read(make([]byte, size)); err != io.EOF {
			t.Fatalf("error %v at the end, want EOF", err)
		}
		if string(got) != string(sent) {
			t.Fatalf("read %x, want %x", got, sent)
		}
	}
}
