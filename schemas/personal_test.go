package schemas

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/avro"

	"github.com/convstream/convstream/poller/smartassist"
)

// What a field may hold of a person.
const (
	phone    = "telephone number"
	fullName = "name"
	email    = "e-mail address"
	personID = "id of a person"
	talkID   = "id of a conversation"
	freeText = "free text"
	anything = "anything"
)

// personal are the fields that hold something of a person, by their place in the record.
var personal = map[string]string{
	"id": talkID, "conversationId": talkID, "sessionId": talkID, "relatedConversationId": talkID, "supersedes": talkID,
	"userId": personID, "channelSpecificUserId": personID,
	"errorDetails": freeText, "csatFeedback": freeText, "dispositionRemarks": freeText,
	"customer.customerPhone": phone, "customer.centerPhone": phone, "customer.customerEmail": email,
	"customer.customerFirstName": fullName, "customer.customerLastName": fullName,
	"campaign.contactListName": freeText, "userTags[].value": anything, "sessionTags[].value": anything,
	"metaInfo": anything, "unmapped": anything,

	"destinations[].agent.agentId": personID, "destinations[].agent.name": fullName, "destinations[].agent.email": email,
	"destinations[].agent.agentNotes": freeText, "destinations[].agent.snoozeInfo": anything,
	"destinations[].agent.consultingAgents[].agentId": personID, "destinations[].agent.consultingAgents[].name": fullName,
	"destinations[].agent.consultingAgents[].email": email,
	"destinations[].agent.joinedUsers[].agentId":    personID, "destinations[].agent.joinedUsers[].name": fullName,
	"destinations[].agent.joinedUsers[].email":     email,
	"destinations[].nonRespondingAgents[].agentId": personID, "destinations[].nonRespondingAgents[].name": fullName,
	"destinations[].nonRespondingAgents[].email": email, "destinations[].nonRespondingAgents[].agentNotes": freeText,
}

// TestPersonalFieldsAreThere: what is marked is a field, and fields that say they are personal are marked.
func TestPersonalFieldsAreThere(t *testing.T) {
	fields := serviceNames(tree(Conversation))
	for at := range personal {
		if _, ok := fields[at]; !ok {
			t.Errorf("%s is marked, and not a field", at)
		}
	}
	for at := range fields {
		last := at[strings.LastIndexByte(at, '.')+1:]
		if regexp.MustCompile(`(?i)(phone|^email|customeremail|^name|firstname|lastname|agentid|notes|feedback|remarks)$`).MatchString(last) && personal[at] == "" && !strings.HasSuffix(at, "Tags[].name") {
			t.Errorf("%s is not marked", at)
		}
	}
}

// serviceNames are the service's paths of all fields, "" for those of our own.
func serviceNames(record *avro.SchemaNode) map[string]string {
	var page strings.Builder
	fieldRows(&page, "", "", record)
	out := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| (?:`([^`]+)`)? \\| `([^`]+)` \\|").FindAllStringSubmatch(page.String(), -1) {
		out[m[2]] = m[1]
	}
	return out
}

// rulesOfPage are the values of REDACT that the page about personal data shows, less the first, which explains.
func rulesOfPage(t *testing.T) (lists [][]string) {
	t.Helper()
	page, err := os.ReadFile("../deploy/PERSONAL-DATA.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)```\nREDACT=(.*?)\n(?:REDACT_KEY|```)").FindAllStringSubmatch(string(page), -1) {
		lists = append(lists, strings.Split(strings.ReplaceAll(m[1], "\n", ""), ","))
	}
	if len(lists) != 4 {
		t.Fatalf("%d lists on the page: does the form still hold?", len(lists))
	}
	return lists[1:]
}

// TestRulesOfThePage: each can be set as it stands, and those that promise it leave nothing of a person in any marked field: in
// whichever spelling its name comes, and with the members of the responding agent in the destination itself.
func TestRulesOfThePage(t *testing.T) {
	const needle = "needle-of-the-test"
	names := serviceNames(tree(Conversation))
	for i, rules := range rulesOfPage(t) {
		r, err := smartassist.ParseRedaction(rules)
		if err == nil && r.Hashes() {
			r, err = r.WithKey("the key of the test")
		}
		if err != nil {
			t.Fatalf("list %d: %v", i+1, err)
		}
		for at, what := range personal {
			if names[at] == "" || what == talkID || i == 2 && !strings.HasPrefix(at, "customer.") {
				continue
			}
			for _, path := range []string{names[at], strings.ToUpper(names[at]), strings.Replace(names[at], "respondingAgent.", "", 1)} {
				row := r.Row(smartassist.ParseRow([]byte(rowWith(path, what, needle))))
				if row.Err != nil || strings.Contains(string(row.Raw), needle) {
					t.Errorf("list %d leaves %s: %s (%v)", i+1, path, row.Raw, row.Err)
				}
			}
		}
	}
}

// rowWith is a row that has the value in one place.
func rowWith(path, what, value string) string {
	text := fmt.Sprintf("%q", value)
	if what == anything && !strings.HasSuffix(path, "alue") && !strings.HasSuffix(path, "ALUE") {
		text = `{"x":` + text + `}`
	}
	parts := strings.Split(path, ".")
	for i := len(parts) - 1; i >= 0; i-- {
		name, list := strings.CutSuffix(parts[i], "[]")
		if list {
			text = "[" + text + "]"
		}
		text = fmt.Sprintf("{%q:%s}", name, text)
	}
	return `{"sessionId":"s",` + text[1:]
}
