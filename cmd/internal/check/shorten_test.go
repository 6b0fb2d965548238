package check

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestShortened: of many accounts with which something else is wrong each, some are shown, and it is said how many are not; what is not
// about accounts is all there.
func TestShortened(t *testing.T) {
	const wrong = 50
	var r Report
	for i := range 2 * wrong {
		id := fmt.Sprint("account-", i)
		r.Lines = append(r.Lines,
			Line{Area: Topics, Subject: fmt.Sprint("topic-", i), State: Fail, Says: fmt.Sprint("wrong in its way: ", i)},
			Line{Area: Transactions, Account: id, Subject: "convstream." + id, State: OK, Says: "has a coordinator"},
		)
		if i < wrong {
			r.Lines = append(r.Lines, Line{Area: Service, Account: id, Subject: "login", State: Fail, Says: fmt.Sprint("wrong in its way: ", i)})
		}
	}
	var out bytes.Buffer
	if err := r.Text(&out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for part, n := range map[string]int{
		"FAIL  topics": 2 * wrong, "FAIL  service account-": mostOfAKind, fmt.Sprintf("%d lines like these: --json shows them", wrong-mostOfAKind): 1,
		"ok    transactions": 1, fmt.Sprintf("%d accounts", 2*wrong): 1, fmt.Sprintf("%d ok, 0 warn, %d FAIL", 2*wrong, 3*wrong): 1,
	} {
		if have := strings.Count(text, part); have != n {
			t.Errorf("%q %d times, want %d:\n%s", part, have, n, text)
		}
	}
	r.Lines = r.Lines[:3*manyAccounts] // few enough to be read
	out.Reset()
	if err := r.Text(&out); err != nil || strings.Contains(out.String(), "accounts") || strings.Count(out.String(), "FAIL  service") != manyAccounts {
		t.Errorf("%v\n%s", err, out.String())
	}
}
