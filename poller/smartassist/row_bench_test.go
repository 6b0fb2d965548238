package smartassist

import (
	"strings"
	"testing"
)

// benchRow is a row of 2.7 KB with the fields of a voice conversation.
var benchRow = []byte(`{"conversationId":"c-4c93422-e5d3-4e99-9d3c-e1e302380001","sessionId":"66c9a55754638e543c370001","channel":"voice",` +
	`"isVoicemail":"NO","Direction":"Inbound","finalStatus":"CLOSED","smartStatus":"CLOSED","disconnectingEvent":"Agent Hangup",` +
	`"botId":"st-24ccdea9-de4e-5139-923f-883c53ff0001","dispositions":["resolved","billing"],"dispositionRemarks":["` + strings.Repeat("the customer had an issue. ", 20) + `"],` +
	`"metaInfo":{"caller":"+15555550100","callee":"+15555550101","callerHost":"","dialedNumber":"+15555550101","agentTransferConfig":{"skillsIds":[],` +
	`"overrideAgents":false,"overrideValues":[],"assistEvents":{"startEvent":{"isEnabled":false}},"lastIntentName":"ConnectToAgent","accountId":"65269fe0dd9c622245c10001"},` +
	`"identities":[{"val":"cs-ab30569a-ee38-5408-a0ea-43398a160001/259034b7-0d08-487d-a451-aaf5de2d0001","type":"mapped"},{"val":"65269fe0dd9c622245c10001/korevg/259034b7","type":"mapped"}]},` +
	`"sessionStartTime":"2024-08-24T14:48:15","sessionEndTime":"2024-08-24T14:50:48","channelSpecificUserId":"65269fe0dd9c622245c10001/korevg/259034b7","userId":"u-df4d1529-ae2d-58e2-8759-f748e2320001",` +
	`"destinations":[{"destinationType":"QueueEntry","queueId":"qu-77506d0-c529-4a71-a007-cc7187420001","queueName":"Default Queue","EnterTime":"2024-08-24T14:48:16","CallbackOpted":false,` +
	`"respondingAgent":{"agentId":"u-0001","name":"An Agent","email":"agent@example.com","agentNotes":["` + strings.Repeat("called back \\\"twice\\\"; ", 15) + `"],"status":"ok","assignedAt":"2024-08-24T14:48:17","acceptedTime":"2024-08-24T14:48:20",` +
	`"firstResponseTime":"2024-08-24T14:48:25","firstResponseDuration":5,"interactionEndTime":"2024-08-24T14:50:48","interactionDuration":148,"holdDuration":0,"afterCallWorkDuration":30,"ConsultingAgents":[],"JoinedUsers":[]},` +
	`"nonRespondingAgents":[]}],"automationBotIDs":["st-06e05f6e-5fd0-58fa-8e16-7e7c33ac0001"],"surveyType":"csat","csatScore":5,"csatFeedback":"good","customerinfo":{"CustomerPhone":"+15555550100","CustomerFirstName":"","CustomerEmail":null}}`)

func BenchmarkParseRow(b *testing.B) {
	b.SetBytes(int64(len(benchRow)))
	b.ReportAllocs()
	for b.Loop() {
		ParseRow(benchRow)
	}
}

func BenchmarkValid(b *testing.B) {
	b.SetBytes(int64(len(benchRow)))
	for b.Loop() {
		valid(benchRow)
	}
}

func BenchmarkFingerprint(b *testing.B) {
	b.SetBytes(int64(len(benchRow)))
	b.ReportAllocs()
	r := ParseRow(benchRow)
	for b.Loop() {
		r.Fingerprint(Ignore{})
	}
}
