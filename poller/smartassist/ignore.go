package smartassist

import (
	"fmt"
	"slices"
	"strings"
)

// maxIgnored is how many pointers an Ignore holds: one bit of a word for each.
const maxIgnored = 64

// Ignore is a compiled list of JSON Pointers to values that change by
// themselves and so must not count as a change of the conversation
// (DEDUPLICATE_IGNORE). The zero value ignores nothing.
type Ignore struct {
	pointers [][]string
	source   []string // sorted
}

// Pointers returns the list that was compiled, sorted: two with the same pointers cut out the same.
func (ig Ignore) Pointers() []string { return ig.source }

// wildcard stands for any index or name in a pointer.
const wildcard = "*"

// ParseIgnore compiles JSON Pointers (RFC 6901) in which the token `*` stands
// for any index or name. The error names the first pointer that is none.
func ParseIgnore(pointers []string) (Ignore, error) {
	if len(pointers) > maxIgnored {
		return Ignore{}, fmt.Errorf("%d pointers, at most %d are allowed", len(pointers), maxIgnored)
	}
	var ig Ignore
	for _, p := range pointers {
		tokens, err := parsePointer(p)
		if err != nil {
			return Ignore{}, err
		}
		ig.pointers = append(ig.pointers, tokens)
	}
	if len(pointers) > 0 {
		ig.source = slices.Compact(slices.Sorted(slices.Values(pointers)))
	}
	return ig, nil
}

func parsePointer(p string) ([]string, error) {
	if !strings.HasPrefix(p, "/") {
		return nil, fmt.Errorf("%q is not a JSON Pointer to a part of a row: it must begin with /", p)
	}
	tokens := strings.Split(p[1:], "/")
	for i, t := range tokens {
		if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(t), "~") {
			return nil, fmt.Errorf("%q is not a JSON Pointer: ~ must be followed by 0 or 1", p)
		}
		tokens[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(t)
	}
	return tokens, nil
}

// paths is the set of pointers of an Ignore, as bits, whose first tokens lead
// to the value at hand.
type paths uint64

func (ig Ignore) root() paths {
	return paths(1)<<len(ig.pointers) - 1 // all bits for 64: the shift yields 0
}

// step goes from the value at depth that p leads to down to its member or
// element of this name: which pointers lead on from there, and whether one of
// them ends there, so that the value is cut out.
func (ig Ignore) step(p paths, depth int, name []byte) (next paths, cut bool) {
	for i, tokens := range ig.pointers {
		if p&(1<<i) == 0 || (tokens[depth] != wildcard && tokens[depth] != string(name)) {
			continue
		}
		if len(tokens) == depth+1 {
			return 0, true
		}
		next |= 1 << i
	}
	return next, false
}
