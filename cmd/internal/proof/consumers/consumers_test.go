package consumers

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/cmd/internal/proof/kraft"
)

// TestKafkaConsumers has the worker publish what a simulated service says, killed once meanwhile and with aborted
// transactions of others between its own, and then compares what each consumer shows with what the service sent.
func TestKafkaConsumers(t *testing.T) {
	kraft.Skip(t)
	began := time.Now()
	s := newServices(t)
	t.Logf("services after %v", time.Since(began).Round(time.Second))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)

	registered := newWorld(t, s, seed, "conversations.", true)
	plain := newWorld(t, s, seed+1, "plain.", false)
	records, aborted := published(t, registered, plain)
	t.Logf("published after %v, with %d aborted records among those with a registry", time.Since(began).Round(time.Second), aborted)
	truths := map[*world]*truth{}
	for w := range records {
		truths[w] = newTruth(t, w, records[w])
	}
	consumer := func(name string, w *world, test func(*testing.T, *world, *truth)) {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, w, truths[w]) })
	}
	consumer("flink", registered, testFlink) // the slowest first: as many run at once as there are processors
	consumer("streams", registered, testStreams)
	consumer("python", registered, func(t *testing.T, w *world, tr *truth) { testPython(t, w, tr, aborted) })
	consumer("kcat", registered, testKcat)
	consumer("window", registered, closeLastWindow)
	consumer("shared window", registered, closeSharedWindow)
	consumer("without registry", plain, testWithoutRegistry)
}

// published runs the workers, and gives what is committed in the end and how many records of the first world are not.
func published(t *testing.T, registered, plain *world) (records map[*world][]*kgo.Record, aborted int) {
	t.Helper()
	first, other := registered.startWorker(), plain.startWorker()
	aborted = registered.abort()
	plain.abort()
	first.kill() // wherever it is
	second := registered.startWorker()
	closeWindow(t, registered)
	records = map[*world][]*kgo.Record{registered: registered.settleDown(), plain: plain.settleDown()}
	second.terminate(t, deadline)
	other.terminate(t, deadline)
	plain.abort() // also at the very end, where a consumer has to notice that nothing follows
	return records, aborted + registered.abort()
}

func testPython(t *testing.T, w *world, tr *truth, aborted int) {
	script := program{args: w.topics.Conversations(), env: w.s.env()}
	tr.check(t, "Python", shown(t, w.s.py(t, "read.py", script).output(t, deadline)))

	// The comparison itself: where nothing keeps the aborted records back, it finds them, and nothing else.
	script.env = append(script.env, "ISOLATION_LEVEL=read_uncommitted")
	found := tr.differences(shown(t, w.s.py(t, "read.py", script).output(t, deadline)))
	t.Logf("read_uncommitted: differences %d", len(found))
	if len(found) < aborted || !strings.Contains(strings.Join(found, "\n"), "not committed") {
		t.Errorf("read_uncommitted shows %d differences, and %d records were aborted", len(found), aborted)
	}
}

func testWithoutRegistry(t *testing.T, w *world, tr *truth) {
	p := program{args: append([]string{laterSchemas(t)}, w.topics.Conversations()...), env: []string{"KAFKA_BROKERS=" + w.s.brokers()}}
	for who, example := range map[string]*process{
		"Python": w.s.py(t, "read_without_registry.py", p), "Java": w.s.java(t, "streams", "ReadWithoutRegistry", p),
	} {
		text := example.output(t, deadline)
		tr.check(t, who+" without registry", shown(t, text))
		if n := strings.Count(text, `"later": null`); n != len(tr.records) {
			t.Errorf("%s: %d records are read as the present schema has them, want %d", who, n, len(tr.records))
		}
	}
}

