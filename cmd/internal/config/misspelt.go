package config

import (
	"slices"
	"strings"
)

// ours are the prefixes under which a variable is probably meant for us. Others also put variables under some of them
// (Kubernetes sets KAFKA_SERVICE_HOST for a Service named kafka), so only a near miss counts.
var ours = []string{"SMARTASSIST_", "KAFKA_", "SCHEMA_REGISTRY_", "TOPIC_", "REDACT"}

// nearMiss is the largest number of edits that still counts as a typing error.
const nearMiss = 2

// refuseMisspelt finds the variables that are one slip away from a known name which matters: each would silently mean the
// default.
func refuseMisspelt(p *problems, environ []string, matters func(group) bool) {
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(entry, "=")
		if groups[name] != 0 || strings.TrimSpace(value) == "" || !hasOurPrefix(name) {
			continue
		}
		if meant, distance := closest(name, known); distance <= nearMiss && matters(groups[meant]) {
			p.add(name, "unknown setting; did you mean %s?", meant)
		}
	}
}

func hasOurPrefix(name string) bool {
	for _, prefix := range ours {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// closest returns the known name with the fewest edits from name, the first of several.
func closest(name string, known []string) (meant string, distance int) {
	distance = len(name) + 1
	for _, k := range known {
		if d := edits(name, k); d < distance {
			meant, distance = k, d
		}
	}
	return meant, distance
}

// edits is the Levenshtein distance in bytes: insertions, deletions and replacements.
func edits(a, b string) int {
	row := make([]int, len(b)+1) // row[j]: edits from the part of a seen so far to b[:j]
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
