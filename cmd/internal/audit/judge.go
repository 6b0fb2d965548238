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
	// Extra: the topics hold the row, and the service does not show it.
	Extra Result = "extra"
	// DeadLetter: what the service shows could not be published, and stands in the topic of dead letters.
	DeadLetter Result = "dead-letter"
	// Withheld: the row is open, and is published once it is closed or a day old.
	Withheld Result = "withheld"
	// Gone: some revisions before one that is there are not, deleted by retention or by somebody. They cannot come again.
	Gone Result = "gone"
	// Twice: a revision is there more than once.
	Twice Result = "twice"
	// Unreadable: a record cannot be read back.
	Unreadable Result = "unreadable"
)

// Results returns all results, in the order in which they are shown.
func Results() []Result {
	return []Result{Equal, Missing, Stale, Extra, Twice, Unreadable, Gone, DeadLetter, Withheld}
}

// Differs reports whether the topics are not what they must be now. A dead letter is where it must be, too, and of revisions that are gone
// newer ones are there.
func (r Result) Differs() bool {
	switch r {
	case Equal, Gone, DeadLetter, Withheld:
		return false
	}
	return true
}

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
