package producer

import (
	"testing"

	"pgregory.net/rapid"
)

func TestElect(t *testing.T) {
	for name, c := range map[string]struct {
		members map[string]candidate
		want    string
	}{
		"alone":                              {map[string]candidate{"a": {}}, "a"},
		"alone, and fenced before":           {map[string]candidate{"a": {Yields: true}}, "a"},
		"who holds it keeps it":              {map[string]candidate{"a": {Started: 9}, "b": {Started: 1, Since: 5}, "c": {Started: 8}}, "b"},
		"the later of two who hold it":       {map[string]candidate{"a": {Since: 5}, "b": {Since: 6}}, "b"},
		"the youngest of those who stand by": {map[string]candidate{"a": {Started: 1}, "b": {Started: 3}, "c": {Started: 2}}, "b"},
		"not the fenced one":                 {map[string]candidate{"a": {Started: 9, Since: 9, Yields: true}, "b": {}}, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := elect(c.members); got != c.want {
				t.Errorf("elected %s, want %s", got, c.want)
			}
		})
	}
}

// TestElectionHolds: whoever is elected, and says so the next time, is elected again, whoever else comes or goes.
func TestElectionHolds(t *testing.T) {
	candidates := rapid.MapOf(rapid.StringMatching("[a-f]"), rapid.Custom(func(t *rapid.T) candidate {
		return candidate{Started: rapid.Int64Range(0, 3).Draw(t, "started"), Yields: rapid.Bool().Draw(t, "yields")}
	}))
	rapid.Check(t, func(t *rapid.T) {
		members := candidates.Draw(t, "members")
		if len(members) == 0 {
			return
		}
		first := elect(members)
		next := candidates.Draw(t, "others later")
		next[first] = candidate{Started: members[first].Started, Since: 1}
		if again := elect(next); again != first {
			t.Fatalf("first %s, then %s", first, again)
		}
	})
}

func TestStranger(t *testing.T) {
	for name, c := range map[string]struct {
		members map[string]candidate
		want    bool
	}{
		"nobody was fenced":          {map[string]candidate{"a": {}, "b": {Since: 1}}, false},
		"fenced by the holder":       {map[string]candidate{"a": {Yields: true}, "b": {Since: 1}}, false},
		"fenced by none of them":     {map[string]candidate{"a": {Yields: true}, "b": {}}, true},
		"fenced, and alone":          {map[string]candidate{"a": {Yields: true}}, true},
		"the holder was fenced, too": {map[string]candidate{"a": {Yields: true, Since: 1}, "b": {}}, true},
	} {
		if got := stranger(c.members); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
