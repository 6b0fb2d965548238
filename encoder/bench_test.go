package encoder

import (
	"bytes"
	"io"
	"os"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
	"github.com/go-json-experiment/json/jsontext"
)

// benchmarkRow is the sample's contact with what newer answers have besides, as
// compact as the service sends it: 2.7 KB.
func benchmarkRow(b testing.TB) []byte {
	b.Helper()
	page, err := os.ReadFile("testdata/sample-page.json")
	if err != nil {
		b.Fatal(err)
	}
	row := jsontext.Value(sampleRows(b, page)[1])
	if err := row.Compact(); err != nil {
		b.Fatal(err)
	}
	more := `,"surveyType":"csat","csatScore":5,"csatFeedback":"good","npsScore":9,"automationBotIDs":["st-06e05f6e-5fd0-58fa-8e16-7e7c33ac0001"],` +
		`"smartStatus":"CLOSED","reason":"Resolved","disconnectingEvent":"Agent Hangup","errorDetails":"","skills":[],"userleveltags":[],` +
		`"sessionleveltags":[{"name":"callerNumber","value":"+13215550100"}]}`
	return append(bytes.TrimSuffix(row, []byte("}")), more...)
}

// TestBenchmarkRowIsOrdinary: BenchmarkRow stops on any other, and is not run by go test.
func TestBenchmarkRowIsOrdinary(t *testing.T) {
	_, record, err := passage(testEncoder(t), benchmarkRow(t))
	if err != nil || len(record.Unmapped) > 0 {
		t.Errorf("%v, unmapped: %q", err, record.Unmapped)
	}
}

// BenchmarkRow compares all that is done to a row, from its bytes to the record's,
// with what no design can avoid: a bare jsontext pass over the row and hamba's
// encoding of the filled struct. The metric x/bare is the whole over their sum.
func BenchmarkRow(b *testing.B) {
	row := benchmarkRow(b)
	e := testEncoder(b)
	_, record, err := passage(e, row)
	if err != nil {
		b.Fatal(err)
	}
	if len(record.Unmapped) > 0 {
		b.Fatalf("the row is to be an ordinary one; unmapped: %q", record.Unmapped)
	}
	parsed := smartassist.ParseRow(row)
	tokens, avro := tokenPass(b, row), func() {
		if _, err := conversationFormat.encode(conversationFormat.singleObject[:], record); err != nil {
			b.Fatal(err)
		}
	}
	whole := func() { encodeRow(b, e, smartassist.ParseRow(row)) }
	for _, part := range []struct {
		name string
		do   func()
	}{
		{"tokens", tokens},
		{"avro", avro},
		{"parse", func() { smartassist.ParseRow(row) }},
		{"fingerprint", func() { parsed.Fingerprint(smartassist.Ignore{}) }},
		{"whole", whole},
	} {
		b.Run(part.name, func(b *testing.B) {
			b.SetBytes(int64(len(row)))
			b.ReportAllocs()
			for b.Loop() {
				part.do()
			}
			if part.name == "whole" {
				b.ReportMetric(fastest(whole)/(fastest(tokens)+fastest(avro)), "x/bare")
			}
		})
	}
}

// fastest returns the seconds of the fastest of many short runs: the one that was
// least disturbed by whatever else the machine does.
func fastest(do func()) float64 {
	best := time.Duration(1 << 62)
	for range 200 {
		start := time.Now()
		for range 20 {
			do()
		}
		best = min(best, time.Since(start))
	}
	return best.Seconds()
}

func tokenPass(b *testing.B, row []byte) func() {
	reader := bytes.NewReader(row)
	decoder := jsontext.NewDecoder(reader)
	return func() {
		reader.Reset(row)
		decoder.Reset(reader)
		for {
			if _, err := decoder.ReadToken(); err == io.EOF {
				return
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func encodeRow(t testing.TB, e *Encoder, r smartassist.Row) Message {
	m, err := e.Conversation(firstRevision(r))
	if err != nil {
		t.Fatal(err)
	}
	return m
}
