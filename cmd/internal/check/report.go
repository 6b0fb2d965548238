package check

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/convstream/convstream/cmd/internal/show"
)

// State is how a probe ended.
type State string

// Warn is for what works and may not be meant; Skip for what was not tried, because of another probe that failed.
const (
	OK   State = "ok"
	Warn State = "warn"
	Fail State = "fail"
	Skip State = "skip"
)

// Area is what a probe is about.
type Area string

// The areas, in the order in which they are reported.
const (
	Configuration Area = "configuration"
	Service       Area = "service"
	Brokers       Area = "brokers"
	Topics        Area = "topics"
	Rights        Area = "rights"
	Transactions  Area = "transactions"
	Group         Area = "group"
	Registry      Area = "registry"
)

// Line is what is said of one thing.
type Line struct {
	Area    Area   `json:"area"`
	Subject string `json:"subject"`           // "login", a broker's address, a topic
	Account string `json:"account,omitempty"` // what concerns one account alone
	State   State  `json:"state"`
	Says    string `json:"says"`
	Do      string `json:"do,omitempty"` // what to do about it: words, or a command
}

// Report is all that was tried.
type Report struct{ Lines []Line }

func (r Report) count(s State) (n int) {
	for _, l := range r.Lines {
		if l.State == s {
			n++
		}
	}
	return n
}

// Failed is how many probes failed.
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

// widest is as far as a column is aligned: names that are longer push the rest of their line.
const widest = 48

// Text writes the report for people: a line for each probe, aligned, under what failed what to do.
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

// joined are the lines for people: what is to be done about several things at once, in the same way, is said once.
func (r Report) joined() (lines []Line) {
	also := map[Line]int{} // what is said, less of what, to its place in lines
	count := map[int]int{}
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

// about is the area, with the account that it is about where there are several.
func (l Line) about() string { return strings.TrimSpace(string(l.Area) + " " + l.Account) }

// oneLine is text for a terminal: names of brokers and certificates are what others have written.
func oneLine(text string) string { return show.Text(strings.Join(strings.Fields(text), " ")) }

// Summary is one line.
func (r Report) Summary() string {
	return fmt.Sprintf("%d ok, %d warn, %d FAIL, %d skip", r.count(OK), r.count(Warn), r.Failed(), r.count(Skip))
}
