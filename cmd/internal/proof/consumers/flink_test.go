package consumers

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// flinkFiles are the statements, in the order in which they are run.
var flinkFiles = []string{"conversations.sql", "progress.sql", "present.sql", "abandoned.sql", "newest.sql", "handling.sql", "coverage.sql", "everything.sql"}

// testFlink runs the SQL files as they stand.
func testFlink(t *testing.T, w *world, tr *truth) {
	dir, err := filepath.Abs(filepath.Join(examples, "flink"))
	if err != nil {
		t.Fatal(err)
	}
	out := w.s.java(t, "flink", "RunSql", program{args: flinkFiles, dir: dir, env: w.s.env("TOPIC_PREFIX=" + w.prefix)}).output(t, 2*deadline)
	answers := map[string][]map[string]any{}
	for part := range strings.SplitSeq("\n"+out, "\n-- ") {
		file, rows, _ := strings.Cut(part, "\n")
		if file != "" {
			answers[file] = lines(t, strings.TrimSuffix(rows, "\n"))
		}
	}
	var got []record
	for _, line := range answers["everything.sql"] {
		at := placeOf(t, line["record_topic"], line["record_partition"], line["record_offset"])
		got = append(got, record{at, line["record_key"].(string), headersOf(line["record_headers"]), canonicalJSON(t, line)})
	}
	tr.check(t, "Flink SQL", got)
	table{fmt.Sprint(len(tr.records)): "true"}.check(t, "Flink SQL, coverage.sql", tableOf(t, answers["coverage.sql"], 1, "published", "complete"))
	abandonedCalls(t, tr).check(t, "Flink SQL, abandoned.sql", tableOf(t, answers["abandoned.sql"], 2, "five_minutes", "queueId", "abandoned"))
	newestStates(t, tr).check(t, "Flink SQL, newest.sql", tableOf(t, answers["newest.sql"], 1, "id", "revision", "finalStatus", "sessionStartTime", "transfers"))
	handlingTimes(t, tr).check(t, "Flink SQL, handling.sql",
		tableOf(t, answers["handling.sql"], 1, "agentId", "handled", "interaction", "after_call_work", "average_handling"))
}

// TestFlinkFiles: every SQL file of the example is among those that are run.
func TestFlinkFiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(examples, "flink", "*.sql"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		if !slices.Contains(flinkFiles, filepath.Base(file)) {
			t.Errorf("%s is not run", file)
		}
	}
}

// What the queries should answer, from the service's own JSON.

func abandonedCalls(t *testing.T, tr *truth) table {
	out := counts{}
	for _, raw := range tr.newestRows() {
		r := rowOf(t, raw)
		for _, q := range r.queues() {
			if r.contact() && r.abandoned() && q.object("respondingAgent") == nil {
				out.add(q.time("EnterTime").Truncate(5*time.Minute).Format(time.RFC3339)+" "+q.text("queueId"), 1)
			}
		}
	}
	return out.table()
}

func newestStates(t *testing.T, tr *truth) table {
	out := table{}
	for id, raw := range tr.newestRows() {
		r := rowOf(t, raw)
		start, transfers := null, null
		if at := r.time("sessionStartTime"); !at.IsZero() {
			start = at.Format(time.RFC3339)
		}
		if list, ok := r["destinations"].([]any); ok {
			transfers = fmt.Sprint(len(list))
		}
		out[id] = fmt.Sprintf("%d %s %s %s", tr.ids[id], r.cell("finalStatus"), start, transfers)
	}
	return out
}

func handlingTimes(t *testing.T, tr *truth) table {
	sums := counts{}
	for _, raw := range tr.newestRows() {
		for _, a := range rowOf(t, raw).agents() {
			if interaction, ended := a.number("interactionDuration"); ended {
				after, _ := a.number("afterCallWorkDuration")
				sums.add(a.text("agentId"), 1, interaction, after)
			}
		}
	}
	for agent, n := range sums {
		sums[agent] = append(n, (n[1]+n[2])/n[0])
	}
	return sums.table()
}
