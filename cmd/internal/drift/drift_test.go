package drift

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/convstream/convstream/encoder"
)

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return begin.Add(time.Duration(minutes) * time.Minute) }

// revision is a batch of one revision.
func revision(minute int, deviations ...encoder.Deviation) *Batch {
	b := new(Batch)
	b.Revision(at(minute), encoder.Message{Deviations: deviations})
	return b
}

func coded(minute int, field string, sums ...uint32) *Batch {
	b, m := new(Batch), encoder.Message{}
	for _, sum := range sums {
		m.Codes = append(m.Codes, encoder.Code{Field: field, Sum: sum})
	}
	b.Revision(at(minute), m)
	return b
}

// after is the record after the batches, and all news.
func after(r Record, batches ...*Batch) (Record, []Finding) {
	var news []Finding
	for _, b := range batches {
		var fresh []Finding
		r, fresh = r.With(b)
		news = append(news, fresh...)
	}
	return r, news
}

// TestFindings: first and last sight, the count and the last pointer of each, told as new once.
func TestFindings(t *testing.T) {
	mood := encoder.Deviation{Kind: encoder.UnknownMember, Field: "mood", Pointer: "/mood", Type: "string"}
	score := func(typ, pointer string) encoder.Deviation {
		return encoder.Deviation{Kind: encoder.Misfit, Field: "csatScore", Pointer: pointer, Type: typ}
	}
	both := revision(7, score("string", "/csatScore"), mood)
	both.DeadLetter(at(8), "row is not a JSON object")
	got, news := after(Record{},
		revision(0),
		revision(1, mood),
		revision(2, score("string", "/csatScore"), score("string", "/CSATSCORE")),
		both,
		revision(9, score("null", "/csatScore")),
	)
	want := Report{Since: at(0), Findings: []Finding{
		{Value, "csatScore", "null", "/csatScore", at(9), at(9), 1},
		{Row, "row is not a JSON object", "", "", at(8), at(8), 1},
		{Value, "csatScore", "string", "/csatScore", at(2), at(8), 3},
		{Member, "mood", "string", "/mood", at(1), at(8), 2},
	}}
	if diff := cmp.Diff(want, got.Report); diff != "" {
		t.Error(diff)
	}
	if len(news) != 4 {
		t.Errorf("told as new: %+v", news)
	}
}

// TestRecordIsAValue: a record that was not committed leaves no trace in the one before.
func TestRecordIsAValue(t *testing.T) {
	r, _ := after(Record{}, revision(0, encoder.Deviation{Kind: encoder.UnknownMember, Field: "a"}), coded(1, "channel", 1))
	before, _ := json.Marshal(r)
	after(r, revision(5, encoder.Deviation{Kind: encoder.UnknownMember, Field: "a"}, encoder.Deviation{Kind: encoder.UnknownMember, Field: "b"}), coded(6, "channel", 2, 3))
	if now, _ := json.Marshal(r); string(now) != string(before) {
		t.Errorf("it was %s\nand is %s", before, now)
	}
}

// TestNewValues: a value is new once the field is known well, by number or by time; a field of many values has none.
func TestNewValues(t *testing.T) {
	many := make([]uint32, knownAfterValues)
	for i := range many {
		many[i] = uint32(i % 3)
	}
	var all []uint32
	for i := range uint32(mostCodes) {
		all = append(all, i)
	}
	week := int(knownAfter / time.Minute)
	for name, c := range map[string]struct {
		batches []*Batch
		count   int64 // of new values
	}{
		"the first":            {[]*Batch{coded(0, "channel", 1, 2, 3)}, 0},
		"one more, early":      {[]*Batch{coded(0, "channel", 1), coded(9, "channel", 2)}, 0},
		"after many values":    {[]*Batch{coded(0, "channel", many...), coded(9, "channel", 1, 7)}, 1},
		"after a week":         {[]*Batch{coded(0, "channel", 1), coded(week, "channel", 1, 2)}, 1},
		"two at once":          {[]*Batch{coded(0, "channel", 1), coded(week, "channel", 8, 9, 8)}, 2},
		"seen again":           {[]*Batch{coded(0, "channel", 1), coded(week, "channel", 8), coded(week+1, "channel", 8)}, 1},
		"another field":        {[]*Batch{coded(0, "channel", many...), coded(9, "finalStatus", 5)}, 0},
		"the last of few":      {[]*Batch{coded(0, "channel", all[1:]...), coded(week, "channel", 99)}, 1},
		"more than few":        {[]*Batch{coded(0, "channel", all...), coded(1, "channel", 98), coded(week, "channel", 99)}, 0},
		"the same many a time": {[]*Batch{coded(0, "channel", many...), coded(week, "channel", many...)}, 0},
	} {
		r, _ := after(Record{}, c.batches...)
		var count int64
		for _, f := range r.Findings {
			if f.Kind != NewValue || f.Field != "channel" {
				t.Errorf("%s: %+v", name, f)
			}
			count += f.Count
		}
		if count != c.count {
			t.Errorf("%s: %d new values, want %d", name, count, c.count)
		}
	}
}

// TestBounds: a service that has a new member in every row, with names of any length, fills no state and no log.
func TestBounds(t *testing.T) {
	var r Record
	told := 0
	for i := range 10 * mostFindings {
		var news []Finding
		r, news = after(r, revision(i, encoder.Deviation{Kind: encoder.UnknownMember, Field: fmt.Sprint("member", i), Pointer: "/" + strings.Repeat("x", 1000)}), coded(i, "channel", uint32(i)))
		told += len(news)
	}
	text, err := json.Marshal(r)
	if err != nil || len(r.Findings) != mostFindings || told != mostFindings || r.Further != 9*mostFindings || len(text) > 100<<10 {
		t.Errorf("%d findings, %d told, %d further, %d bytes, %v", len(r.Findings), told, r.Further, len(text), err)
	}
	if c := r.Codes["channel"]; !c.Many || len(c.Sums) != 0 {
		t.Errorf("codes %+v", c)
	}
	nameless, _ := after(Record{}, revision(0, encoder.Deviation{Kind: encoder.UnknownMember, Pointer: "/x"}))
	if len(nameless.Findings) != 0 {
		t.Errorf("of a member beyond those that are named: %+v", nameless.Findings)
	}
}

// TestCutPointer: whatever is cut, the record can be written as JSON, which takes valid UTF-8 only.
func TestCutPointer(t *testing.T) {
	for shift := range 4 {
		pointer := "/" + strings.Repeat("x", shift) + strings.Repeat("\U0001F4DE", longestPointer)
		r, _ := after(Record{}, revision(0, encoder.Deviation{Kind: encoder.Misfit, Field: "skills", Pointer: pointer}))
		if got := r.Findings[0].Pointer; len(got) > longestPointer || len(got) < longestPointer-3 {
			t.Errorf("%d bytes of %q", len(got), got)
		}
		if _, err := jsonv2.Marshal(r); err != nil {
			t.Error(err)
		}
	}
}

// TestRecordAsJSON: it is kept as JSON, and goes on from there.
func TestRecordAsJSON(t *testing.T) {
	r, _ := after(Record{}, revision(0, encoder.Deviation{Kind: encoder.Misfit, Field: "csatScore", Pointer: "/csatScore", Type: "string"}), coded(1, "channel", 4, 2))
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Record
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, back); diff != "" {
		t.Error(diff)
	}
}
