package encoder

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/convstream/convstream/poller/smartassist"
)

// otherReaders is the environment variable that, with the value "required", has
// the tests run that read with other languages' Avro libraries.
const otherReaders = "CONVSTREAM_OTHER_READERS"

// needs skips the test unless the other readers are wanted, and fails it where
// they cannot run.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	if os.Getenv(otherReaders) != "required" {
		t.Skipf("SKIPPED, needs %s, and %s=required: %s", strings.Join(programs, ", "), otherReaders, t.Name())
	}
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%s=required, and %s missing: install python3-venv, default-jdk-headless and maven", otherReaders, name)
		}
	}
}

// run returns what a program prints.
func run(t *testing.T, dir string, in []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var problems bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, bytes.NewReader(in), &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s\n%s", name, strings.Join(args, " "), err, problems.String(), out[:min(len(out), 2000)])
	}
	return out
}

// fastavro, in Python, reads the same typed values as twmb/avro does, and a
// program that knows nothing of the mapping but what the schema's docs say
// rebuilds the rows from them.
func TestPythonReadsTheSame(t *testing.T) {
	python := pythonWithFastavro(t)
	program := func(t *testing.T, name string) func([]byte) []byte {
		return func(values []byte) []byte {
			return run(t, readersDir(t), values, python, "-B", name, "../../schemas")
		}
	}
	t.Run("values", func(t *testing.T) { checkReader(t, program(t, "read.py")) })
	t.Run("rows", func(t *testing.T) { checkRebuilder(t, program(t, "rebuild.py")) })
}

// checkRebuilder has a program rebuild rows from their records.
func checkRebuilder(t *testing.T, rebuild func(values []byte) []byte) {
	t.Helper()
	rows := otherReadersRows(t)
	values, _ := recordsOf(t, rows)
	out := jsontext.NewDecoder(bytes.NewReader(rebuild(values)), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	for i, row := range rows {
		back, err := out.ReadValue()
		if err != nil {
			t.Fatalf("row %d of %d: %v", i, len(rows), err)
		}
		if !EqualJSON(row, back) {
			t.Fatalf("row %d of %d\n%q\nrebuilt\n%q", i, len(rows), row, back)
		}
	}
	t.Logf("%d rows rebuilt, differences: 0", len(rows))
}

func pythonWithFastavro(t *testing.T) string {
	t.Helper()
	needs(t, "python3")
	venv := t.TempDir()
	run(t, readersDir(t), nil, "python3", "-m", "venv", venv)
	python := filepath.Join(venv, "bin", "python")
	run(t, readersDir(t), nil, python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", "requirements.txt")
	return python
}

// org.apache.avro, in Java, reads the same typed values as twmb/avro does.
func TestJavaReadsTheSame(t *testing.T) {
	needs(t, "java", "mvn")
	libs := t.TempDir()
	run(t, readersDir(t), nil, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory="+libs)
	checkReader(t, func(values []byte) []byte {
		return run(t, readersDir(t), values, "java", "-cp", filepath.Join(libs, "*"), "Read.java", "../../schemas")
	})
}

func readersDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../deploy/readers")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// otherRows is how many generated rows another reader gets.
const otherRows = 5000

// checkReader has a program read records of rows of any shape, and of the
// published sample, and compares what it prints with what they were made of.
func checkReader(t *testing.T, read func(values []byte) []byte) {
	t.Helper()
	values, want := recordsOf(t, otherReadersRows(t))
	out := json.NewDecoder(bytes.NewReader(read(values)))
	out.UseNumber()
	typed := 0
	for i, record := range want {
		var got any
		if err := out.Decode(&got); err != nil {
			t.Fatalf("record %d of %d: %v", i, len(want), err)
		}
		if diff := different("", record, got, &typed); diff != "" {
			t.Fatalf("record %d of %d%s", i, len(want), diff)
		}
	}
	if out.More() {
		t.Error("more records come out than went in")
	}
	t.Logf("%d records, %d typed values, differences: 0", len(want), typed)
}

// recordsOf are the rows' values, a line of base64 each, and what they hold.
func recordsOf(t *testing.T, rows [][]byte) (lines []byte, records []map[string]any) {
	t.Helper()
	e := testEncoder(t)
	for _, row := range rows {
		m, _, err := passage(e, row)
		if err != nil {
			t.Fatalf("row %q: %v", row, err)
		}
		lines = append(base64.StdEncoding.AppendEncode(lines, m.Value), '\n')
		records = append(records, decodeAny(t, m.Value))
	}
	return lines, records
}

func otherReadersRows(t *testing.T) [][]byte {
	t.Helper()
	page, err := os.ReadFile("testdata/sample-page.json")
	if err != nil {
		t.Fatal(err)
	}
	all := sampleRows(t, page)
	generated := rapid.Custom(anyRow)
	for seed := 0; len(all) < otherRows; seed++ {
		if row := generated.Example(seed); smartassist.ParseRow(row).Err == nil {
			all = append(all, row)
		}
	}
	return all
}

// different compares a typed value with what a program printed of it, and counts.
func different(path string, want, got any, typed *int) string {
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok || len(got) != len(want) {
			return fmt.Sprintf("%s: want %d members, have %v", path, len(want), got)
		}
		for name, value := range want {
			if diff := different(path+"/"+name, value, got[name], typed); diff != "" {
				return diff
			}
		}
		return ""
	case []any:
		got, ok := got.([]any)
		if !ok || len(got) != len(want) {
			return fmt.Sprintf("%s: want %d elements, have %v", path, len(want), got)
		}
		for i, value := range want {
			if diff := different(fmt.Sprint(path, "/", i), value, got[i], typed); diff != "" {
				return diff
			}
		}
		return ""
	}
	*typed++
	if !sameScalar(want, got) {
		return fmt.Sprintf("%s: want %v, have %v", path, want, got)
	}
	return ""
}

func sameScalar(want, got any) bool {
	switch want := want.(type) {
	case time.Time:
		text, _ := got.(string)
		at, err := time.Parse(time.RFC3339Nano, text)
		return err == nil && at.Equal(want)
	case int32:
		return got == json.Number(fmt.Sprint(want))
	}
	return got == want
}
