package producer

import (
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/addpartitionstotxn"
	"github.com/segmentio/kafka-go/protocol/apiversions"
	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/segmentio/kafka-go/protocol/describeacls"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"
	"github.com/segmentio/kafka-go/protocol/describegroups"
	"github.com/segmentio/kafka-go/protocol/endtxn"
	"github.com/segmentio/kafka-go/protocol/findcoordinator"
	"github.com/segmentio/kafka-go/protocol/initproducerid"
	"github.com/segmentio/kafka-go/protocol/joingroup"
	"github.com/segmentio/kafka-go/protocol/leavegroup"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/saslauthenticate"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
	"github.com/segmentio/kafka-go/protocol/syncgroup"
)

// kafka-go trusts the lengths inside an answer, too: it allocates an array of as many elements as the answer says, or panics if no
// array can be as long. So an answer is checked before kafka-go decodes it, by kafka-go's own struct tags: all elements that it
// announces are there, and kafka-go does not need too much memory for them.

// largestDecoded is how much memory kafka-go may need for one answer, without the batches of a fetch. The metadata of 100,000
// partitions takes half of it.
const largestDecoded = 64 << 20

// answers are the answers to all our requests.
var answers = map[protocol.ApiKey]reflect.Type{}

func init() {
	for _, m := range []protocol.Message{
		&addpartitionstotxn.Response{}, &apiversions.Response{}, &createtopics.Response{}, &describeacls.Response{}, &describeconfigs.Response{}, &describegroups.Response{}, &endtxn.Response{},
		&fetchResponse{}, &findcoordinator.Response{}, &heartbeatResponse{}, &initproducerid.Response{}, &joingroup.Response{},
		&leavegroup.Response{}, &listoffsets.Response{}, &metadata.Response{}, &produce.Response{}, &saslauthenticate.Response{},
		&saslhandshake.Response{}, &syncgroup.Response{},
	} {
		answers[m.ApiKey()] = reflect.TypeOf(m).Elem()
	}
}

// errNotAnAnswer is an answer that does not decode as one to its request.
var errNotAnAnswer = errors.New("not an answer to the request")

// kindOfAnswer is a kind of request and its version.
type kindOfAnswer struct {
	key     protocol.ApiKey
	version int16
}

// check checks the body of an answer, which begins after the correlation id.
func (k kindOfAnswer) check(body []byte) error {
	s := scan{cursor: cursor{rest: body}}
	if shape := k.shape(); shape != nil {
		shape(&s)
	} else { // none of our requests
		s.broken = true
	}
	if s.broken {
		return errNotAnAnswer
	}
	return nil
}

var shapes sync.Map // kindOfAnswer -> shape

func (k kindOfAnswer) shape() shape {
	if known, ok := shapes.Load(k); ok {
		return known.(shape)
	}
	t := answers[k.key]
	if t == nil {
		return nil
	}
	flexible := isFlexible(t, k.version)
	body := shapeOf(t, k.version, flexible)
	whole := body
	if flexible {
		whole = func(s *scan) {
			s.tags(nil)
			body(s)
		}
	}
	shapes.Store(k, shape(whole))
	return whole
}

// scan is the check of one answer.
type scan struct {
	cursor
	memory uint64 // that kafka-go needs for what was checked so far
}

// shape passes over one value.
type shape func(*scan)

// need notes memory that kafka-go needs for n times size bytes.
func (s *scan) need(n, size uint64) {
	if n > largestDecoded || s.memory+n*size > largestDecoded {
		s.broken = true
		return
	}
	s.memory += n * size
}

// number reads a signed number of 1 to 8 bytes.
func (s *scan) number(bytes uint64) int64 {
	var b [8]byte
	read := s.take(bytes)
	copy(b[8-bytes:], read)
	n := int64(binary.BigEndian.Uint64(b[:]))
	return n << (64 - 8*bytes) >> (64 - 8*bytes)
}

