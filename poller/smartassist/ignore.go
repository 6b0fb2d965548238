package smartassist

import "slices"

// Ignore is a compiled list of JSON Pointers to values that change by
// themselves and so must not count as a change of the conversation
// (DEDUPLICATE_IGNORE). The zero value ignores nothing.
type Ignore struct {
	pointers
	source []string // sorted
}

// Pointers returns the list that was compiled, sorted: two with the same pointers cut out the same.
func (ig Ignore) Pointers() []string { return ig.source }

// ParseIgnore compiles JSON Pointers (RFC 6901) in which the token `*` stands
// for any index or name. The error names the first pointer that is none.
func ParseIgnore(list []string) (Ignore, error) {
	compiled, err := parsePointers(list)
	if err != nil {
		return Ignore{}, err
	}
	ig := Ignore{pointers: compiled}
	if len(list) > 0 {
		ig.source = slices.Compact(slices.Sorted(slices.Values(list)))
	}
	return ig, nil
}

// step goes down to a member or element, and reports whether it is cut out.
func (ig Ignore) step(p paths, depth int, name []byte) (next paths, cut bool) {
	next, end := ig.pointers.step(p, depth, name, exactly)
	return next, end != none
}
