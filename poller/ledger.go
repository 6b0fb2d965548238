package poller

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/convstream/convstream/poller/smartassist"
)

// Ledger is the small part of the State: a value, written whole with every commit.
type Ledger struct {
	Sequence int64     // of the last commit; 0 before the first
	From     time.Time // the wanted range begins here; zero until the service's clock is known
	// Reach is how far back the memory reaches. Nothing before it is ever read again, whatever settings and clocks say: it would
	// be published anew.
	Reach    time.Time
	Horizon  Kept
	Asked    string // hash of what is asked for; the coverage holds for this only
	Changes  int    // how often it changed
	Coverage Coverage
	Failing  []Failing // windows that could not be read, in order of time
	Density  Density
	Paging   Paging
	PagingOf string // hash of the configuration under which Paging was learned
	// Remembered is how many entries Seen has with this ledger; -1 where a ledger of an early version does not say it.
	// A State that was restored with fewer of them has lost some.
	Remembered int
	Ignored    [][]string // the lists of pointers that fingerprints were made without
	Learned    Learned
	Redaction  string    // how rows were redacted when it was written, as a hash; "": not at all
	LastRow    time.Time // when a read last brought a new conversation; zero while none has
	Passes     []Pass    // backfills, and audits, which are not stored; in the order in which they were asked for
	LastPass   int64     // the ID of the last of them
	Accepted   []Acceptance
	// Assumptions is what was found out about the service.
	Assumptions Assumptions
}

// Selection names what the coverage holds for: the hash of what is asked for, and after a change also the number of the
// change. What is asked for may change back; completeThrough of the selection must not go back with it.
func (l *Ledger) Selection() string {
	if l.Changes == 0 {
		return l.Asked
	}
	return fmt.Sprintf("%s.%d", l.Asked, l.Changes)
}

// reselect begins the coverage anew, since something else is asked for: where the old one ends, so that nothing is lost
// between the two, and as much earlier as changes are looked for and the memory reaches. The service's clock is not known yet, and
// ours may be ahead: what was read last counts as well.
func (l *Ledger) reselect(horizon time.Duration, now time.Time) {
	last := earlier(now.UTC().Truncate(time.Second), l.Coverage.End())
	from := earlier(l.Coverage.Through(l.From), last.Add(-horizon))
	l.From, l.Coverage, l.Failing = later(later(l.From, from), l.Reach), Coverage{}, nil
	l.Changes++
	l.restartPasses()
}

// ignore returns the lists of pointers that fingerprints were made without, with the one that is configured, which is noted.
func (l *Ledger) ignore(configured smartassist.Ignore) prints {
	now := slices.IndexFunc(l.Ignored, func(list []string) bool { return slices.Equal(list, configured.Pointers()) })
	if now < 0 {
		// Of more than there is room for, the first is forgotten: its contents are published once more if they show.
		l.Ignored = slices.Clone(l.Ignored)
		if now = len(l.Ignored); now == mostLists {
			now = 0
			l.Ignored[0] = configured.Pointers()
		} else {
			l.Ignored = append(l.Ignored, configured.Pointers())
		}
	}
	p := prints{current: uint8(now)}
	for _, list := range l.Ignored {
		compiled, err := smartassist.ParseIgnore(list)
		if err != nil { // another version's: nothing is like it
			compiled = configured
		}
		p.lists = append(p.lists, compiled)
	}
	return p
}

// ledgerText is the Ledger as JSON: an operator may want to read it.
type ledgerText struct {
	Format   int       `json:"format"`
	Sequence int64     `json:"sequence"`
	From     int64     `json:"from"` // Unix seconds, as all instants here
	Asked    string    `json:"asked"`
	Changes  int       `json:"changes"`
	Coverage Coverage  `json:"coverage"` // see Stretch.numbers
	Failing  []Failing `json:"failing,omitzero"`
	Reach    int64     `json:"reach,omitzero"`
	Horizon  int64     `json:"horizon,omitzero"` // seconds
	Lower    int64     `json:"lower,omitzero"`
	Density  Density   `json:"density"`
	Paging   Paging    `json:"paging"`
	PagingOf string    `json:"pagingOf"`

	Remembered  *int         `json:"remembered,omitempty"`
	Ignored     [][]string   `json:"ignored,omitzero"`
	Learned     Learned      `json:"learned,omitzero"`
	LastRow     int64        `json:"lastRow,omitzero"`
	Redaction   string       `json:"redaction,omitzero"`
	Passes      []Pass       `json:"passes,omitzero"`
	LastPass    int64        `json:"lastPass,omitzero"`
	Accepted    []Acceptance `json:"accepted,omitzero"`
	Assumptions Assumptions  `json:"assumptions,omitzero"`
}

