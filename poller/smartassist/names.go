package smartassist

import "encoding/binary"

// nameMemory remembers the members' names that were hashed last. Rows have the
// same few dozen names in much the same order: a name that is byte for byte one
// that was checked and hashed before need not be checked and hashed again.
type nameMemory struct {
	known [1 << 10]knownName
	last  uint32 // the place of the name before: what follows it is nearly always the same
}

// knownName is a name as quoted source text.
type knownName struct {
	hash   uint64
	length uint8 // 0 if there is none
	quoted [maxKnownName]byte
}

// maxKnownName is the longest name that is remembered, with its quotes; no member
// of the service's has a longer one.
const maxKnownName = 31

// place returns where the name that text begins with is remembered, if it is.
func (m *nameMemory) place(text []byte) *knownName {
	m.last = (m.last ^ binary.LittleEndian.Uint32(text[1:])) * 2654435769 >> 22
	return &m.known[m.last]
}

// name is string for a member's name.
func (s *scanner) name(i int) (hash uint64, end int) {
	if i+maxKnownName > len(s.text) {
		return s.string(i)
	}
	known := s.names.place(s.text[i:])
	if n := int(known.length); n > 0 && string(s.text[i:i+n]) == string(known.quoted[:n]) {
		return known.hash, i + n
	}
	hash, end = s.string(i)
	if end != broken && end-i <= maxKnownName {
		known.hash, known.length = hash, uint8(copy(known.quoted[:], s.text[i:end]))
	}
	return hash, end
}
