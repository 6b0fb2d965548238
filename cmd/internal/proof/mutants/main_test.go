package main

import (
	"os"
	"testing"
)

// TestEveryBugCanBePlanted: the places that are to be changed are where they were.
func TestEveryBugCanBePlanted(t *testing.T) {
	t.Chdir("../../../..")
	for _, m := range mutants {
		overlay, err := m.plant(t.TempDir())
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		if _, err := os.Stat(overlay); err != nil {
			t.Error(err)
		}
	}
}
