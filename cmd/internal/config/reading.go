package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Reading says what is read when, and what of it is published again.
type Reading struct {
	StartFrom         StartFrom
	PollInterval      time.Duration
	Settle            time.Duration
	Reread            []Tier // ages ascending; the last age is the horizon of deduplication
	RereadSpare       bool   // read again beyond what Reread asks for, as far as the budget allows
	Deduplicate       Deduplicate
	DeduplicateIgnore []string // RFC 6901 JSON Pointers, "*" stands for any name or index
}

func (r *Reading) settings() []*setting {
	return []*setting{
		{name: "START_FROM", preset: "24h", value: of(&r.StartFrom, startFrom), check: r.checkStart,
			doc: "first start only: how far back, a duration, or an RFC 3339 instant"},
		{name: "POLL_INTERVAL", preset: "30s", value: between(&r.PollInterval, duration, time.Second, time.Hour),
			doc: "how often the head of the window is read; 1s to 1h"},
		{name: "SETTLE", preset: "2m", value: between(&r.Settle, duration, time.Second, 24*time.Hour),
			doc: "how long after its end a range must be read to count as covered"},
		{name: "REREAD", preset: "1h:5m,6h:30m,48h:6h,168h:24h", value: of(&r.Reread, tiers), check: r.checkReread,
			doc: "`age:cadence` tiers: ranges younger than the age are read again at the cadence, as the budget allows; the largest age is the horizon of deduplication"},
		{name: "REREAD_SPARE", preset: "true", value: of(&r.RereadSpare, boolean),
			doc: "spend what is left of the budget on re-reading where changes are most likely, as learned from the account's own changes, and two re-reads of three where the tiers cannot be held at all; `false`: only what the tiers ask for"},
		{name: "DEDUPLICATE", preset: "revision", value: choice(&r.Deduplicate, ByRevision, ByConversation), check: r.checkDeduplicate,
			doc: "`revision`: publish again when the content changed; `conversation`: each id once, when it is first seen closed or 24 h old"},
		{name: "DEDUPLICATE_IGNORE", value: of(&r.DeduplicateIgnore, list), check: r.checkIgnored,
			doc: "comma-separated JSON Pointers (`*` for any index or name) left out when contents are compared: values that change by themselves"},
	}
}

// Tier is a wish: windows younger than Age are read again every Every, until the next younger tier takes over.
type Tier struct{ Age, Every time.Duration }

// StartFrom says how far back the very first start reads: Ago before now, or from At when At is not zero.
type StartFrom struct {
	Ago time.Duration
	At  time.Time
}

// Time is the instant meant, in UTC.
func (s StartFrom) Time(now time.Time) time.Time {
	if !s.At.IsZero() {
		return s.At.UTC()
	}
	return now.Add(-s.Ago).UTC()
}

// Deduplicate says when a conversation is published again.
type Deduplicate string

// ByRevision publishes a conversation again when its content changed; ByConversation publishes each id once, when it is
// first seen closed or is 24 hours old.
const (
	ByRevision     Deduplicate = "revision"
	ByConversation Deduplicate = "conversation"
)

// firstYear is before the first conversation of any account. The zero time would mean that no instant is set.
const firstYear = 1990

func startFrom(s string) (StartFrom, error) {
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		if at.Year() < firstYear {
			return StartFrom{}, fmt.Errorf("%s lies before %d, when there was no service; expected how far back, like 24h, or an instant since then", quote(s), firstYear)
		}
		return StartFrom{At: at}, nil
	}
	d, err := duration(s)
	switch {
	case err != nil:
		return StartFrom{}, fmt.Errorf("%s is neither a duration like 24h nor an instant like 2026-01-31T00:00:00Z", quote(s))
	case d < 0:
		return StartFrom{}, errors.New("a negative duration would start in the future; expected how far back, like 24h")
	}
	return StartFrom{Ago: d}, nil
}

// tiers reads age:cadence pairs.
func tiers(s string) ([]Tier, error) {
	items, err := list(s)
	if err != nil {
		return nil, err
	}
	tiers := make([]Tier, len(items))
	for i, item := range items {
		age, every, found := strings.Cut(item, ":")
		if !found {
			return nil, fmt.Errorf("%s is not age:cadence, like 1h:5m", quote(item))
		}
		if tiers[i].Age, err = duration(strings.TrimSpace(age)); err != nil {
			return nil, err
		}
		if tiers[i].Every, err = duration(strings.TrimSpace(every)); err != nil {
			return nil, err
		}
	}
	return tiers, nil
}

func (r *Reading) checkStart(p *problems) {
	p.require(r.StartFrom.Ago >= 0, "START_FROM", "expected how far back")
	p.require(!r.StartFrom.At.After(time.Now()), "START_FROM", "%s lies in the future; expected a duration or an instant in the past", r.StartFrom.At.Format(time.RFC3339))
}

func (r *Reading) checkReread(p *problems) {
	p.require(len(r.Reread) > 0, "REREAD", "expected age:cadence,... like 1h:5m,24h:1h")
	var younger time.Duration
	for _, t := range r.Reread {
		p.require(t.Age > younger, "REREAD", "age %v follows %v; expected ages above zero, each greater than the one before", t.Age, younger)
		p.require(t.Every >= time.Second && t.Every <= t.Age, "REREAD", "cadence %v of age %v; expected from 1s to the age", t.Every, t.Age)
		younger = t.Age
	}
	if p.ok("REREAD", "SETTLE") {
		p.require(younger >= r.Settle, "REREAD", "the largest age %v is less than SETTLE %v; nothing would be read again once settled", younger, r.Settle)
	}
}

// dayOld is when a conversation that is still open is published all the same under ByConversation.
const dayOld = 24 * time.Hour

func (r *Reading) checkDeduplicate(p *problems) {
	if r.Deduplicate == ByConversation && p.ok("REREAD") {
		oldest := r.Reread[len(r.Reread)-1]
		p.require(oldest.Age >= dayOld+oldest.Every, "REREAD",
			"DEDUPLICATE=conversation has to see a conversation once more after 24h; expected a largest age of at least %v (24h and its cadence), not %v", dayOld+oldest.Every, oldest.Age)
	}
}

func (r *Reading) checkIgnored(p *problems) {
	for _, pointer := range r.DeduplicateIgnore {
		p.require(jsonPointer.MatchString(pointer), "DEDUPLICATE_IGNORE",
			`%s is not a JSON Pointer; expected one like /metaInfo/score or /destinations/*/queueName, with "~" as ~0 and "/" as ~1`, quote(pointer))
	}
}

// jsonPointer is RFC 6901 without the pointer to the whole document, which would make every row equal.
var jsonPointer = regexp.MustCompile(`^(/([^~/]|~[01])*)+$`)
