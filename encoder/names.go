package encoder

import "github.com/convstream/convstream/poller/smartassist/rawjson"

// noField is the field of a member that no table knows, and the one before the first.
const noField = -1

// names are the canonical names of a table's fields; a field is known by its index.
type names struct {
	quoted   []string
	byQuoted map[string]int
	byFold   map[string]int // the name in lower case
}

func newNames(n int) names {
	return names{byQuoted: make(map[string]int, n), byFold: make(map[string]int, n)}
}

func (s *names) add(name string) {
	field, quoted := len(s.quoted), `"`+name+`"`
	s.quoted = append(s.quoted, quoted)
	s.byQuoted[quoted], s.byFold[lower(name)] = field, field
}

// find looks a quoted name up.
func (s *names) find(quoted string) (field int, _ spelling) {
	if field, ok := s.byQuoted[quoted]; ok {
		return field, canonical
	}
	decoded, ok := rawjson.Unquote(quoted)
	if !ok {
		return noField, unreadable
	}
	field, ok = s.byFold[lower(decoded)]
	switch {
	case !ok:
		return noField, foreign
	case s.quoted[field] == `"`+decoded+`"`:
		return field, canonical // written with escapes
	}
	return field, variant
}

// sequence remembers which field came behind which in the objects of a table that
// a reader read last. They have their members in much the same order, so that the
// next name need not be looked up, nor even its end be found: it is compared with
// the one that is expected.
type sequence [maxFields + 1]int8

// after returns the field that is expected behind another.
func (s *sequence) after(field int) int { return int(s[field+1]) }

func (s *sequence) learn(before, field int) {
	if field != noField {
		s[before+1] = int8(field)
	}
}
