package producer

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

// TestVersionsOf reads kafka-go's struct tags as kafka-go does.
func TestVersionsOf(t *testing.T) {
	for tag, want := range map[string][]versions{
		`kafka:"min=v1,max=v3"`:                              {{1, 3, noTag}},
		`kafka:"min=v1,max=v3|min=v4,max=v4,compact"`:        {{1, 3, noTag}, {4, 4, noTag}},
		`kafka:"min=v4,max=v4,tag"`:                          {{4, 4, emptyTag}},
		`kafka:"min=v2,max=v9,tag=3,nullable"`:               {{2, 9, 3}},
		`kafka:"min=v0,max=v0,tag=0"`:                        {{0, 0, 0}},
		`kafka:"-"`:                                          {{-1, -1, noTag}},
		`json:"x"`:                                           {{-1, -1, noTag}},
		`kafka:"min=v3,max=v3,nullable|min=v4,max=v4,tag=7"`: {{3, 3, noTag}, {4, 4, 7}},
	} {
		f := reflect.StructField{Tag: reflect.StructTag(tag)}
		if got := versionsOf(f); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", tag, got, want)
		}
		for version := range int16(12) {
			tag2, ok := noTag, false
			for _, v := range want {
				if v.min <= version && version <= v.max {
					tag2, ok = v.tag, true
				}
			}
			if got, has := tagOf(f, version); got != tag2 || has != ok {
				t.Errorf("%s in version %d: tag %d, %t", tag, version, got, has)
			}
		}
	}
}

// TestIsFlexible: from the first version on that has any tag, even the empty one.
func TestIsFlexible(t *testing.T) {
	type plain struct {
		A int32 `kafka:"min=v0,max=v9"`
	}
	type flexible struct {
		_ struct{} `kafka:"min=v4,max=v9,tag"`
		A int32    `kafka:"min=v0,max=v9"`
	}
	type tagged struct {
		A int32 `kafka:"min=v0,max=v9"`
		B int32 `kafka:"min=v6,max=v9,tag=0"`
		C int32 `kafka:"min=v3,max=v9,tag=1"`
	}
	for version := range int16(10) {
		for of, want := range map[reflect.Type]bool{reflect.TypeFor[plain](): false, reflect.TypeFor[flexible](): version >= 4, reflect.TypeFor[tagged](): version >= 3} {
			if isFlexible(of, version) != want {
				t.Errorf("%v is flexible in version %d: %t", of, version, !want)
			}
		}
	}
}

// TestScanNumbers: numbers of all widths keep their sign, and one that is cut off is noticed and read beyond nothing.
func TestScanNumbers(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	dice := rand.New(rand.NewPCG(seed, 0))
	for range 500 {
		width := []uint64{1, 2, 4, 8}[dice.IntN(4)]
		want := int64(dice.Uint64()) >> (64 - 8*width)
		body := binary.BigEndian.AppendUint64(nil, uint64(want)<<(64-8*width))[:width]
		s := scan{cursor: cursor{rest: append(slices.Clone(body), 9)}}
		if got := s.number(width); got != want || s.broken || len(s.rest) != 1 {
			t.Fatalf("seed %d: %d bytes %x: %d, want %d; broken %t", seed, width, body, got, want, s.broken)
		}
		short := scan{cursor: cursor{rest: body[:dice.IntN(int(width))]}}
		if short.number(width); !short.broken || len(short.rest) > 0 {
			t.Fatalf("seed %d: %d bytes of %x: broken %t, %d left", seed, width, body, short.broken, len(short.rest))
		}
	}
}

