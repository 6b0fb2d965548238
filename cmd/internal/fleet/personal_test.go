package fleet

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

// TestNothingPersonalIsTold: names, numbers and addresses of the rows that were served, and the secrets, are in no line
// of the log and on no page of the admin port, whatever goes wrong.
func TestNothingPersonalIsTold(t *testing.T) {
	const selected, secret, broken = "customerinfo,campaigninfo", "s3cr3t-of-the-app-that-signs", "Penelope Halloran"
	c := busyHour()
	c.ClientID, c.ClientSecret = "app-17", secret
	c.Extra = []json.RawMessage{
		extraRow("c-broken", `,"customerinfo":{"CustomerFirstName":"`+broken+`"},"attempt":01`),
		extraRow("c-large", `,"customerinfo":{"CustomerFirstName":"`+broken+`"},"metaInfo":"`+noise(2<<20)+`"`),
		json.RawMessage(`"` + broken + `"`),
	}
	inWorld(t, c, map[string]string{"START_FROM": "1h", "SMARTASSIST_SELECTED_FIELDS": selected}, func(w *world) {
		delete(w.env, "SMARTASSIST_JWT")
		w.env["SMARTASSIST_CLIENT_ID"], w.env["SMARTASSIST_CLIENT_SECRET"] = "app-17", secret
		stop := w.start()
		var told strings.Builder
		look := func() {
			for _, path := range []string{"/metrics", "/status", "/", "/readyz", "/healthz"} {
				_, body := w.get(path)
				told.WriteString(body)
			}
		}
		for range simulator.AllFaults { // whatever an answer says, while it is told of
			time.Sleep(3 * time.Minute)
			look()
		}
		for _, fault := range simulator.AllFaults {
			w.service.Script(fault, fault, fault)
			time.Sleep(2 * time.Minute)
			look()
		}
		w.wire.Cut("")
		time.Sleep(2 * time.Minute)
		w.wire.Mend()
		if err := stop(); err != nil {
			told.WriteString(err.Error())
		}
		told.WriteString(w.log.String())
		w.published(broken)
		needles := w.personal(strings.Split(selected, ",")...)
		needles[broken], needles[secret] = "a name in a row that fits nowhere", "the client secret"
		needles[simulator.Token("app-17", secret)] = "a token"
		for _, part := range strings.Split(simulator.Token("app-17", secret), ".")[1:] {
			needles[part] = "a part of a token"
		}
		for _, needle := range slices.Sorted(maps.Keys(needles)) {
			if at := strings.Index(told.String(), needle); at >= 0 {
				text := told.String()
				t.Errorf("%s, %q, is told: ...%s...", needles[needle], needle, text[max(0, at-150):min(len(text), at+150)])
			}
		}
	})
}

// personal are the values of members that speak of people, in all rows that the service shows now.
func (w *world) personal(selected ...string) map[string]string {
	w.t.Helper()
	found := map[string]string{}
	var collect func(name string, value any)
	collect = func(name string, value any) {
		switch v := value.(type) {
		case map[string]any:
			for name, value := range v {
				collect(name, value)
			}
		case []any:
			for _, value := range v {
				collect(name, value)
			}
		case string:
			switch strings.ToLower(name) {
			case "customerphone", "customerfirstname", "customerlastname", "customeremail", "centerphone", "email", "agentname",
				"userid", "csatfeedback", "channelspecificuserid", "caller", "callee", "dialednumber", "name":
				if len(v) >= 5 && (name != "name" || strings.Contains(v, " ")) { // tags have names too
					found[v] = name
				}
			}
		}
	}
	for row := range w.service.RowsAt(time.Now(), time.Now().Add(-3*time.Hour), time.Now(), selected...) {
		var value any
		if json.Unmarshal(row.Raw, &value) == nil {
			collect("", value)
		}
	}
	kinds := map[string]bool{}
	for _, name := range found {
		kinds[strings.ToLower(name)] = true
	}
	for _, name := range []string{"customerphone", "customerfirstname", "customerlastname", "customeremail", "email", "userid", "caller", "name"} {
		if !kinds[name] {
			w.t.Errorf("no %s among the %d personal values of the rows: the test does not look for it", name, len(found))
		}
	}
	return found
}

// published fails the test where a text is not in the dead letters: what was never read cannot be told either.
func (w *world) published(text string) {
	w.t.Helper()
	n := 0
	for _, r := range w.consume("conversations.dead-letter") {
		if strings.Contains(string(r.Value), text) {
			n++
		}
	}
	if n != 3 {
		w.t.Errorf("%d dead letters hold %q, want 3", n, text)
	}
}
