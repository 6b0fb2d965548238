package simulator

import (
	"strconv"
	"time"
)

// Answered is a page that left the service whole, for Config.Observe.
type Answered struct {
	From, To time.Time // the window as asked
	Offset   int
	At       time.Time // by the service's clock
	Rows     []AnsweredRow
	// Rest are the rows behind the place where brackets and quotes do not fit any more (see BadSecond): the last of Rows then
	// stands for all of them, as dead as a row of the bytes from the beginning of the broken row to the end of the body.
	Rest []Key
}

// AnsweredRow is a row of such a page: what it is, and the ContentHash of what it said.
type AnsweredRow struct {
	Key  Key
	Dead bool
	Hash uint64
	Of   Key // of a row that BrokenRow broke: what it is when it comes whole
}

func (p *written) answered(q query, at time.Time) Answered {
	a := Answered{From: q.start, To: q.end, Offset: q.offset, At: at}
	for _, r := range p.rows {
		a.Rows = append(a.Rows, r.shown)
	}
	if a.Rest = p.rest; p.rest != nil {
		a.Rows = append(a.Rows, p.marker)
	}
	return a
}

// written is a page as bytes, with the rows of it that are whole in what is sent.
type written struct {
	body   []byte
	cut    int
	rows   []writtenRow
	rest   []Key       // of a page that is torn: the rows behind the tear
	marker AnsweredRow // what stands for them
}

type writtenRow struct {
	row    *row
	stage  stage
	raw    []byte
	broken bool
	shown  AnsweredRow
}

func (s *Service) write(rows []*row, total int, v view, now int64, fault Fault, torn tear) written {
	if body := s.config.Switches.EmptyAs.body(); len(rows) == 0 && body != "" {
		return written{body: []byte(body), cut: len(body) - 1}
	}
	b := append(make([]byte, 0, 64+len(rows)*4096), '{')
	tornAt, tornFrom, certain := -1, 0, 0
	switch s.config.Switches.NumResults {
	case CountPage:
		b = append(strconv.AppendInt(append(b, `"numResults":`...), int64(len(rows)), 10), ',')
	case CountTotal:
		b = append(strconv.AppendInt(append(b, `"numResults":`...), int64(total), 10), ',')
	}
	b = append(b, `"data":[`...)
	p := written{rows: make([]writtenRow, 0, len(rows))}
	for i, r := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		wr := writtenRow{row: r, stage: s.stageAt(r, now)}
		wr.raw = s.rowText(r, v, wr.stage)
		if s.config.Switches.Restyle && r.kind <= assistRow {
			wr.raw = restyle(wr.raw, mix(uint64(now)^r.id))
		}
		if fault == BrokenRow && i == len(rows)/2 {
			wr.raw, wr.broken = breakRow(wr.raw), true
		}
		if r == torn.row {
			wr.raw, tornAt, tornFrom = torn.write(wr.raw), i, len(b)
		}
		if _, dead := s.key(r, wr.raw); tornAt < 0 && !dead {
			certain = i + 1
		}
		b = append(b, wr.raw...)
		p.rows = append(p.rows, wr)
		if fault == CutBody && p.cut == 0 && i >= len(rows)/2 {
			p.cut = len(b) + 1 // what follows is cut: only these rows can have been read
		}
	}
	p.body = append(b, "]}"...)
	if tornAt >= 0 && torn.kind != NoEndBracket && endsIn(p.body[tornFrom:]) { // then it is a bracket that is missing
		return s.write(rows, total, v, now, fault, tear{torn.row, NoEndBracket})
	}
	if fault == CutBody {
		p.sendHalf()
	}
	if tornAt >= 0 && tornAt < len(p.rows) {
		for ; tornAt > certain; tornAt-- { // where a row that is none ends may be a guess: it is behind the tear, too
			tornFrom -= len(p.rows[tornAt-1].raw) + len(",")
		}
		p.tearAt(tornAt, tornFrom, func(r writtenRow) Key { key, _ := s.key(r.row, r.raw); return key })
	}
	return p
}

// sendHalf forgets the rows behind the cut.
func (p *written) sendHalf() {
	if p.cut == 0 {
		p.cut = len(p.body) - 1
		return
	}
	p.rows = p.rows[:len(p.rows)/2+1]
}
