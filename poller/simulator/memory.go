package simulator

import (
	"iter"
	"slices"
	"time"
)

// memory is what left the service: hashes, not texts. A content is hashed when it
// is served for the first time; its row's id and variant then stand for it.
type memory struct {
	rows map[uint64]*servedRow // by row.id
	dead map[Key]*servedRow    // rows that cannot be a conversation, by text
}

type servedRow struct {
	key      Key
	contents []servedContent
}

type servedContent struct {
	hash        uint64
	first, last int64
	variant     variant
	times       int32
}

func newMemory() memory {
	return memory{rows: map[uint64]*servedRow{}, dead: map[Key]*servedRow{}}
}

// remember counts a page and keeps what it showed.
func (s *Service) remember(p *written, v view, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Pages++
	s.stats.Rows += len(p.rows)
	s.stats.Bytes += int64(len(p.body))
	if s.config.Forgetful {
		return
	}
	for i := range p.rows {
		p.rows[i].shown = s.rememberRow(&p.rows[i], v, now)
	}
}

func (s *Service) rememberRow(wr *writtenRow, v view, now int64) AnsweredRow {
	known := s.memory.rows[wr.row.id]
	if known != nil && !wr.broken {
		if hash, again := known.again(v.variant(wr.stage), now); again {
			return AnsweredRow{Key: known.key, Hash: hash}
		}
	}
	key, dead := s.key(wr.row, wr.raw)
	var of Key
	if wr.broken {
		of = key
		key, dead = KeyOf(wr.raw)
	}
	hash := ContentHash(wr.raw)
	if dead {
		known = s.memory.dead[key]
	}
	if known == nil {
		known = &servedRow{key: key}
	}
	known.add(hash, v.variant(wr.stage), now)
	if dead {
		s.memory.dead[key] = known
	} else {
		s.memory.rows[wr.row.id] = known
	}
	return AnsweredRow{Key: key, Dead: dead, Hash: hash, Of: of}
}

// again counts one more answer with a variant that is known, and gives its hash.
func (r *servedRow) again(v variant, now int64) (hash uint64, known bool) {
	for i := range r.contents {
		if c := &r.contents[i]; c.variant == v {
			c.last = max(c.last, now)
			c.times++
			return c.hash, true
		}
	}
	return 0, false
}

// add counts an answer by its hash: two stages of a row may read the same.
func (r *servedRow) add(hash uint64, v variant, now int64) {
	for i := range r.contents {
		if c := &r.contents[i]; c.hash == hash {
			c.last, c.variant = max(c.last, now), v
			c.times++
			return
		}
	}
	r.contents = append(r.contents, servedContent{hash: hash, variant: v, first: now, last: now, times: 1})
}

// Served is every row that left the service since it was made, with its contents,
// in no particular order. It sees the memory as it was when the loop began.
func (s *Service) Served() iter.Seq[ServedRow] {
	return func(yield func(ServedRow) bool) {
		for _, r := range s.memoryCopy() {
			if !yield(r) {
				return
			}
		}
	}
}

func (s *Service) memoryCopy() []ServedRow {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]ServedRow, 0, len(s.memory.rows)+len(s.memory.dead))
	for _, r := range s.memory.rows {
		out = append(out, r.export(false))
	}
	for _, r := range s.memory.dead {
		out = append(out, r.export(true))
	}
	return out
}

func (r *servedRow) export(dead bool) ServedRow {
	out := ServedRow{Key: r.key, Dead: dead}
	for _, c := range r.contents {
		out.Contents = append(out.Contents, Content{Hash: c.hash, Times: int(c.times),
			First: time.UnixMilli(c.first).UTC(), Last: time.UnixMilli(c.last).UTC()})
	}
	slices.SortStableFunc(out.Contents, func(a, b Content) int { return a.First.Compare(b.First) })
	return out
}
