package consumers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// row is what the queries look at, read from the service's own JSON.
type row map[string]any

func rowOf(t *testing.T, raw json.RawMessage) row {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var out row
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func (r row) text(name string) string { s, _ := r[name].(string); return s }

// number is the integer, which the service now and then writes as text; not ok where there is none.
func (r row) number(name string) (n int64, ok bool) {
	n, err := strconv.ParseInt(fmt.Sprint(r[name]), 10, 64)
	return n, err == nil
}

// cell is what a column of text shows: also of a number or a boolean its text.
func (r row) cell(name string) string {
	switch value := r[name].(type) {
	case string, json.Number, bool:
		return fmt.Sprint(value)
	}
	return null
}

// null is how a table shows that there is no value.
const null = "<nil>"

func (r row) object(name string) row { o, _ := r[name].(map[string]any); return o }

func (r row) objects(name string) []row {
	list, _ := r[name].([]any)
	var out []row
	for _, element := range list {
		if o, ok := element.(map[string]any); ok {
			out = append(out, o)
		}
	}
	return out
}

// time is the instant of a time without zone; the zero time where there is none.
func (r row) time(name string) time.Time {
	at, _ := time.Parse("2006-01-02T15:04:05", r.text(name))
	return at
}

// contact tells whether a human conversation is meant.
func (r row) contact() bool { return r.text("conversationId") != "" }

// queues are the queues it entered.
func (r row) queues() []row {
	var out []row
	for _, d := range r.objects("destinations") {
		if d.text("destinationType") == "QueueEntry" {
			out = append(out, d)
		}
	}
	return out
}

// agents are the segments of it.
func (r row) agents() []row {
	var out []row
	for _, d := range r.objects("destinations") {
		if d.text("destinationType") == "AgentSegment" {
			out = append(out, d)
		} else if a := d.object("respondingAgent"); a != nil {
			out = append(out, a)
		}
	}
	return out
}

func (r row) abandoned() bool { return r.text("finalStatus") == "USER ABANDONED" }

// table is the answer of a query: for each key, the columns in one text.
type table map[string]string

func (want table) check(t *testing.T, who string, got table) {
	t.Helper()
	differences := 0
	for key := range want {
		if got[key] != want[key] {
			if differences++; differences <= 5 {
				t.Errorf("%s: %s: %q, want %q", who, key, got[key], want[key])
			}
		}
	}
	for key := range got {
		if _, wanted := want[key]; !wanted {
			if differences++; differences <= 5 {
				t.Errorf("%s: %s: %q, and it should not be there", who, key, got[key])
			}
		}
	}
	t.Logf("%s: %d rows, %d wanted, differences %d", who, len(got), len(want), differences)
	if len(want) == 0 {
		t.Errorf("%s: nothing was wanted: this run says little", who)
	}
}

// tableOf makes a table of a consumer's lines; the first keys columns are the key.
func tableOf(t *testing.T, lines []map[string]any, keys int, columns ...string) table {
	t.Helper()
	out := table{}
	for _, line := range lines {
		var cells []string
		for _, c := range columns {
			cells = append(cells, fmt.Sprint(line[c]))
		}
		key := strings.Join(cells[:keys], " ")
		if _, twice := out[key]; twice {
			t.Errorf("%s is there twice", key)
		}
		out[key] = strings.Join(cells[keys:], " ")
	}
	return out
}

// counts is a sum for each key.
type counts map[string][]int64

func (c counts) add(key string, n ...int64) {
	if c[key] == nil {
		c[key] = make([]int64, len(n))
	}
	for i := range n {
		c[key][i] += n[i]
	}
}

func (c counts) table() table {
	out := table{}
	for key, n := range c {
		out[key] = strings.Trim(fmt.Sprint(n), "[]")
	}
	return out
}
