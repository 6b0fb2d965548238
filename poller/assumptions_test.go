package poller

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// noon is when all answers of these tests come; windows end there.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// made is a row that starts so many seconds before noon: a contact, or a bot's where bot. Its sessionId says the start plus ahead.
func made(before int, bot bool, ahead time.Duration) smartassist.Row {
	start := noon.Add(-time.Duration(before) * time.Second)
	id := ""
	if !bot {
		id = fmt.Sprintf(`"conversationId":"c-%d",`, before)
	}
	return smartassist.ParseRow(fmt.Appendf(nil, `{%s"sessionId":"%08x%016x","sessionStartTime":%q}`,
		id, start.Add(ahead).Unix(), before, start.Format("2006-01-02T15:04:05")))
}

// contacts are n contacts, the newest first, of which the first starts so many seconds before noon.
func contactsFrom(before, n int) (rows []smartassist.Row) {
	for i := range n {
		rows = append(rows, made(before+i, false, 0))
	}
	return rows
}

// asked is an answer about the hour before noon, of 100 rows a page.
func asked(offset int, rows []smartassist.Row) answer {
	return answer{
		query: smartassist.Query{Start: noon.Add(-time.Hour), End: noon, Limit: 100, Offset: offset},
		page:  smartassist.Page{Rows: rows}, usual: true, at: noon, reason: Gap,
	}
}

// values are the values of all assumptions by name.
func values(a Assumptions) map[string]string {
	out := map[string]string{}
	for _, one := range a.list(Paging{}, Clock{}) {
		out[one.Name] = one.Value
	}
	return out
}

// TestAssumptions: each value by the pages that show it; a value changes once, after as many pages as it takes.
func TestAssumptions(t *testing.T) {
	page0 := asked(0, contactsFrom(60, 100))
	byRows, byPages := asked(1, contactsFrom(61, 100)), asked(1, contactsFrom(160, 100))
	mixed := append([]smartassist.Row{made(900, true, 0), made(800, true, 0), made(700, true, 0), made(650, true, 0)}, contactsFrom(60, 96)...)
	zone := func(by time.Duration) answer {
		var rows []smartassist.Row
		for i := range 10 {
			rows = append(rows, made(60+i, false, -by))
		}
		return asked(0, rows)
	}
	short, none := asked(0, contactsFrom(60, 7)), asked(7, nil)
	failed := func(s answer, status int) answer {
		s.err = &smartassist.Error{Kind: smartassist.Temporary, Status: status}
		if status == 400 {
			s.err = &smartassist.Error{Kind: smartassist.Refused, Status: status}
		}
		s.after.FailsBehind = status >= 500
		return s
	}
	day := asked(0, append(contactsFrom(-7200, 6), contactsFrom(60, 2)...))
	proof := func(found bool) answer {
		s := none
		s.after = Paging{Examined: true, Proven: 7}
		if found {
			s.after = Paging{ShortUnsafe: true, ProbesFailed: 1}
		}
		return s
	}
	beyond := func(s answer, capped bool) answer {
		s.query.Offset = 99
		s.after.BeyondCap, s.after.Capped = !capped, capped
		return s
	}
	half := func(offset int) answer {
		s := asked(offset, contactsFrom(60+50*offset, 50))
		s.after.Unit = UnitPages
		return s
	}
	var halves []answer
	for i := range 6 {
		halves = append(halves, half(i))
	}
	more := asked(0, append(mixed, contactsFrom(200, 60)...))
	for name, c := range map[string]struct {
		first, then []answer // repeated as often as it takes
		was, is     string
	}{
		"unit of offset":   {[]answer{page0, byRows}, []answer{page0, byPages}, "rows", "pages"},
		"cap of offset":    {[]answer{page0, beyond(byRows, false)}, []answer{page0, failed(beyond(byRows, false), 400)}, "none", "10"},
		"short pages":      {[]answer{proof(false)}, []answer{proof(true)}, "last", "not always last"},
		"order of rows":    {[]answer{page0}, []answer{asked(0, reversed(contactsFrom(60, 100)))}, "contacts descending", "contacts ascending"},
		"clock":            {[]answer{dated(0)}, []answer{dated(-2 * time.Hour)}, "same", "behind"},
		"time zone":        {[]answer{zone(0)}, []answer{zone(5*time.Hour + 30*time.Minute)}, "UTC", "UTC+05:30"},
		"limit per source": {[]answer{asked(0, mixed)}, []answer{more}, "no", "yes"},
		"clamp":            {[]answer{page0}, halves, "none", "50 rows"},
		"time of day":      {[]answer{page0}, []answer{day}, "counts", "ignored"},
		"behind the end":   {[]answer{short, none}, []answer{short, failed(none, 503)}, "empty page", "error"},
	} {
		t.Run(name, func(t *testing.T) {
			var a Assumptions
			if v := values(a)[name]; v != NotKnown {
				t.Fatalf("%q before anything was seen", v)
			}
			if changes := play(&a, c.first); changes != 0 || values(a)[name] != c.was {
				t.Errorf("%q, want %q, after %d changes", values(a)[name], c.was, changes)
			}
			if changes := play(&a, c.then); changes == 0 || values(a)[name] != c.is {
				t.Errorf("%q, want %q, after %d changes", values(a)[name], c.is, changes)
			}
			if changes := play(&a, c.then); changes != 0 || values(a)[name] != c.is {
				t.Errorf("%q, want %q, and %d changes with more of the same", values(a)[name], c.is, changes)
			}
		})
	}
}

// reversed returns the rows in the opposite order.
func reversed(rows []smartassist.Row) (out []smartassist.Row) {
	for i := range rows {
		out = append(out, rows[len(rows)-1-i])
	}
	return out
}

