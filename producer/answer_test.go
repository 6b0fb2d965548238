package producer

import (
	"bytes"
	"encoding/binary"
	"net"
	"reflect"
	"testing"

	"github.com/segmentio/kafka-go/protocol"
)

// kindsOfAnswers returns all answers in all versions that kafka-go may request.
func kindsOfAnswers() (all []kindOfAnswer) {
	for key, t := range answers {
		low, high := int16(1<<14), int16(0)
		for i := range t.NumField() {
			for _, v := range versionsOf(t.Field(i)) {
				if v.max >= 0 {
					low, high = min(low, v.min), max(high, v.max)
				}
			}
		}
		for v := low; v <= high; v++ {
			all = append(all, kindOfAnswer{key, v})
		}
	}
	return all
}

// filled sets every field, and two elements in each array.
func filled(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				filled(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			filled(v.Index(i))
		}
	case reflect.String:
		v.SetString("some text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(3)
	case reflect.Uint8:
		v.SetUint(7)
	}
}

// encoded returns the body of an answer with every field set, as kafka-go writes it.
func (k kindOfAnswer) encoded(t testing.TB) []byte {
	t.Helper()
	message := reflect.New(answers[k.key])
	if k.key == protocol.Fetch { // kafka-go cannot write what stands in for its own
		return fetchBody(k.version)
	}
	filled(message.Elem())
	var b bytes.Buffer
	if err := protocol.WriteResponse(&b, k.version, 1, message.Interface().(protocol.Message)); err != nil {
		t.Fatalf("%v %d: %v", k.key, k.version, err)
	}
	return b.Bytes()[answerHeader:]
}

// fetchBody returns an answer to a fetch with one batch that does not decode.
func fetchBody(version int16) []byte {
	b := binary.BigEndian.AppendUint32(nil, 0)
	if version >= 7 {
		b = append(b, 0, 0, 0, 0, 0, 0)
	}
	b = append(b, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1) // a topic, a partition
	b = append(b, make([]byte, 4+2+8)...)
	if version >= 4 {
		b = append(b, make([]byte, 8)...)
	}
	if version >= 5 {
		b = append(b, make([]byte, 8)...)
	}
	if version >= 4 {
		b = append(append(b, 0, 0, 0, 1), make([]byte, 16)...)
	}
	if version >= 11 {
		b = append(b, 0, 0, 0, 0)
	}
	return append(append(b, 0, 0, 0, 40), make([]byte, 40)...)
}

// TestAnswersOfAllKinds: the check accepts the whole of what kafka-go writes, and refuses it if it is cut off anywhere.
func TestAnswersOfAllKinds(t *testing.T) {
	for _, k := range kindsOfAnswers() {
		if k.key == protocol.Fetch && k.version == 0 {
			continue // has no time of throttling; no broker that has transactions is asked for it
		}
		body := k.encoded(t)
		s := scan{cursor: cursor{rest: body}}
		if k.shape()(&s); s.broken || len(s.rest) > 0 {
			t.Errorf("%v version %d: broken %v, %d of %d bytes left", k.key, k.version, s.broken, len(s.rest), len(body))
		}
		for n := range len(body) {
			if k.check(body[:n]) == nil {
				t.Errorf("%v version %d: %d bytes of %d are enough", k.key, k.version, n, len(body))
			}
		}
	}
}

// TestLengthsInsideAnAnswer: a frame of a plausible length with an array of 134 million elements in it.
func TestLengthsInsideAnAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		kind kindOfAnswer
		body []byte
	}{
		"versions": {kindOfAnswer{protocol.ApiVersions, 0}, []byte{0, 0, 8, 0, 0, 0, 0, 18, 0, 0, 0, 3}},
		"brokers":  {kindOfAnswer{protocol.Metadata, 1}, []byte{8, 0, 0, 0, 0, 0, 0, 1}},
		"negative and more": {kindOfAnswer{protocol.InitProducerId, 4},
			[]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}},
	} {
		if err := c.kind.check(c.body); err == nil {
			t.Errorf("%s: passes", name)
		}
	}
}

// FuzzAnswer: with any answer kafka-go needs bounded memory and does not panic, and a refusal names a cause.
func FuzzAnswer(f *testing.F) {
	for _, k := range kindsOfAnswers() {
		f.Add(uint16(k.key), uint16(k.version), k.encoded(f))
	}
	f.Add(uint16(protocol.ApiVersions), uint16(0), []byte{0, 0, 8, 0, 0, 0, 0, 18, 0, 0, 0, 3})
	f.Fuzz(func(t *testing.T, key, version uint16, body []byte) {
		k := kindOfAnswer{protocol.ApiKey(key), int16(version)}
		if len(body) > 1<<20 {
			return
		}
		ours, theirs := net.Pipe()
		defer ours.Close()
		frame := binary.BigEndian.AppendUint32(nil, uint32(4+len(body)))
		frame = append(append(frame, 0, 0, 0, 9), body...)
		go func() {
			_, _ = theirs.Write(frame)
			_ = theirs.Close()
		}()
		c := &frames{Conn: ours, address: "kafka:9092", request: 9, asked: k}
		before := allocated()
		_, message, err := protocol.ReadResponse(c, k.key, k.version)
		if fetched, ok := message.(*fetchResponse); ok && err == nil {
			err = readAllOf(fetched)
		}
		if cost := allocated() - before; cost > 2*largestDecoded {
			t.Errorf("%d bytes took %d MiB", len(body), cost>>20)
		}
		if err == nil {
			return
		}
		if e := failure("ask", err); e.Error() == "" || e.Category == "" {
			t.Errorf("no cause: %v", err)
		}
	})
}

func readAllOf(answer *fetchResponse) error {
	for _, topic := range answer.plain().Topics {
		for i := range topic.Partitions {
			if _, err := committed(topic.Topic, &topic.Partitions[i], 0, func(Message) error { return nil }); err != nil {
				return err
			}
		}
	}
	return nil
}
