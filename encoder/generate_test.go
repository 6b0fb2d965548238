package encoder

import (
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// The generators below make rows as JSON text: documented members with the drift
// that was seen and worse, among members of any shape.

// anyRow is an object with an identity, so that it has to be encoded.
func anyRow(t *rapid.T) []byte {
	members := documentedMembers(t, "row", conversationNames)
	members = append(members, `"sessionId":"66c97ba342aad0ced15f0001"`)
	if rapid.Bool().Draw(t, "destinations") {
		members = append(members, `"destinations":`+destinationsText(t))
	}
	return []byte(objectText(t, members))
}

var conversationNames = namesOf(conversationFields)

func namesOf[R any](t *table[R]) []string {
	var names []string
	for _, f := range t.fields {
		names = append(names, f.name)
	}
	return names
}

// documentedMembers draws members of these names, some misspelt, some twice, and
// members of other names.
func documentedMembers(t *rapid.T, label string, names []string) []string {
	var members []string
	for range rapid.IntRange(0, 8).Draw(t, label+" members") {
		canonical := rapid.SampledFrom(names).Draw(t, "name")
		name := `"` + canonical + `"`
		switch rapid.IntRange(0, 9).Draw(t, "spelling") {
		case 0:
			name = strings.ToUpper(name)
		case 1:
			name = strings.ToLower(name)
		case 2:
			name = fmt.Sprintf(`"\u%04x%s`, name[1], name[2:]) // the same name, escaped
		case 3:
			name = nameText(t)
		}
		value := memberText
		if rapid.Bool().Draw(t, "fitting") {
			value = func(t *rapid.T) string { return fittingText(t, canonical) }
		}
		members = append(members, name+":"+value(t))
	}
	return members
}

// ways tells how a member goes back to JSON, by its name.
var ways = func() map[string]way {
	all := map[string]way{}
	for _, way := range waysInCode() {
		name, kind, _ := strings.Cut(way, ", as ")
		all[name] = kind
	}
	return all
}()

// inner are the members of the objects in a member.
var inner = map[string][]string{
	"customerinfo": namesOf(customerFields), "campaigninfo": namesOf(campaignFields), "userleveltags": namesOf(userTagFields), "sessionleveltags": namesOf(sessionTagFields),
	"respondingAgent": namesOf(agentFields), "nonRespondingAgents": namesOf(nonRespondingAgentFields),
	"ConsultingAgents": namesOf(consultingAgentFields), "JoinedUsers": namesOf(joinedUserFields),
}

// fittingText is a value of the kind that the member's field holds.
func fittingText(t *rapid.T, name string) string {
	if name == "destinations" {
		return destinationsText(t)
	}
	kind, list := strings.CutPrefix(ways[name], "list of ")
	if !list {
		return fittingScalar(t, name, kind)
	}
	var elements []string
	for range rapid.IntRange(0, 3).Draw(t, "length") {
		elements = append(elements, fittingScalar(t, name, strings.TrimSuffix(kind, "s")))
	}
	return "[" + strings.Join(elements, ", ") + "]"
}

func fittingScalar(t *rapid.T, name, kind string) string {
	at := func(layout string) string {
		seconds := rapid.Int64Range(-62135596800, 253402300799).Draw(t, "seconds")
		return time.Unix(seconds, rapid.Int64Range(0, 999).Draw(t, "ms")*1e6).UTC().Format(`"` + layout + `"`)
	}
	switch kind {
	case "text":
		return nameText(t)
	case "integer":
		return fmt.Sprint(rapid.Int32().Draw(t, "integer"))
	case "boolean":
		return fmt.Sprint(rapid.Bool().Draw(t, "boolean"))
	case "YES or NO":
		return rapid.SampledFrom([]string{`"YES"`, `"NO"`}).Draw(t, "yes")
	case "local time":
		return at(localLayout)
	case "UTC time":
		return at(utcLayout)
	case "object":
		return objectText(t, documentedMembers(t, name, inner[name]))
	}
	return valueText(t, 4)
}

// memberText is a value that may suit a field, or not.
func memberText(t *rapid.T) string {
	switch rapid.IntRange(0, 7).Draw(t, "value") {
	case 0, 1, 2:
		return rapid.SampledFrom(suitable).Draw(t, "suitable")
	case 3:
		return "[" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(suitable), 0, 4).Draw(t, "elements"), " , ") + "]"
	case 4:
		names := append(namesOf(campaignFields), namesOf(customerFields)...)
		return objectText(t, documentedMembers(t, "record", append(names, "name", "value")))
	case 5:
		return `[` + objectText(t, documentedMembers(t, "tag", []string{"name", "value"})) + `]`
	}
	return valueText(t, 4)
}

