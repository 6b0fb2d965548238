package encoder

// nameSlots finds the one name of a fixed set that a quoted name can be, without
// hashing all of it: length, first, middle and last character tell the names of
// one table apart. It is what a switch over the names would compile to.
type nameSlots struct {
	seed  uint32
	index [256]int8 // of the name, -1 for none
}

// newNameSlots looks for a seed under which no two of the n names share a slot.
func newNameSlots(n int, name func(int) string) nameSlots {
	for seed := uint32(1); seed < 1<<20; seed++ {
		s := nameSlots{seed: seed}
		for i := range s.index {
			s.index[i] = -1
		}
		free := true
		for i := 0; i < n && free; i++ {
			slot := s.slot(`"` + name(i) + `"`)
			free = s.index[slot] < 0
			s.index[slot] = int8(i)
		}
		if free {
			return s
		}
	}
	panic("encoder: no seed tells the names apart")
}

// find gives the index of the only name that may equal the quoted one, or -1.
func (s *nameSlots) find(quoted string) int { return int(s.index[s.slot(quoted)]) }

func (s *nameSlots) slot(quoted string) uint8 {
	n := len(quoted) // at least 2: the quotes
	h := uint32(n) | uint32(quoted[1])<<8 | uint32(quoted[n/2])<<16 | uint32(quoted[n-2])<<24
	return uint8(h * (s.seed*2654435769 | 1) >> 24)
}
