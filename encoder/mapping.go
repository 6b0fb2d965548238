package encoder

import "time"

// The tables: for each record of the schema, the service's name of a member in
// its canonical spelling, the field that holds it, how, and where.

var conversationFields = newTable("", []field[Conversation]{
	code("channel", "channel", func(c *Conversation) **string { return &c.Channel }),
	one("conversationId", "conversationId", text, func(c *Conversation) **string { return &c.ConversationID }),
	one("sessionId", "sessionId", text, func(c *Conversation) **string { return &c.SessionID }),
	one("sessionStartTime", "sessionStartTime", localTime, func(c *Conversation) **time.Time { return &c.SessionStartTime }),
	one("sessionEndTime", "sessionEndTime", localTime, func(c *Conversation) **time.Time { return &c.SessionEndTime }),
	code("finalStatus", "finalStatus", func(c *Conversation) **string { return &c.FinalStatus }),
	code("smartStatus", "smartStatus", func(c *Conversation) **string { return &c.SmartStatus }),
	one("reason", "reason", text, func(c *Conversation) **string { return &c.Reason }),
	code("disconnectingEvent", "disconnectingEvent", func(c *Conversation) **string { return &c.DisconnectingEvent }),
	one("errorDetails", "errorDetails", text, func(c *Conversation) **string { return &c.ErrorDetails }),
	code("Direction", "direction", func(c *Conversation) **string { return &c.Direction }),
	one("isVoicemail", "voicemail", yesNo, func(c *Conversation) **bool { return &c.Voicemail }),
	one("botId", "botId", text, func(c *Conversation) **string { return &c.BotID }),
	one("userId", "userId", text, func(c *Conversation) **string { return &c.UserID }),
	one("channelSpecificUserId", "channelSpecificUserId", text, func(c *Conversation) **string { return &c.ChannelSpecificUserID }),
	one("orgId", "orgId", text, func(c *Conversation) **string { return &c.OrgID }),
	code("surveyType", "surveyType", func(c *Conversation) **string { return &c.SurveyType }),
	one("csatScore", "csatScore", integer, func(c *Conversation) **int32 { return &c.CsatScore }),
	one("npsScore", "npsScore", integer, func(c *Conversation) **int32 { return &c.NpsScore }),
	one("likeDislikeScore", "likeDislikeScore", integer, func(c *Conversation) **int32 { return &c.LikeDislikeScore }),
	one("csatFeedback", "csatFeedback", text, func(c *Conversation) **string { return &c.CsatFeedback }),
	object("customerinfo", "customer", customerFields, func(c *Conversation) **Customer { return &c.Customer }),
	object("campaigninfo", "campaign", campaignFields, func(c *Conversation) **Campaign { return &c.Campaign }),
	one("metaInfo", "metaInfo", jsonText, func(c *Conversation) **string { return &c.MetaInfo }),
	list("dispositions", "dispositions", text, func(c *Conversation) *[]string { return &c.Dispositions }),
	list("dispositionRemarks", "dispositionRemarks", text, func(c *Conversation) *[]string { return &c.DispositionRemarks }),
	list("automationBotIDs", "automationBotIds", text, func(c *Conversation) *[]string { return &c.AutomationBotIDs }),
	list("skills", "skills", text, func(c *Conversation) *[]string { return &c.Skills }),
	objects("userleveltags", "userTags", userTagFields, func(c *Conversation) *[]Tag { return &c.UserTags }),
	objects("sessionleveltags", "sessionTags", sessionTagFields, func(c *Conversation) *[]Tag { return &c.SessionTags }),
	objects("destinations", "destinations", destinations{}, func(c *Conversation) *[]Destination { return &c.Destinations }),
})

var customerFields = newTable("customer", []field[Customer]{
	one("CustomerPhone", "customerPhone", text, func(c *Customer) **string { return &c.CustomerPhone }),
	one("CenterPhone", "centerPhone", text, func(c *Customer) **string { return &c.CenterPhone }),
	one("CustomerFirstName", "customerFirstName", text, func(c *Customer) **string { return &c.CustomerFirstName }),
	one("CustomerLastName", "customerLastName", text, func(c *Customer) **string { return &c.CustomerLastName }),
	one("CustomerEmail", "customerEmail", text, func(c *Customer) **string { return &c.CustomerEmail }),
	code("Direction", "direction", func(c *Customer) **string { return &c.Direction }),
})

