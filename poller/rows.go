package poller

import "github.com/convstream/convstream/poller/smartassist"

// rowSet is a list of rows in which each stands once, with the content that came last. Two different rows of one key in one page
// are two rows: neither is an earlier content of the other.
type rowSet struct {
	list []smartassist.Row
	at   map[rowKey][]int // where the rows of a key stand
	// bytes is how much text they are.
	bytes int
}

// add adds the rows of a page.
func (s *rowSet) add(page []smartassist.Row) {
	if s.at == nil {
		s.at = make(map[rowKey][]int, len(page))
	}
	here := make(map[rowKey]bool, len(page)) // keys that this page has shown
	for _, row := range page {
		key := keyOfRow(row)
		switch i, same := s.find(key, row); {
		case same:
		case i >= 0 && !here[key] && len(s.at[key]) == 1:
			s.list[i] = row // a newer content
		default:
			s.at[key] = append(s.at[key], len(s.list))
			s.list = append(s.list, row)
			s.bytes += len(row.Raw)
		}
		here[key] = true
	}
}

// find returns where a row of the key stands, -1 for nowhere; the one that says the same, if there is one.
func (s *rowSet) find(key rowKey, row smartassist.Row) (i int, same bool) {
	i = -1
	for _, i = range s.at[key] {
		if sameContent(s.list[i], row) {
			return i, true
		}
	}
	return i, false
}

func sameContent(a, b smartassist.Row) bool {
	return a.Fingerprint(smartassist.Ignore{}) == b.Fingerprint(smartassist.Ignore{})
}
