package schemas

import "github.com/twmb/avro"

// Known is the version of this schema that has the fingerprint, of those that this program holds.
func (s Schema) Known(fingerprint uint64) (*avro.Schema, bool) {
	if fingerprint == s.Fingerprint() {
		return s.parsed, true
	}
	for _, v := range s.Versions() {
		if fingerprint == v.Fingerprint() {
			return v.parsed, true
		}
	}
	return nil, false
}