var campaignFields = newTable("campaign", []field[Campaign]{
	one("campaignName", "campaignName", text, func(c *Campaign) **string { return &c.CampaignName }),
	one("campaignId", "campaignId", text, func(c *Campaign) **string { return &c.CampaignID }),
	one("campaignInstanceId", "campaignInstanceId", text, func(c *Campaign) **string { return &c.CampaignInstanceID }),
	one("campaignDialingListId", "campaignDialingListId", text, func(c *Campaign) **string { return &c.CampaignDialingListID }),
	one("attempt", "attempt", integer, func(c *Campaign) **int32 { return &c.Attempt }),
	code("contactStatus", "contactStatus", func(c *Campaign) **string { return &c.ContactStatus }),
	one("campaignRunDate", "campaignRunDate", utcTime, func(c *Campaign) **time.Time { return &c.CampaignRunDate }),
	list("contactListName", "contactListName", text, func(c *Campaign) *[]string { return &c.ContactListName }),
})

var (
	userTagFields    = newTable("userTags", tagFields)
	sessionTagFields = newTable("sessionTags", tagFields)
)

var tagFields = []field[Tag]{
	one("name", "name", text, func(t *Tag) **string { return &t.Name }),
	one("value", "value", text, func(t *Tag) **string { return &t.Value }),
}

// queueMembers are the members a destination has whatever its type.
var queueMembers = []field[Destination]{
	code("destinationType", "destinationType", func(d *Destination) **string { return &d.DestinationType }),
	one("queueId", "queueId", text, func(d *Destination) **string { return &d.QueueID }),
	one("queueName", "queueName", text, func(d *Destination) **string { return &d.QueueName }),
	one("EnterTime", "enterTime", localTime, func(d *Destination) **time.Time { return &d.EnterTime }),
	one("CallbackOpted", "callbackOpted", boolean, func(d *Destination) **bool { return &d.CallbackOpted }),
	one("CallbackOptedTime", "callbackOptedTime", utcTime, func(d *Destination) **time.Time { return &d.CallbackOptedTime }),
	one("userCallbackAcceptTime", "userCallbackAcceptTime", utcTime, func(d *Destination) **time.Time { return &d.UserCallbackAcceptTime }),
	objects("nonRespondingAgents", "nonRespondingAgents", nonRespondingAgentFields, func(d *Destination) *[]NonRespondingAgent { return &d.NonRespondingAgents }),
}

// queueEntryFields is a destination whose agent is the member respondingAgent.
var queueEntryFields = newTable("destinations", append(queueMembers[:len(queueMembers):len(queueMembers)],
	object("respondingAgent", "agent", agentFields, func(d *Destination) **AgentSegment { return &d.Agent })))

// segmentFields is a destination that is the agent's segment itself. Its
// destinationType is the destination's.
var segmentFields = newTable("destinations", append(queueMembers[:len(queueMembers):len(queueMembers)],
	lift("agent", without("destinationType", agentMembers), func(d *Destination) *AgentSegment { return d.Agent })...))

var agentFields = newTable("destinations.agent", agentMembers)

