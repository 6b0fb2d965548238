package fleet

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/poller/simulator"
)

var update = flag.Bool("update", false, "write "+matrixPage+" instead of comparing it")

// matrixPage holds the matrix for people, and what is expected of each cell.
const matrixPage = "FAULTS.md"

// outcomes are the cells of the matrix that were played.
type outcomes struct {
	mu   sync.Mutex
	of   map[[3]string]string
	keys map[kmsg.Key]bool // requests that were made
}

func (o *outcomes) add(c *cell, outcome string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.of[[3]string{c.row, c.what, c.way}] = outcome
	for k := range c.keys {
		o.keys[k] = true
	}
}

// TestFaultMatrix lets everything go wrong once that can go wrong with one request: every request the worker makes, in every
// way, and with the worker killed at that moment. After each the topics are held against the service. What is to become of
// the worker stands in FAULTS.md.
func TestFaultMatrix(t *testing.T) {
	long(t)
	o := &outcomes{of: map[[3]string]string{}, keys: map[kmsg.Key]bool{}}
	t.Run("cells", func(t *testing.T) {
		for _, row := range theMatrix {
			for _, m := range row.mishaps() {
				for _, way := range ways {
					o.play(t, row, m, way)
				}
			}
		}
	})
	if t.Failed() || raceDetector || strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		return // not all of them
	}
	o.everyRequestIsARow(t)
	page := o.page(t)
	t.Log("\n" + page)
	if *update {
		if err := os.WriteFile(matrixPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	o.compare(t, page)
}

// play plays one cell.
func (o *outcomes) play(t *testing.T, row asked, m mishap, way string) {
	if !row.applies(way) {
		o.of[[3]string{row.row, m.what, way}] = notSent
		return
	}
	t.Run(strings.ReplaceAll(row.row+"/"+m.what+"/"+way, " ", "-"), func(t *testing.T) {
		if raceDetector && (m.code != nil || way == unleased) {
			t.Skip("without the race detector")
		}
		t.Parallel()
		inWorld(t, simulator.Config{History: 10 * time.Minute, PerMinute: 2}, matrixWorld, func(w *world) {
			c := newCell(w, row, m, way)
			outcome := c.play()
			c.allowed(outcome)
			o.add(c, outcome)
		})
	})
}

// allowed holds an outcome against what must never be, whatever the page says: only an answer that trying again would not
// change ends the process. The one exception is a request for a new epoch that takes effect after the worker asked again
// and went on: it fences the worker as another one's would, and without a lease nobody can say that it is not another's.
func (c *cell) allowed(outcome string) {
	ended := strings.HasPrefix(outcome, ends)
	late := c.key == kmsg.InitProducerID && c.loss == delayed && c.way == unleased
	if ended && !late && (c.loss != arrives || c.gives != "" || c.code.Retriable) {
		c.t.Errorf("it ended over what passes: %s", outcome)
	}
}

// everyRequestIsARow fails the test over a request that the worker made and that has no row.
func (o *outcomes) everyRequestIsARow(t *testing.T) {
	for _, row := range theMatrix {
		delete(o.keys, row.key)
	}
	for key := range o.keys {
		t.Errorf("the worker sends %s, and the matrix has no row for it", key.Name())
	}
}

// page is the matrix as Markdown. A cell that was not played is an error.
func (o *outcomes) page(t *testing.T) string {
	var b strings.Builder
	b.WriteString(pageHead)
	cells := 0
	for _, row := range theMatrix {
		fmt.Fprintf(&b, "\n## %s\n\n| what happens | %s |\n|---|%s\n", row.row, strings.Join(ways, " | "), strings.Repeat("---|", len(ways)))
		for _, m := range row.mishaps() {
			fmt.Fprintf(&b, "| %s |", m.label())
			for _, way := range ways {
				outcome := o.of[[3]string{row.row, m.what, way}]
				if outcome == "" {
					t.Errorf("blank: %s, %s, %s", row.row, m.what, way)
				}
				fmt.Fprintf(&b, " %s |", strings.ReplaceAll(outcome, "|", `\|`))
				cells++
			}
			b.WriteString("\n")
		}
	}
	fmt.Fprintf(&b, "\n%d requests, %d cells.\n", len(theMatrix), cells)
	return b.String()
}

const pageHead = `# What becomes of the worker when one request goes wrong

Written by ` + "`go test ./cmd/internal/fleet -run TestFaultMatrix -update`" + `; without ` + "`-update`" + ` the same test plays every cell of it in virtual time and
compares. One request goes wrong, once. Whatever the cell says, after it the topics were held against the service: nothing lost,
nothing twice, ` + "`completeThrough`" + ` honest and beyond the moment of the mishap, the request budget kept.

- *goes on*: in the same session, as if nothing had been;
- *asks again*: the service, after a pause;
- *recovers*: the session is over; the next one takes a new producer epoch, reads the state from its topic, and works;
- *steps back*: stands by first, because another worker may hold the lease;
- *its successor recovers*: the process was killed at that moment, and another one started;
- *exit 1*: ends with this text. The test then starts another worker, as an orchestrator would.

An error code marked † is one that the protocol calls retriable. With LEASE=on, the worker of these cells is the only one of its account.
`

func (m mishap) label() string {
	if m.code != nil && m.code.Retriable {
		return m.what + " †"
	}
	return m.what
}

// compare tells the lines that differ from the page in the repository.
func (o *outcomes) compare(t *testing.T, page string) {
	want, err := os.ReadFile(matrixPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) == page {
		return
	}
	was, is := strings.Split(string(want), "\n"), strings.Split(page, "\n")
	for i := range max(len(was), len(is)) {
		var a, b string
		if i < len(was) {
			a = was[i]
		}
		if i < len(is) {
			b = is[i]
		}
		if a != b {
			t.Errorf("%s line %d:\n%s\nis now (-update writes it):\n%s", matrixPage, i+1, a, b)
		}
	}
}

// TestMatrixKnowsEveryError: every error of the protocol is a column of some row, or stands among those that no request of
// the worker is answered with.
func TestMatrixKnowsEveryError(t *testing.T) {
	known := map[*kerr.Error]string{}
	for _, row := range theMatrix {
		for _, code := range row.codes {
			known[code] = row.row
		}
	}
	for where, list := range elsewhere {
		for _, code := range list {
			if row := known[code]; row != "" {
				t.Errorf("%s is in the row %s and belongs to %s", code.Message, row, where)
			}
			known[code] = where
		}
	}
	for code := int16(1); code < 1000; code++ {
		if e := kerr.TypedErrorForCode(code); e.Code == code && known[e] == "" {
			t.Errorf("%s is in no row, and not among those that belong elsewhere", e.Message)
		}
	}
}