var suitable = []string{
	`"voice"`, `""`, `"YES"`, `"NO"`, `"yes"`, `true`, `false`, `null`, `0`, `5`, `-0`, `-7`, `1.0`, `1e2`, `"3"`, `"007"`, `"n/a"`,
	`2147483647`, `2147483648`, `-2147483648`, `-2147483649`, `12345678901234567890123`, `1e400`, `0.1`,
	`"2024-08-24T14:48:15"`, `"2024-08-24T14:48:15Z"`, `"2024-08-24T14:48:15.123Z"`, `"2024-08-24 14:48:15"`, `"2024-02-30T00:00:00"`, `"2024-08-24T24:00:00"`,
	`"2024-08-24T14:48:60"`, `"0000-01-01T00:00:00"`, `"0001-01-01T00:00:00"`, `"9999-12-31T23:59:59"`, `"9999-12-31T23:59:59-01:00"`, `"+10000-01-01T00:00:00"`,
	`"2024-08-24T14:48:15.1234Z"`, `"2024-08-24t14:48:15"`, `"\u0032024-08-24T14:48:15"`, `"AgentSegment"`, `"Agent\u0053egment"`, `"QueueEntry"`,
	`"\ud83d\udc80"`, `"\udc80"`, `"\uDC80"`, `"\ud800"`, "\"\xff\"", "\"a\x80\\udc80\xed\xa0\x80\"", `"\\udc80"`, `"\u0000"`, `"\u2028"`, `{}`, `[]`, `[[]]`, `[null]`, `{"a":1,"a":1}`,
}

func destinationsText(t *rapid.T) string {
	var all []string
	for range rapid.IntRange(0, 3).Draw(t, "destinations") {
		members := documentedMembers(t, "destination", append(namesOf(queueEntryFields), namesOf(agentFields)...))
		if rapid.Bool().Draw(t, "typed") {
			name := rapid.SampledFrom([]string{`"destinationType"`, `"DestinationType"`, `"\u0064estinationType"`}).Draw(t, "name")
			members = append(members, name+":"+rapid.SampledFrom([]string{`"AgentSegment"`, `"QueueEntry"`, `"Agent\u0053egment"`, `7`, `null`}).Draw(t, "type"))
		}
		if rapid.Bool().Draw(t, "agent") {
			members = append(members, `"respondingAgent":`+objectText(t, documentedMembers(t, "agent", namesOf(agentFields))))
		}
		members = append(members, `"nonRespondingAgents":[`+objectText(t, documentedMembers(t, "other", namesOf(nonRespondingAgentFields)))+`,`+memberText(t)+`]`)
		all = append(all, objectText(t, members))
	}
	all = append(all, rapid.SliceOfN(rapid.SampledFrom(suitable), 0, 2).Draw(t, "odd destinations")...)
	return "[" + strings.Join(all, ",") + "]"
}

// valueText is JSON of any shape.
func valueText(t *rapid.T, depth int) string {
	kinds := 5
	if depth == 0 {
		kinds = 3
	}
	switch rapid.IntRange(0, kinds).Draw(t, "kind") {
	case 0:
		return rapid.SampledFrom(suitable).Draw(t, "scalar")
	case 1:
		return nameText(t)
	case 2:
		return rapid.StringMatching(`-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?`).Draw(t, "number")
	case 3:
		return rapid.SampledFrom([]string{"null", "true", "false"}).Draw(t, "word")
	case 4:
		var elements []string
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			elements = append(elements, valueText(t, depth-1))
		}
		return "[" + strings.Join(elements, ",") + "]"
	}
	var members []string
	for range rapid.IntRange(0, 3).Draw(t, "size") {
		members = append(members, nameText(t)+":"+valueText(t, depth-1))
	}
	return objectText(t, members)
}

// nameText is a quoted string that may be awkward in a JSON Pointer or no text.
func nameText(t *rapid.T) string {
	if rapid.Bool().Draw(t, "awkward") {
		return rapid.SampledFrom([]string{`""`, `"~"`, `"/"`, `"~1"`, `"~0"`, `"a/b~c"`, `"0"`, `"-"`, `" "`, `"\u0000"`, `"é"`, `"\u00e9"`, "\"\xfe\"",
			`"\ud800"`, `"\udc80"`, `"K"`, `"K"`, `"\u212a"`, `"reason"`, `"Reason"`, `"REASON"`}).Draw(t, "string")
	}
	inner := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "B", "/", "~", `\"`, `\\`, `\n`, `\u00e9`, "é", "💀", `\ud83d\udc80`, "\xff", "\xc3", `\udcff`, `\ud83d`}), 0, 6)
	return `"` + strings.Join(inner.Draw(t, "characters"), "") + `"`
}

func objectText(t *rapid.T, members []string) string {
	if len(members) > 1 && rapid.IntRange(0, 19).Draw(t, "duplicate") == 0 {
		members = append(members, members[0])
	}
	between := rapid.SampledFrom([]string{",", " ,\n\t"}).Draw(t, "between")
	return "{" + strings.Join(rapid.Permutation(members).Draw(t, "order"), between) + "}"
}
