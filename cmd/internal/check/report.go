package check

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/convstream/convstream/cmd/internal/show"
)

// State is the outcome of a probe.
type State string

// The outcomes.
const (
	OK   State = "ok"
	Warn State = "warn" // it works, but may not be intended
	Fail State = "fail"
	Skip State = "skip" // not tried, because another probe failed
)

// Area is the subject area of a probe.
type Area string

// The areas, in the order in which they are reported.
const (
	Configuration Area = "configuration"
	Service       Area = "service"
	Brokers       Area = "brokers"
	Topics        Area = "topics"
	Permissions   Area = "permissions"
	Transactions  Area = "transactions"
	Group         Area = "group"
	Lateness      Area = "lateness"
	Registry      Area = "registry"
)

// Line is the result of one probe.
type Line struct {
	Area    Area   `json:"area"`
	Subject string `json:"subject"`           // "login", a broker's address, a topic
	Account string `json:"account,omitempty"` // if it concerns one account only
	State   State  `json:"state"`
	Says    string `json:"says"`
	Do      string `json:"do,omitempty"` // the remedy: a sentence or a command
}

// Report has the results of all probes.
type Report struct{ Lines []Line }

func (r Report) count(s State) (n int) {
	for _, l := range r.Lines {
		if l.State == s {
			n++
		}
	}
	return n
}

// Failed returns the number of probes that failed.
func (r Report) Failed() int { return r.count(Fail) }

// JSON writes the report as one object.
func (r Report) JSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		OK       bool   `json:"ok"`
		Failed   int    `json:"failed"`
		Warnings int    `json:"warnings"`
		Skipped  int    `json:"skipped"`
		Checks   []Line `json:"checks"`
	}{r.Failed() == 0, r.Failed(), r.count(Warn), r.count(Skip), append([]Line{}, r.Lines...)})
}

// widest limits the width of a column; longer names shift the rest of their line.
const widest = 48

// Text writes the report for people: an aligned line for each probe, and its remedy below.
func (r Report) Text(out io.Writer) error {
	var areas, subjects int
	lines := r.shortened()
	for _, l := range lines {
		areas, subjects = max(areas, min(len(l.about()), widest)), max(subjects, min(len(l.Subject), widest))
	}
	var b strings.Builder
	for _, l := range lines {
		state := string(l.State)
		if l.State == Fail {
			state = "FAIL"
		}
		fmt.Fprintf(&b, "%-4s  %-*s  %-*s  %s\n", state, areas, l.about(), subjects, oneLine(l.Subject), oneLine(l.Says))
		if l.Do != "" {
			fmt.Fprintf(&b, "      -> %s\n", oneLine(l.Do))
		}
	}
	_, err := fmt.Fprintf(out, "%s%s\n", b.String(), r.Summary())
	return err
}

// joined returns the lines for people: lines that differ in their subject only are joined, except those that are OK.
func (r Report) joined() (lines []Line) {
	also := map[Line]int{} // index in lines, by line without its subject
	count := map[int]int{} // of the lines that were left out, by index
	for _, l := range r.Lines {
		what := l
		what.Subject = ""
		at, said := also[what]
		if l.State == OK || !said {
			also[what] = len(lines)
			lines = append(lines, l)
			continue
		}
		count[at]++
	}
	for at, more := range count {
		lines[at].Subject += fmt.Sprintf(" and %d more", more)
	}
	return lines
}

// about returns the area and the account.
func (l Line) about() string { return strings.TrimSpace(string(l.Area) + " " + l.Account) }

// oneLine returns text that is safe on a terminal: names of brokers and certificates come from outside.
func oneLine(text string) string { return show.Text(strings.Join(strings.Fields(text), " ")) }

// Summary returns the numbers of lines by state.
func (r Report) Summary() string {
	return fmt.Sprintf("%d ok, %d warn, %d FAIL, %d skip", r.count(OK), r.count(Warn), r.Failed(), r.count(Skip))
}