// laterSchemas is the directory of the schemas as it is when another version has been released: what the topics hold is
// then written with an older one.
func laterSchemas(t *testing.T) string {
	t.Helper()
	const dir, fields = "../../../../schemas", `"fields": [`
	later := t.TempDir()
	if err := os.CopyFS(filepath.Join(later, "history"), os.DirFS(filepath.Join(dir, "history"))); err != nil {
		t.Fatal(err)
	}
	present, err := os.ReadFile(filepath.Join(dir, "conversation.avsc"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(present), fields, fields+`{"name": "later", "type": ["null", "string"], "default": null},`, 1)
	if text == string(present) {
		t.Fatal("no fields found in the schema")
	}
	if err := os.WriteFile(filepath.Join(later, "conversation.avsc"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return later
}

func testKcat(t *testing.T, w *world, tr *truth) {
	p := program{args: append([]string{examples + "/kcat.sh"}, w.topics.Conversations()...), env: w.s.env()}
	in := bufio.NewReader(strings.NewReader(start(t, p).output(t, deadline)))
	var got []record
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			break
		}
		words := strings.Fields(line)
		if len(words) != 5 {
			t.Fatalf("kcat says %q", line)
		}
		r := record{place: placeOf(t, words[0], words[1], words[2]), key: take(t, in, words[3])}
		headers, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		r.headers = map[string]string{}
		for header := range strings.SplitSeq(strings.TrimSuffix(headers, "\n"), ",") {
			name, value, _ := strings.Cut(header, "=")
			r.headers[name] = value
		}
		r.value = canonical(t, []byte(take(t, in, words[4]))[5:])
		got = append(got, r)
	}
	tr.check(t, "kcat", got)
}

// take reads so many bytes and the end of the line.
func take(t *testing.T, in *bufio.Reader, length string) string {
	t.Helper()
	n, err := strconv.Atoi(length)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, n+1)
	if _, err := io.ReadFull(in, b); err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// closeWindow has an example wait for a stretch of time that has only begun, beside the working worker, and holds what it
// counts against what the service shows of that time.
func closeWindow(t *testing.T, w *world) {
	t.Helper()
	from := time.Now().UTC().Truncate(time.Second)
	to := from.Add(12 * time.Second)
	p := program{args: []string{account, from.Format(time.RFC3339), to.Format(time.RFC3339)}, env: w.s.env("TOPIC_PREFIX=" + w.prefix)}
	got := lines(t, w.s.py(t, "close_window.py", p).output(t, deadline))
	sessions := map[string]bool{} // a bot session that has meanwhile become a contact is the same
	for r := range w.service.RowsAt(time.Now(), from.Add(-time.Minute), to.Add(time.Minute)) {
		if r.Dead {
			continue
		}
		if began := rowOf(t, r.Raw).time("sessionStartTime"); !began.Before(from) && began.Before(to) {
			sessions[r.Key.Session] = true
		}
	}
	table{"all": fmt.Sprint(len(sessions))}.check(t, "window closed with progress", table{"all": all(got)})
}

// closeLastWindow does the same for all the time there was. Nothing lies behind the end offsets here, and nothing may be
// left out before them.
func closeLastWindow(t *testing.T, w *world, tr *truth) {
	to := w.service.Settled().UTC()
	from := to.Add(-time.Hour)
	last, err := w.last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if from.Before(last.CompleteFrom) {
		from = last.CompleteFrom
	}
	p := program{args: []string{account, from.Format(time.RFC3339Nano), to.Format(time.RFC3339Nano)}, env: w.s.env("TOPIC_PREFIX=" + w.prefix)}
	got := lines(t, w.s.py(t, "close_window.py", p).output(t, deadline))
	contacts, want := map[string]bool{}, 0
	for _, raw := range tr.newestRows() {
		if r := rowOf(t, raw); r.contact() {
			contacts[r.text("sessionId")] = true
		}
	}
	for _, raw := range tr.newestRows() {
		r := rowOf(t, raw)
		grown := !r.contact() && contacts[r.text("sessionId")] // a bot session that became a contact
		if began := r.time("sessionStartTime"); !grown && !began.Before(from) && began.Before(to) {
			want++
		}
	}
	if want == 0 {
		t.Error("nothing began within the window: the test shows nothing")
	}
	table{"all": fmt.Sprint(want)}.check(t, "all time closed with progress", table{"all": all(got)})
}

// all are the conversations that the example counts: its last line.
func all(got []map[string]any) string {
	if len(got) == 0 {
		return ""
	}
	return fmt.Sprint(got[len(got)-1]["conversations"])
}