// length reads the number of bytes or elements that follow: a number of that many bytes, or a varint if compact. It is 0 for null.
func (s *scan) length(bytes uint64, compact bool) uint64 {
	if compact {
		n := s.uvarint()
		return n - min(n, 1)
	}
	return uint64(max(0, s.number(bytes)))
}

// tags passes over tagged fields; known are those that kafka-go decodes.
func (s *scan) tags(known map[uint64]shape) {
	for n := s.uvarint(); n > 0 && !s.broken; n-- {
		tag, size := s.uvarint(), s.uvarint()
		if field := known[tag]; field != nil {
			field(s)
		} else {
			s.take(size)
		}
	}
}

// shapeOf returns the shape of a type; protocol/decode.go of kafka-go has the same cases.
func shapeOf(t reflect.Type, version int16, flexible bool) shape {
	switch {
	case t == reflect.TypeFor[rawSet]():
		return func(s *scan) { s.take(s.length(4, false)) }
	case t.Kind() == reflect.String:
		return text(2, flexible)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return text(4, flexible)
	case t.Kind() == reflect.Slice:
		return list(t.Elem(), version, flexible)
	case t.Kind() == reflect.Struct:
		return fields(t, version, flexible)
	}
	size := uint64(t.Size())
	return func(s *scan) { s.take(size) }
}

func text(bytes uint64, compact bool) shape {
	return func(s *scan) {
		n := s.length(bytes, compact)
		s.need(n, 1)
		s.take(n)
	}
}

func list(elem reflect.Type, version int16, flexible bool) shape {
	each := shapeOf(elem, version, flexible)
	return func(s *scan) {
		n := s.length(4, flexible)
		s.need(n, uint64(elem.Size()))
		for ; n > 0 && !s.broken; n-- {
			each(s)
		}
	}
}

func fields(t reflect.Type, version int16, flexible bool) shape {
	var plain []shape
	tagged := map[uint64]shape{}
	for i := range t.NumField() {
		f := t.Field(i)
		switch tag, ok := tagOf(f, version); {
		case !ok:
		case tag == noTag:
			plain = append(plain, shapeOf(f.Type, version, flexible))
		case tag >= 0:
			tagged[uint64(tag)] = shapeOf(f.Type, version, flexible)
		}
	}
	return func(s *scan) {
		for _, field := range plain {
			if field(s); s.broken {
				return
			}
		}
		if flexible {
			s.tags(tagged)
		}
	}
}

const (
	noTag    = -2 // a field that is not tagged
	emptyTag = -1 // means only that the message is flexible
)

// tagOf returns the tag of a field in a version; ok reports whether the version has the field.
func tagOf(f reflect.StructField, version int16) (tag int, ok bool) {
	for _, v := range versionsOf(f) {
		if v.min <= version && version <= v.max {
			return v.tag, true
		}
	}
	return noTag, false
}

// isFlexible reports whether lengths are varints in this version: it is one from the first on that has a tag.
func isFlexible(t reflect.Type, version int16) bool {
	first := int16(math.MaxInt16)
	for i := range t.NumField() {
		for _, v := range versionsOf(t.Field(i)) {
			if v.tag != noTag {
				first = min(first, v.min)
			}
		}
	}
	return version >= first
}

// versions is a range of versions in which a field is encoded in the same way.
type versions struct {
	min, max int16
	tag      int
}

// versionsOf reads kafka-go's struct tag, like `kafka:"min=v1,max=v3|min=v4,max=v4,compact"`.
func versionsOf(f reflect.StructField) (list []versions) {
	for part := range strings.SplitSeq(f.Tag.Get("kafka"), "|") {
		v := versions{min: -1, max: -1, tag: noTag}
		for word := range strings.SplitSeq(part, ",") {
			name, value, _ := strings.Cut(word, "=")
			n, _ := strconv.ParseInt(strings.TrimPrefix(value, "v"), 10, 16)
			switch {
			case name == "min":
				v.min = int16(n)
			case name == "max":
				v.max = int16(n)
			case name == "tag" && value == "":
				v.tag = emptyTag
			case name == "tag":
				v.tag = int(n)
			}
		}
		list = append(list, v)
	}
	return list
}
