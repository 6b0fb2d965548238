package cadence

import (
	"flag"
	"fmt"
	"strings"
	"testing"
)

var (
	full = flag.Bool("tables", false, "TestTables plays every case and prints the tables, instead of short cases")
	seed = flag.Uint64("seed", 1, "of TestTables: decides every conversation")
)

// TestTables plays the cases and prints what was measured; see the package comment.
func TestTables(t *testing.T) {
	if !*full {
		for _, trial := range short() {
			t.Run(trial.name, func(t *testing.T) { within(t, trial.play(t, *seed)) })
		}
		return
	}
	list := []*table{catchingUp(), live()}
	for _, table := range list {
		for _, trial := range table.trials {
			t.Run(trial.name, func(t *testing.T) {
				lines := table.of(trial.play(t, *seed))
				table.lines = append(table.lines, lines...)
				t.Log("\n" + strings.Join(lines, "\n"))
			})
		}
	}
	for _, table := range list {
		table.print()
	}
}

// table is one of the tables: a line a span of a trial.
type table struct {
	title   string
	columns []column
	trials  []trial
	lines   []string
}

// column is a figure, and beside it, where one of the trials says it, what is wanted of it.
type column struct {
	title string
	value func(outcome, *span) string
}

// wanted reports whether a trial says what is wanted of the column.
func (b *table) wanted(c column) bool {
	for _, t := range b.trials {
		if t.want[c.title] != "" {
			return true
		}
	}
	return false
}

// of is the outcome's lines.
func (b *table) of(o outcome) (lines []string) {
	for _, s := range o.spans {
		cells := []string{o.name + ": " + o.about, s.name}
		for _, c := range b.columns {
			cells = append(cells, c.value(o, s))
			if b.wanted(c) {
				cells = append(cells, o.want[c.title])
			}
		}
		lines = append(lines, line(cells))
	}
	return lines
}

func (b *table) print() {
	if len(b.lines) == 0 {
		return
	}
	titles := []string{"case", "measured"}
	for _, c := range b.columns {
		titles = append(titles, c.title)
		if b.wanted(c) {
			titles = append(titles, "want")
		}
	}
	fmt.Printf("\n### %s\n\n%s\n%s\n%s\n", b.title, line(titles), strings.Repeat("|---", len(titles))+"|", strings.Join(b.lines, "\n"))
}

func line(cells []string) string { return "| " + strings.Join(cells, " | ") + " |" }