func (l Ledger) encode() []byte {
	text := ledgerText{
		Format: ledgerFormat, Sequence: l.Sequence, From: seconds(l.From), Asked: l.Asked, Changes: l.Changes,
		Density: l.Density, Paging: l.Paging, PagingOf: l.PagingOf, Remembered: &l.Remembered,
		Failing: l.Failing, Reach: seconds(l.Reach), Horizon: int64(l.Horizon.Kept.Seconds()), Lower: seconds(l.Horizon.Lower),
		Ignored: l.Ignored, Learned: l.Learned, LastRow: seconds(l.LastRow), Redaction: l.Redaction,
		Coverage: l.Coverage, LastPass: l.LastPass, Accepted: l.Accepted, Assumptions: l.Assumptions,
	}
	text.Passes = slices.DeleteFunc(slices.Clone(l.Passes), func(p Pass) bool { return p.Reason == Audit })
	value, err := json.Marshal(text)
	if err != nil {
		panic(err) // numbers and strings of our own only
	}
	return value
}

func (l *Ledger) restore(value []byte) error {
	var text ledgerText
	if err := json.Unmarshal(value, &text); err != nil {
		return fmt.Errorf("state ledger: %w; %s", err, remedy)
	}
	if text.Format > ledgerFormat {
		return fmt.Errorf("state ledger: format %d, this version knows up to %d; %w", text.Format, ledgerFormat, ErrNewer)
	}
	*l = Ledger{
		Sequence: text.Sequence, From: unix(text.From), Asked: text.Asked, Changes: text.Changes,
		Density: text.Density, Paging: text.Paging, PagingOf: text.PagingOf, Remembered: -1,
		Failing: text.Failing, Reach: unix(text.Reach), Horizon: Kept{time.Duration(text.Horizon) * time.Second, unix(text.Lower)},
		Ignored: text.Ignored, Learned: text.Learned, LastRow: unix(text.LastRow), Redaction: text.Redaction,
		Coverage: text.Coverage, Passes: text.Passes, LastPass: text.LastPass, Accepted: text.Accepted, Assumptions: text.Assumptions,
	}
	if text.Remembered != nil {
		l.Remembered = *text.Remembered
	}
	return l.Validate()
}

// numbers returns the stretch as the ledger holds it: start, end, read at, number of the cause; 1 if something of it is withheld; and of
// one that could not be read whole 1 if it is accepted, since when, rows.
func (s Stretch) numbers() []int64 {
	out := []int64{s.Start.Unix(), s.End.Unix(), s.ReadAt.Unix(), int64(max(0, slices.Index(causes, s.Partial)))}
	if s.Withheld || s.Partial != "" {
		out = append(out, oneIf(s.Withheld))
	}
	if s.Accepted || !s.Since.IsZero() || s.Rows > 0 {
		out = append(out, oneIf(s.Accepted), seconds(s.Since), int64(s.Rows))
	}
	return out
}

func oneIf(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func stretchOf(n []int64) (s Stretch, err error) {
	if len(n) < 4 || n[3] < 0 || int(n[3]) >= len(causes) {
		return s, fmt.Errorf("a stretch of the coverage is %d", n)
	}
	s = Stretch{Window: Window{unix(n[0]), unix(n[1])}, ReadAt: unix(n[2]), Partial: causes[n[3]], Withheld: len(n) > 4 && n[4] != 0}
	if len(n) > 7 {
		s.Accepted, s.Since, s.Rows = n[5] != 0, unix(n[6]), int(n[7])
	}
	return s, nil
}

// MarshalJSON implements json.Marshaler.
func (c Coverage) MarshalJSON() ([]byte, error) {
	var text [][]int64
	for _, s := range c.stretches {
		text = append(text, s.numbers())
	}
	return json.Marshal(text)
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *Coverage) UnmarshalJSON(b []byte) error {
	var text [][]int64
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	*c = Coverage{}
	for _, numbers := range text {
		s, err := stretchOf(numbers)
		if err != nil {
			return err
		}
		c.stretches = append(c.stretches, s)
	}
	return nil
}

func (c Coverage) validate() error {
	var end time.Time
	for _, s := range c.stretches {
		if s.Empty() || s.Start.Before(end) {
			return fmt.Errorf("state ledger: the coverage is out of order at %v; %s", s.Window, remedy)
		}
		end = s.End
	}
	return nil
}

// Validate reports what of the ledger cannot be: it was damaged, or a program of ours is wrong.
func (l *Ledger) Validate() error {
	if err := l.Coverage.validate(); err != nil {
		return err
	}
	for _, p := range l.Passes {
		if p.Empty() || p.ID <= 0 {
			return fmt.Errorf("state ledger: backfill %d is of %v; %s", p.ID, p.Window, remedy)
		}
		if err := p.Read.validate(); err != nil {
			return err
		}
	}
	for _, f := range l.Failing {
		if f.Empty() || f.Window != Span(f.Start, f.End) {
			return fmt.Errorf("state ledger: a failing window is %v; %s", f.Window, remedy)
		}
	}
	if l.Sequence < 0 || l.Changes < 0 || l.Horizon.Kept < 0 {
		return fmt.Errorf("state ledger: a number is negative; %s", remedy)
	}
	return nil
}

// seconds returns the instant as the ledger holds it: Unix seconds, 0 for the zero time.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func unix(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}