var agentMembers = []field[AgentSegment]{
	one("agentId", "agentId", text, func(a *AgentSegment) **string { return &a.AgentID }),
	one("name", "name", text, func(a *AgentSegment) **string { return &a.Name }),
	one("email", "email", text, func(a *AgentSegment) **string { return &a.Email }),
	list("agentNotes", "agentNotes", text, func(a *AgentSegment) *[]string { return &a.AgentNotes }),
	code("destinationType", "destinationType", func(a *AgentSegment) **string { return &a.DestinationType }),
	code("status", "status", func(a *AgentSegment) **string { return &a.Status }),
	one("assignedAt", "assignedAt", localTime, func(a *AgentSegment) **time.Time { return &a.AssignedAt }),
	one("acceptedTime", "acceptedTime", localTime, func(a *AgentSegment) **time.Time { return &a.AcceptedTime }),
	one("firstResponseTime", "firstResponseTime", localTime, func(a *AgentSegment) **time.Time { return &a.FirstResponseTime }),
	one("firstResponseDuration", "firstResponseDuration", integer, func(a *AgentSegment) **int32 { return &a.FirstResponseDuration }),
	one("interactionEndTime", "interactionEndTime", localTime, func(a *AgentSegment) **time.Time { return &a.InteractionEndTime }),
	one("interactionDuration", "interactionDuration", integer, func(a *AgentSegment) **int32 { return &a.InteractionDuration }),
	one("holdDuration", "holdDuration", integer, func(a *AgentSegment) **int32 { return &a.HoldDuration }),
	one("afterCallWorkDuration", "afterCallWorkDuration", integer, func(a *AgentSegment) **int32 { return &a.AfterCallWorkDuration }),
	one("afterCallWorkEndTime", "afterCallWorkEndTime", localTime, func(a *AgentSegment) **time.Time { return &a.AfterCallWorkEndTime }),
	objects("ConsultingAgents", "consultingAgents", consultingAgentFields, func(a *AgentSegment) *[]ConsultingAgent { return &a.ConsultingAgents }),
	objects("JoinedUsers", "joinedUsers", joinedUserFields, func(a *AgentSegment) *[]JoinedUser { return &a.JoinedUsers }),
	one("snoozeinfo", "snoozeInfo", jsonText, func(a *AgentSegment) **string { return &a.SnoozeInfo }),
	one("agentChoseTranslate", "agentChoseTranslate", boolean, func(a *AgentSegment) **bool { return &a.AgentChoseTranslate }),
}

var consultingAgentFields = newTable("destinations.agent.consultingAgents", []field[ConsultingAgent]{
	one("agentId", "agentId", text, func(a *ConsultingAgent) **string { return &a.AgentID }),
	one("email", "email", text, func(a *ConsultingAgent) **string { return &a.Email }),
	one("name", "name", text, func(a *ConsultingAgent) **string { return &a.Name }),
	one("assignedAt", "assignedAt", localTime, func(a *ConsultingAgent) **time.Time { return &a.AssignedAt }),
	one("acceptedTime", "acceptedTime", localTime, func(a *ConsultingAgent) **time.Time { return &a.AcceptedTime }),
	one("consultingEndTime", "consultingEndTime", localTime, func(a *ConsultingAgent) **time.Time { return &a.ConsultingEndTime }),
	one("isMerged", "isMerged", boolean, func(a *ConsultingAgent) **bool { return &a.IsMerged }),
})

var joinedUserFields = newTable("destinations.agent.joinedUsers", []field[JoinedUser]{
	one("agentId", "agentId", text, func(u *JoinedUser) **string { return &u.AgentID }),
	one("email", "email", text, func(u *JoinedUser) **string { return &u.Email }),
	one("name", "name", text, func(u *JoinedUser) **string { return &u.Name }),
	one("joinedAt", "joinedAt", localTime, func(u *JoinedUser) **time.Time { return &u.JoinedAt }),
	one("end", "end", localTime, func(u *JoinedUser) **time.Time { return &u.End }),
})

var nonRespondingAgentFields = newTable("destinations.nonRespondingAgents", []field[NonRespondingAgent]{
	one("agentId", "agentId", text, func(a *NonRespondingAgent) **string { return &a.AgentID }),
	one("name", "name", text, func(a *NonRespondingAgent) **string { return &a.Name }),
	one("email", "email", text, func(a *NonRespondingAgent) **string { return &a.Email }),
	list("agentNotes", "agentNotes", text, func(a *NonRespondingAgent) *[]string { return &a.AgentNotes }),
	code("destinationType", "destinationType", func(a *NonRespondingAgent) **string { return &a.DestinationType }),
	one("assignedAt", "assignedAt", localTime, func(a *NonRespondingAgent) **time.Time { return &a.AssignedAt }),
	code("nonResponseEvent", "nonResponseEvent", func(a *NonRespondingAgent) **string { return &a.NonResponseEvent }),
})
