package audit

import "slices"

// Result is what a comparison found of a row.
type Result string

const (
	// Equal: the newest revision in the topics is what the service shows.
	Equal Result = "equal"
	// Stale: the topics hold the row, and their newest revision says something else.
	Stale Result = "stale"
	// Missing: the topics do not hold the row.
	Missing Result = "missing"
)

// Judge compares a row with the newest revision of it. Several contents are those of which one is the newest, and nobody can tell which.
func (h *Holdings[I, S]) Judge(id I, session S, contents ...uint64) Result {
	newest, ok := h.Newest(id, session)
	switch {
	case !ok:
		return Missing
	case slices.Contains(contents, newest.Content):
		return Equal
	}
	return Stale
}
