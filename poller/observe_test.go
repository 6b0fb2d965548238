package poller

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/poller/smartassist"
)

// observing is a Poller that only observes, what it logs, and what it is to observe in one read after the other.
func observing() (*Poller, *bytes.Buffer, func(...answer)) {
	var log bytes.Buffer
	p := New(Config{PageLimit: 100, Now: func() time.Time { return noon }, Log: zerolog.New(&log)}, nil, nil, &State{Account: "a"})
	return p, &log, func(answers ...answer) {
		r := &reading{task: Task{Reason: Gap}}
		for _, s := range answers {
			s.before = p.reader.Paging
			p.observe(r, s)
		}
	}
}

// TestZoneThatIsNotUTC: is warned of once, at the first sight, and has a hint as long as it lasts; it is no change.
func TestZoneThatIsNotUTC(t *testing.T) {
	p, log, read := observing()
	var rows []smartassist.Row
	for i := range 10 {
		rows = append(rows, made(60+i, false, 7*time.Hour))
	}
	for range 5 {
		read(asked(0, rows))
	}
	if n := strings.Count(log.String(), `"zone":"UTC-07:00"`); n != 1 || strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "timeZoneOffset 0") {
		t.Errorf("warned %d times:\n%s", n, log)
	}
	p.publishStatus(noon)
	for _, a := range p.Status().Assumptions {
		if zone := a.Name == "time zone"; zone != (a.Hint != "") || zone && a.Evidence != "50 of 50 rows start as far from their sessionId's time, which is UTC, as this zone's clocks are" {
			t.Errorf("%+v", a)
		}
	}
	if len(p.pending.batches) != 0 {
		t.Errorf("events: %+v", p.pending.batches)
	}
	for i := range rows {
		rows[i] = made(60+i, false, 0)
	}
	for range 5 {
		read(asked(0, rows))
	}
	if b := p.pending.batches; len(b) != 1 || *b[0].Event != (Event{Kind: AssumptionChanged, Detail: "time zone: UTC, was UTC-07:00"}) || !p.pending.urgent() {
		t.Errorf("events: %+v", b)
	}
}

// TestAnotherUnitIsFoundOutAnew: where the answers show it, and where a page cannot be as it is by the unit that is known.
func TestAnotherUnitIsFoundOutAnew(t *testing.T) {
	p, log, read := observing()
	page0 := asked(0, contactsFrom(60, 100))
	p.reader.Paging.Unit, p.reader.Paging.BeyondCap = UnitRows, true
	read(page0, asked(99, contactsFrom(159, 100)))
	if p.reader.Paging.Unit != UnitRows || log.Len() > 0 {
		t.Errorf("%+v\n%s", p.reader.Paging, log)
	}
	read(page0, asked(99, nil)) // row 99 would show again
	if p.reader.Paging.Unit != UnitUnknown || p.reader.Paging.BeyondCap || log.Len() > 0 {
		t.Errorf("after a doubt: %+v\n%s", p.reader.Paging, log)
	}
	read(page0, asked(1, contactsFrom(160, 100)))
	if !strings.Contains(log.String(), `"assumption":"unit of offset","before":"rows","now":"pages"`) || len(p.pending.batches) != 1 {
		t.Errorf("%d events\n%s", len(p.pending.batches), log)
	}
	p.reader.Paging.Unit = UnitPages
	for range 2 {
		read(page0, asked(1, contactsFrom(61, 100)))
	}
	if p.reader.Paging.Unit != UnitUnknown || len(p.pending.batches) != 2 {
		t.Errorf("%+v, %d events\n%s", p.reader.Paging, len(p.pending.batches), log)
	}
}

// TestACapThatCame: has windows made for it, as one that was there from the beginning.
func TestACapThatCame(t *testing.T) {
	p, log, read := observing()
	page0 := asked(0, contactsFrom(60, 100))
	p.reader.Paging.Unit, p.reader.Paging.BeyondCap = UnitRows, true
	read(page0, asked(99, contactsFrom(159, 100)))
	refusal := asked(99, nil)
	refusal.err = &smartassist.Error{Kind: smartassist.Refused, Status: 400}
	for i := range pagesNeed {
		if p.reader.Paging.Capped {
			t.Errorf("after %d refusals", i)
		}
		read(page0, refusal)
	}
	if g := p.reader.Paging; !g.Capped || g.BeyondCap || g.Unit != UnitRows || !strings.Contains(log.String(), `"assumption":"cap of offset","before":"none","now":"10"`) {
		t.Errorf("%+v\n%s", g, log)
	}
}