// dated is an empty page of a service whose clock is ahead by so much.
func dated(ahead time.Duration) answer {
	s := asked(0, nil)
	s.page.Date = noon.Add(ahead)
	return s
}

// play takes in the answers of a read five times, and counts the changes.
func play(a *Assumptions, answers []answer) (changes int) {
	for range 5 {
		var met pagesMet
		for _, s := range answers {
			clock, _ := clockOf(s.page, s.at)
			if one, other := a.answered(s, &met), a.clocked(clock, s.at); one || other {
				changes++
			}
		}
	}
	return changes
}

// TestBounds: rows at the bounds of whole windows tell whether they belong to them; those of a second read of the same window do not.
func TestBounds(t *testing.T) {
	for name, at := range map[string][]int{"inclusive": {0, 1, 3599, 3600}, "exclusive": {1, 3599}, "start inclusive, end exclusive": {1, 3599, 3600}} {
		var rows []smartassist.Row
		for _, before := range at {
			rows = append(rows, made(before, false, 0))
		}
		var a Assumptions
		page := asked(0, rows)
		page.reason = Reread
		for range 2 {
			for range boundsLot {
				a.answered(page, &pagesMet{})
			}
			if got := values(a)["bounds"]; page.reason == Reread && got != NotKnown || page.reason == Gap && got != name {
				t.Errorf("%s: %q", name, got)
			}
			page.reason = Gap
		}
	}
}

// TestUnitTold: pages that could be either do not tell what an offset counts.
func TestUnitTold(t *testing.T) {
	first := contactsFrom(60, 100)
	for name, c := range map[string]struct {
		rows          []smartassist.Row
		offset, limit int
		want          Unit
	}{
		"the last row again":                 {contactsFrom(159, 100), 99, 100, UnitRows},
		"nothing of it, at the last row":     {contactsFrom(160, 100), 99, 100, UnitUnknown},
		"a page that is linked by its limit": {contactsFrom(159, 99), 1, 99, UnitPages},
		"rows have come meanwhile":           {append(contactsFrom(58, 2), contactsFrom(60, 98)...), 2, 100, UnitRows},
		"no row":                             {nil, 1, 100, UnitPages},
		"no row, where a cap may be":         {nil, 99, 100, UnitUnknown},
		"behind the page":                    {contactsFrom(160, 100), 100, 100, UnitUnknown},
		"all of another":                     {contactsFrom(160, 3), 5, 100, UnitPages},
	} {
		if got := unitBy(first, c.rows, c.offset, c.limit); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestAssumptionsAreKept: with the ledger, as they are, and small; a ledger without them is read.
func TestAssumptionsAreKept(t *testing.T) {
	var a Assumptions
	play(&a, []answer{asked(0, contactsFrom(60, 100)), asked(1, contactsFrom(61, 100)), dated(0)})
	text := Ledger{Sequence: 1, Assumptions: a}.encode()
	var back Ledger
	if err := back.restore(text); err != nil || back.Assumptions != a {
		t.Errorf("%v: %+v, was %+v", err, back.Assumptions, a)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil || len(fields["assumptions"]) == 0 || len(fields["assumptions"]) > 1500 {
		t.Errorf("%v: %d bytes: %s", err, len(fields["assumptions"]), fields["assumptions"])
	}
	if text := (Ledger{Sequence: 1}).encode(); strings.Contains(string(text), "assumptions") {
		t.Errorf("a ledger without: %s", text)
	}
}

// TestAssumptionsInWords: with numbers, and nothing of a row.
func TestAssumptionsInWords(t *testing.T) {
	var a Assumptions
	for range 12 {
		play(&a, []answer{asked(0, contactsFrom(60, 100)), asked(1, contactsFrom(61, 21)), dated(3 * time.Second)})
	}
	said := map[string]Assumption{}
	for _, one := range a.list(Paging{BeyondCap: true, FailsBehind: true}, Clock{3 * time.Second, true}) {
		said[one.Name] = one
		if one.Effect == "" || one.Evidence == "" || strings.Contains(one.Evidence, "c-60") {
			t.Errorf("%+v", one)
		}
		if (one.Value == NotKnown) != strings.HasPrefix(one.Evidence, "not seen yet: ") {
			t.Errorf("%+v", one)
		}
	}
	page, err := os.ReadFile("../deploy/OPERATIONS.md")
	for name := range said {
		if err != nil || !strings.Contains(string(page), "| "+name+" |") {
			t.Errorf("%v: the operator's page does not explain %q", err, name)
		}
	}
	for name, want := range map[string]string{
		"time zone":      "7,260 of 7,260 rows start within 2 s of their sessionId's time",
		"unit of offset": "60 of 60 pages at an offset show the rows of that reading",
		"clock":          "it was so in 60 of 60 answers; the last bore a time 3s from this machine's",
		"cap of offset":  "found before this was counted",
		"behind the end": "found before this was counted",
	} {
		if said[name].Evidence != want {
			t.Errorf("%s: %q, want %q", name, said[name].Evidence, want)
		}
	}
	if z := said["time zone"]; !z.Since.Equal(noon) || !z.Checked.Equal(noon) || z.Hint != "" {
		t.Errorf("%+v", z)
	}
}

// TestObservingIsCheap: it allocates nothing, whatever is on the page.
func TestObservingIsCheap(t *testing.T) {
	var a Assumptions
	var met pagesMet
	page, next := asked(0, contactsFrom(60, 100)), asked(99, contactsFrom(159, 100))
	if n := testing.AllocsPerRun(100, func() { a.answered(page, &met); a.answered(next, &met) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	var a Assumptions
	var met pagesMet
	page := asked(0, contactsFrom(60, 100))
	for b.Loop() {
		a.answered(page, &met)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/row")
}
