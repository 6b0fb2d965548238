package encoder

import "hash/crc32"

// Deviation is a part of a row that is not as the schema has it: its source text stands in unmapped. It tells names and
// types, never values.
type Deviation struct {
	Kind DeviationKind
	// Field is the field by its path in the schema ("destinations.agent.status"). For an unknown member it is the path
	// of its object and its name, at most 64 bytes; "" for those beyond the first 16 of a row. Of a row that is kept whole it is "".
	Field   string
	Pointer string // the JSON Pointer into the row
	Type    string // the JSON type that was found: object, array, string, number, boolean or null
}

// DeviationKind is how a part of a row differs from the schema.
type DeviationKind string

// The kinds of deviations.
const (
	UnknownMember DeviationKind = "member"   // the schema has no field for it
	Misfit        DeviationKind = "value"    // the value does not fit its typed field
	Respelt       DeviationKind = "spelling" // the value fits, but the name is spelt in another case
)

// unknownField is the name for metrics of whatever the schema has no field for.
const unknownField = "unknown"

// Bounded returns the field, or "unknown": names of unknown members are not bounded, as a label of a metric must be.
func (d Deviation) Bounded() string {
	if d.Kind == UnknownMember || d.Field == "" {
		return unknownField
	}
	return d.Field
}

// Code is a value of a field that has few different ones, such as a status: a checksum of it, which tells a new one
// from those that were seen.
type Code struct {
	Field string // by its path in the schema
	Sum   uint32
}

// typeOf returns the type of a JSON value.
func typeOf(value string) string {
	switch value[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}

// code returns a text field that has few different values.
func code[R any](name, column string, at func(*R) **string) field[R] {
	f := one(name, column, text, at)
	read := f.read
	f.read = func(rd *reader, path string, r *R, source string) (int, bool) {
		n, exact := read(rd, path, r, source)
		if exact {
			rd.noteCode(path, source[:n])
		}
		return n, exact
	}
	return f
}

// usualCodes is how many codes a row has, as a rule.
const usualCodes = 16

// noteCode notes a value of a field with few.
func (rd *reader) noteCode(path, value string) {
	if rd.codes == nil {
		rd.codes = make([]Code, 0, usualCodes)
	}
	rd.scratch = append(rd.scratch[:0], value...)
	rd.codes = append(rd.codes, Code{path, crc32.ChecksumIEEE(rd.scratch)})
}
