package smartassist

import (
	"fmt"
	"testing"
)

// A scanner that remembers names says the same as one that knows none, whatever
// it read before: names that begin alike, that are too long or that end the text.
func TestRememberedNamesDoNotCount(t *testing.T) {
	used := &scanner{}
	for round := range 3 {
		for i, name := range []string{"", "n", "name", "nam", "names", `na\u006de`, `name\"`, "name of more than thirty characters", "na\xffe"} {
			for _, format := range []string{`{"a":1,"%s":{"b":"behind the name there is enough text"}}`, `{"%s":1}`, `{"%s`, "{\"%s\n\":\"behind the name there is enough text\"}"} {
				row := []byte(fmt.Sprintf(format, name))
				hash, ok := used.scan(row, Ignore{})
				if want, wantOK := new(scanner).scan(row, Ignore{}); hash != want || ok != wantOK {
					t.Fatalf("round %d, name %d, %s: %x, %t, want %x, %t", round, i, row, hash, ok, want, wantOK)
				}
			}
		}
	}
}
