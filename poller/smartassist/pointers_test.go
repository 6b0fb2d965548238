package smartassist

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestAsManyPointersAsBits: each of 64 cuts out its own member and no other; one more is refused.
func TestAsManyPointersAsBits(t *testing.T) {
	var list []string
	for i := range maxPointers {
		list = append(list, fmt.Sprintf("/m%d", i))
	}
	if _, err := ParseIgnore(append(list, "/one-more")); err == nil || !strings.Contains(err.Error(), "at most 64") {
		t.Errorf("65 pointers: %v", err)
	}
	for _, n := range []int{1, 2, 63, 64} {
		ignore, err := ParseIgnore(list[:n])
		if err != nil {
			t.Fatal(err)
		}
		with := func(member int, value string) uint64 {
			return ParseRow([]byte(fmt.Sprintf(`{"sessionId":"s","m%d":%s}`, member, value))).Fingerprint(ignore)
		}
		for i := range maxPointers {
			if same := with(i, "1") == with(i, "2"); same != (i < n) {
				t.Errorf("with %d pointers member %d counts: %t", n, i, !same)
			}
		}
	}
}

// TestAnIgnoredMemberIsAsIfAbsent, whatever its name and value, at the top or below, and its neighbours still count.
func TestAnIgnoredMemberIsAsIfAbsent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringOfN(rapid.RuneFrom([]rune(`ab/~"\é1 *`)), 1, 6, -1).Filter(func(s string) bool { return s != "*" }).Draw(t, "name")
		value := rapid.SampledFrom([]string{"1", `"x"`, "null", `{"a":[1]}`, "[[],{}]", "true"}).Draw(t, "value")
		pointer := "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
		format, where := `{"sessionId":"s"%s}`, pointer
		if rapid.Bool().Draw(t, "below") {
			format, where = `{"sessionId":"s","metaInfo":{"other":1%s}}`, "/metaInfo"+pointer
		}
		row := func(members string) Row {
			r := ParseRow([]byte(fmt.Sprintf(format, members)))
			if r.Err != nil {
				t.Fatalf("%s: %v", r.Raw, r.Err)
			}
			return r
		}
		ignore, err := ParseIgnore([]string{where})
		if err != nil {
			t.Fatal(err)
		}
		with, without := row(","+quoted+":"+value), row("")
		if with.Fingerprint(ignore) != without.Fingerprint(ignore) {
			t.Fatalf("%s counts beside %s", with.Raw, where)
		}
		if with.Fingerprint(Ignore{}) == without.Fingerprint(Ignore{}) {
			t.Fatalf("%s does not count at all", with.Raw)
		}
		if beside := row("," + quoted + ":" + value + `,"zz":1`); beside.Fingerprint(ignore) == without.Fingerprint(ignore) {
			t.Fatalf("%s: the neighbour does not count", beside.Raw)
		}
	})
}
