package fleet

import (
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
)

var redactedRows = flag.Int("redacted-rows", 1500, "how many rows TestNothingRedactedIsAnywhere generates")

const redactKey = "r3dact-key-of-the-tests-0123456789"

// everythingSelected are the fields that have to be asked for.
const everythingSelected = "customerinfo,campaigninfo,userleveltags,sessionleveltags,skills,snoozeinfo"

// rulesOf is a value of REDACT from the page about personal data: the n-th.
func rulesOf(t *testing.T, n int) string {
	t.Helper()
	page, err := os.ReadFile("../../../deploy/PERSONAL-DATA.md")
	if err != nil {
		t.Fatal(err)
	}
	lists := regexp.MustCompile("(?s)```\nREDACT=(.*?)\n(?:REDACT_KEY|```)").FindAllStringSubmatch(string(page), -1)
	if len(lists) <= n {
		t.Fatalf("%d lists on the page", len(lists))
	}
	return strings.ReplaceAll(lists[n][1], "\n", "")
}

// needles are texts to look for, many at once.
type needles struct {
	what  map[string]string             // needle -> what it is
	heads map[[needleHead]byte][]string // by how they begin
}

// needleHead is the least length of a needle: shorter texts are found everywhere.
const needleHead = 6

func newNeedles(what map[string]string) needles {
	n := needles{what: what, heads: map[[needleHead]byte][]string{}}
	for text := range what {
		if len(text) < needleHead {
			panic("a needle is too short: " + text)
		}
		head := [needleHead]byte([]byte(text))
		n.heads[head] = append(n.heads[head], text)
	}
	return n
}

// in returns the needles that stand in a text.
func (n needles) in(text []byte) (found []string) {
	for i := 0; i+needleHead <= len(text); i++ {
		for _, needle := range n.heads[[needleHead]byte(text[i:])] {
			if len(text)-i >= len(needle) && string(text[i:i+len(needle)]) == needle {
				found = append(found, needle)
			}
		}
	}
	return found
}

// reasons are what the simulator gives as reasons, which are not redacted; its free texts may be one of them.
var reasons = []string{"billing", "technical", "Cancellation", "order status", "kündigung"}

// personalValues adds the texts that rows hold of people: under members of these names, and all within.
func personalValues(row []byte, found map[string]string) {
	var value any
	if json.Unmarshal(row, &value) != nil {
		return
	}
	var collect func(name string, value any)
	collect = func(name string, value any) {
		switch v := value.(type) {
		case map[string]any:
			for member, value := range v {
				switch strings.ToLower(member) {
				case "customerphone", "centerphone", "customerfirstname", "customerlastname", "customeremail", "email", "agentid", "agentnotes", "userid",
					"csatfeedback", "channelspecificuserid", "caller", "callee", "dialednumber", "identities", "dispositionremarks", "customdata", "errordetails":
					collect(member, value)
				case "reason", "skills", "type": // not of a person, though free text holds the same words
				case "name":
					if _, tag := v["value"]; !tag {
						collect(member, value)
					}
				default:
					collect(name, value)
				}
			}
		case []any:
			for _, value := range v {
				collect(name, value)
			}
		case string:
			if name != "" && len(v) >= needleHead && !slices.Contains(reasons, v) {
				found[v] = name
			}
		}
	}
	collect("", value)
}

// TestNothingRedactedIsAnywhere: of many generated rows, broken ones among them and what cannot be split, nothing that REDACT takes is
// in any topic, key, header, log or page of the admin port; all else is.
func TestNothingRedactedIsAnywhere(t *testing.T) {
	long(t)
	for list, name := range map[int]string{1: "dropped", 2: "hashed"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nothingRedactedIsAnywhere(t, rulesOf(t, list))
		})
	}
}

func nothingRedactedIsAnywhere(t *testing.T, rules string) {
	const rowsAMinute, broken = 600, "Penelope Halloran"
	history := time.Duration(*redactedRows) * time.Minute / rowsAMinute
	c := simulator.Config{
		History: history, PerMinute: rowsAMinute, Until: bubble, Forgetful: *redactedRows > 10_000,
		Extra:  []json.RawMessage{json.RawMessage(`"` + broken + `"`), extraRow("c-broken", `,"customerinfo":{"CustomerFirstName":"`+broken+`"},"attempt":01`)},
		Faults: simulator.Faults{Poison: 0.01, BadSeconds: []simulator.BadSecond{{At: bubble.Add(-history / 2), Kind: simulator.StrayQuote}}},
	}
	env := map[string]string{
		"START_FROM": (history + time.Minute).String(), "REREAD": "10h:1h", "SMARTASSIST_REQUESTS_PER_MINUTE": "3000", "SMARTASSIST_SELECTED_FIELDS": everythingSelected,
		"REDACT": rules, "REDACT_KEY": redactKey,
	}
	inWorld(t, c, env, func(w *world) {
		found := map[string]string{broken: "a name in a row that is not one"}
		w.trace = true
		stop := w.start()
		shown := ""
		generated := 0
		for range 2 {
			time.Sleep(20 * time.Minute)
			for _, path := range []string{"/metrics", "/status", "/", "/readyz"} {
				_, body := w.get(path)
				shown += body
			}
			now := time.Now()
			generated = 0
			for row := range w.service.RowsAt(now, bubble.Add(-history-time.Hour), now, strings.Split(everythingSelected, ",")...) {
				personalValues(row.Raw, found)
				generated++
			}
		}
		w.must(stop())
		hay := newNeedles(found)
		w.nothingOf(hay, "the log", []byte(w.log.String()))
		w.nothingOf(hay, "the admin port", []byte(shown))
		records, bytes := w.nothingInTopics(hay)
		t.Logf("%d rows, %d personal texts, %d records of %d bytes", generated, len(found), records, bytes)
		if generated < *redactedRows/2 || len(found) < generated || records < generated {
			t.Error("too few: the test shows nothing")
		}
		if n := w.log.count("have led to no value yet"); n > 1 {
			t.Errorf("the log says %d times which pointers led to nothing", n)
		}
	})
}

// nothingOf fails the test over needles in a text.
func (w *world) nothingOf(n needles, where string, text []byte) {
	w.t.Helper()
	for _, needle := range slices.Compact(slices.Sorted(slices.Values(n.in(text)))) {
		w.t.Errorf("%s, %q, is in %s", n.what[needle], needle, where)
	}
}

// nothingInTopics fails the test over needles in the records of all topics.
func (w *world) nothingInTopics(n needles) (records, bytes int) {
	w.t.Helper()
	topics := append(encoder.Topics{Prefix: "conversations."}.Conversations(), "conversations.progress", "conversations.dead-letter", "conversations.state")
	said := map[string]bool{}
	for _, r := range w.consume(topics...) {
		parts := [][]byte{r.Key, r.Value}
		for _, h := range r.Headers {
			parts = append(parts, h.Value)
		}
		for _, part := range parts {
			bytes += len(part)
			for _, needle := range n.in(part) {
				if !said[needle] && len(said) < 20 {
					w.t.Errorf("%s, %q, is in %s", n.what[needle], needle, r.Topic)
				}
				said[needle] = true
			}
		}
		records++
	}
	return records, bytes
}
