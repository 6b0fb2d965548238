package encoder

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Rebuild returns the row as the service sent it: JSON equal to it by
// [EqualJSON]. It fails only on a record that this package did not make: one
// whose unmapped values have no place, or are not JSON.
func (c *Conversation) Rebuild() (jsontext.Value, error) {
	b := builder{unmapped: c.Unmapped, under: map[string][]string{}}
	for pointer := range c.Unmapped {
		if pointer != "" {
			parent, name := splitPointer(pointer)
			b.under[parent] = append(b.under[parent], name)
		}
	}
	if !b.keptHere() {
		conversationFields.writeObject(&b, c)
	}
	if b.used != len(c.Unmapped) {
		return nil, fmt.Errorf("rebuild row: %d of %d unmapped values have no place in it", len(c.Unmapped)-b.used, len(c.Unmapped))
	}
	row := jsontext.Value(b.out)
	if !row.IsValid(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)) {
		return nil, errors.New("rebuild row: an unmapped value or a metaInfo is not JSON")
	}
	return row, nil
}

// builder is one rebuilding: the walk of the reader over the same tables.
type builder struct {
	out      []byte
	path     []byte              // JSON pointer of where the building is
	unmapped map[string]string   // of the record
	under    map[string][]string // pointer of an object -> names of the members kept by themselves
	used     int                 // how many values of unmapped were written
}

// writeObject writes the members of the typed fields, except those of which any
// spelling was kept, and then what was kept.
func (t *table[R]) writeObject(b *builder, r *R) {
	kept := slices.Sorted(slices.Values(b.under[string(b.path)]))
	b.out = append(b.out, '{')
	first := len(b.out)
	for i := range t.fields {
		f := &t.fields[i]
		if slices.ContainsFunc(kept, func(name string) bool { return sameLetters(name, f.name) }) {
			continue
		}
		start := len(b.out)
		up := b.enterMember(f.name, first)
		if !f.write(b, r) {
			b.out = b.out[:start]
		}
		b.path = b.path[:up]
	}
	for _, name := range kept {
		up := b.enterMember(name, first)
		b.keptHere()
		b.path = b.path[:up]
	}
	b.out = append(b.out, '}')
}

// enterMember writes a member's name and moves the building down to it. first is
// where the object's first member is written.
func (b *builder) enterMember(name string, first int) (up int) {
	if len(b.out) > first {
		b.out = append(b.out, ',')
	}
	b.out = append(writeText(b.out, name), ':')
	up = len(b.path)
	b.path = appendToken(b.path, name)
	return up
}

// array writes n elements, each as it was kept or else by the function.
func (b *builder) array(n int, element func(i int)) {
	b.out = append(b.out, '[')
	for i := range n {
		if i > 0 {
			b.out = append(b.out, ',')
		}
		up := len(b.path)
		b.path = strconv.AppendInt(append(b.path, '/'), int64(i), 10)
		if !b.keptHere() {
			element(i)
		}
		b.path = b.path[:up]
	}
	b.out = append(b.out, ']')
}

// keptHere writes the value that was kept under the pointer of where the
// building is, if there is one.
func (b *builder) keptHere() bool {
	text, ok := b.unmapped[string(b.path)]
	if ok {
		b.out = restoreBroken(b.out, text)
		b.used++
	}
	return ok
}
