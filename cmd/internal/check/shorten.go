package check

import (
	"fmt"
	"strings"
)

const (
	// manyAccounts is more than people read one by one.
	manyAccounts = 10
	// mostOfAKind is how many lines of one area and state are shown of these.
	mostOfAKind = 20
)

// shortened are the lines for people. Of many accounts it is said how many are well, and the first of what is not.
func (r Report) shortened() []Line {
	accounts := map[string]bool{}
	for _, l := range r.Lines {
		if l.Account != "" {
			accounts[l.Account] = true
		}
	}
	if len(accounts) <= manyAccounts {
		return r.joined()
	}
	return Report{capped(counted(r.Lines))}.joined()
}

// counted says once what is said of several accounts: of those that are well how many they are.
func counted(all []Line) (lines []Line) {
	also, count := map[Line]int{}, map[int]int{}
	for _, l := range all {
		if l.Account == "" {
			lines = append(lines, l)
			continue
		}
		what := l
		what.Account, what.Subject = "", strings.ReplaceAll(l.Subject, l.Account, "*")
		if l.State == OK {
			what.Says = ""
			l = what
		}
		at, said := also[what]
		if !said {
			at = len(lines)
			also[what], lines = at, append(lines, l)
		}
		count[at]++
	}
	for at, n := range count {
		switch l := &lines[at]; {
		case l.State == OK:
			l.Says = fmt.Sprintf("%d accounts", n)
		case n > 1:
			l.Account += fmt.Sprintf(" and %d more", n-1)
		}
	}
	return lines
}

// capped leaves out what is much of one kind.
func capped(all []Line) (lines []Line) {
	type kind struct {
		area  Area
		state State
	}
	shown, left := map[kind]int{}, map[kind]int{}
	var order []kind
	for _, l := range all {
		k := kind{l.Area, l.State}
		if l.Account == "" || shown[k] < mostOfAKind {
			lines = append(lines, l)
			if l.Account != "" {
				shown[k]++
			}
			continue
		}
		if left[k]++; left[k] == 1 {
			order = append(order, k)
		}
	}
	for _, k := range order {
		lines = append(lines, Line{Area: k.area, Subject: "more", State: k.state, Says: fmt.Sprintf("%d lines like these: --json shows them", left[k])})
	}
	return lines
}
