package smartassist

import (
	"bytes"
	"fmt"
	"strings"
)

// maxPointers is how many pointers a set holds: one bit of a word for each.
const maxPointers = 64

// wildcard stands for any index or name in a pointer.
const wildcard = "*"

// pointers is a compiled list of JSON Pointers (RFC 6901) in which the token `*`
// stands for any index or name. The zero value is an empty list.
type pointers [][][]byte

// parsePointers compiles a list. The error names the first pointer that is none.
func parsePointers(list []string) (pointers, error) {
	if len(list) > maxPointers {
		return nil, fmt.Errorf("%d pointers, at most %d are allowed", len(list), maxPointers)
	}
	var set pointers
	for _, p := range list {
		tokens, err := parsePointer(p)
		if err != nil {
			return nil, err
		}
		set = append(set, tokens)
	}
	return set, nil
}

func parsePointer(p string) ([][]byte, error) {
	if !strings.HasPrefix(p, "/") {
		return nil, fmt.Errorf("%q is not a JSON Pointer to a part of a row: it must begin with /", p)
	}
	var tokens [][]byte
	for t := range strings.SplitSeq(p[1:], "/") {
		if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(t), "~") {
			return nil, fmt.Errorf("%q is not a JSON Pointer: ~ must be followed by 0 or 1", p)
		}
		tokens = append(tokens, []byte(strings.NewReplacer("~1", "/", "~0", "~").Replace(t)))
	}
	return tokens, nil
}

// paths is the set of pointers of a list, as bits, whose first tokens lead to the
// value at hand.
type paths uint64

func (ps pointers) root() paths {
	return paths(1)<<len(ps) - 1 // all bits for 64: the shift yields 0
}

// none is what step returns for a value at which no pointer ends.
const none = -1

// step goes from the value at depth that p leads to down to its member or
// element of this name: which pointers lead on from there, and which is the first
// that ends there; none if none does. same compares a token with the name.
func (ps pointers) step(p paths, depth int, name []byte, same func(token, name []byte) bool) (next paths, end int) {
	for i, tokens := range ps {
		if p&(1<<i) == 0 || string(tokens[depth]) != wildcard && !same(tokens[depth], name) {
			continue
		}
		if len(tokens) == depth+1 {
			return 0, i
		}
		next |= 1 << i
	}
	return next, none
}

// exactly is the comparison of those for whom a name has one spelling.
func exactly(token, name []byte) bool { return bytes.Equal(token, name) }