// TestScanLengths: null is no bytes, as a number below zero and as a varint of 0; a varint is one more than the length.
func TestScanLengths(t *testing.T) {
	for _, c := range []struct {
		body    []byte
		compact bool
		want    uint64
		broken  bool
	}{
		{[]byte{0, 5}, false, 5, false}, {[]byte{0xff, 0xff}, false, 0, false}, {[]byte{0x80, 0}, false, 0, false}, {[]byte{0x7f, 0xff}, false, 32767, false}, {[]byte{1}, false, 256, true},
		{[]byte{0}, true, 0, false}, {[]byte{1}, true, 0, false}, {[]byte{6}, true, 5, false}, {[]byte{0x80, 1}, true, 127, false}, {nil, true, 0, true}, {[]byte{0x80}, true, 0, true},
		{[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, true, math.MaxUint64 - 1, false}, {slices.Repeat([]byte{0xff}, 11), true, 0, true},
	} {
		s := scan{cursor: cursor{rest: c.body}}
		if got := s.length(2, c.compact); got != c.want || s.broken != c.broken {
			t.Errorf("%x, compact %t: %d, broken %t", c.body, c.compact, got, s.broken)
		}
	}
}

// TestScanNeeds: the memory of all parts together is bounded, and no product overflows.
func TestScanNeeds(t *testing.T) {
	for name, c := range map[string]struct {
		needs  [][2]uint64
		broken bool
	}{
		"nothing":               {[][2]uint64{{0, math.MaxUint64}}, false},
		"all there is":          {[][2]uint64{{largestDecoded, 1}}, false},
		"one more":              {[][2]uint64{{largestDecoded, 1}, {1, 1}}, true},
		"in parts":              {[][2]uint64{{largestDecoded / 4, 2}, {largestDecoded / 16, 8}}, false},
		"in parts, and more":    {[][2]uint64{{largestDecoded / 4, 2}, {largestDecoded / 16, 8}, {1, 1}}, true},
		"elements of some size": {[][2]uint64{{largestDecoded / 8, 9}}, true},
		"overflows to 0":        {[][2]uint64{{1 << 61, 8}}, true},
		"overflows to little":   {[][2]uint64{{1<<61 + 1, 8}}, true},
		"the largest":           {[][2]uint64{{math.MaxUint64, 1}}, true},
	} {
		var s scan
		for _, n := range c.needs {
			s.need(n[0], n[1])
		}
		if s.broken != c.broken || s.memory > largestDecoded {
			t.Errorf("%s: broken %t, %d bytes", name, s.broken, s.memory)
		}
	}
}

// TestScanTags: tagged fields that are known are checked, others are passed over by their size, and a number of them that cannot be ends.
func TestScanTags(t *testing.T) {
	known := map[uint64]shape{3: text(2, true)}
	for name, c := range map[string]struct {
		body   []byte
		broken bool
		left   int
	}{
		"none":                       {[]byte{0, 9}, false, 1},
		"unknown":                    {[]byte{1, 5, 2, 'a', 'b', 9}, false, 1},
		"known":                      {[]byte{1, 3, 3, 3, 'a', 'b', 9}, false, 1},
		"both":                       {[]byte{2, 3, 3, 3, 'a', 'b', 4, 1, 'c', 9}, false, 1},
		"unknown, cut off":           {[]byte{1, 5, 4, 'a', 'b'}, true, 0},
		"known, cut off":             {[]byte{1, 3, 3, 4, 'a', 'b'}, true, 0},
		"more than can be":           {[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 5, 0}, true, 0},
		"a size that cannot be":      {[]byte{1, 5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 'a'}, true, 0},
		"no number of tagged fields": {nil, true, 0},
	} {
		s := scan{cursor: cursor{rest: c.body}}
		if s.tags(known); s.broken != c.broken || len(s.rest) != c.left {
			t.Errorf("%s: broken %t, %d left", name, s.broken, len(s.rest))
		}
	}
}

// TestUnknownAnswers: what none of our requests is answered with is no answer.
func TestUnknownAnswers(t *testing.T) {
	for _, k := range []kindOfAnswer{{key: 32000}, {key: -1}, {key: 9, version: 1}} {
		if err := k.check([]byte{0, 0, 0, 0}); err != errNotAnAnswer {
			t.Errorf("%v: %v", k, err)
		}
	}
}
