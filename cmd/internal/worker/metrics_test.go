package worker

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// TestUnknownMembersDoNotFloodTheLog: a service that has a new member in every row is told of by so many names, and once
// more to say that it goes on.
func TestUnknownMembersDoNotFloodTheLog(t *testing.T) {
	var out bytes.Buffer
	m := &metrics{unknown: map[string]bool{}}
	for i := range 10 * knownUnknowns {
		m.logUnknown(zerolog.New(&out), []string{fmt.Sprint("member", i), "member0"})
	}
	lines := strings.Count(out.String(), "\n")
	if named := strings.Count(out.String(), `"member":"member`); named != knownUnknowns || lines != named+1 || len(m.unknown) != named+1 {
		t.Errorf("%d names in %d lines, %d remembered, want %d names", named, lines, len(m.unknown), knownUnknowns)
	}
	if last := out.String()[strings.LastIndexByte(strings.TrimSpace(out.String()), '\n')+1:]; !strings.Contains(last, "further ones are not named here") {
		t.Errorf("the last line is %s", last)
	}
}
