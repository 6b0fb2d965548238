package encoder

import "time"

// Conversation is a value of the channel topics: schemas/conversation.avsc, whose
// docs have each field's meaning, unit and service name. A nil pointer is
// Avro's null; a nil slice is an absent array, an empty one an array without
// elements. Times are UTC, whole milliseconds.
type Conversation struct {
	ID                    string            `avro:"id"`
	Kind                  string            `avro:"kind"`
	AccountID             string            `avro:"accountId"`
	Revision              int32             `avro:"revision"`
	Change                string            `avro:"change"`
	ObservedAt            time.Time         `avro:"observedAt"`
	Channel               *string           `avro:"channel"`
	ConversationID        *string           `avro:"conversationId"`
	SessionID             *string           `avro:"sessionId"`
	RelatedConversationID *string           `avro:"relatedConversationId"`
	Supersedes            *string           `avro:"supersedes"`
	SessionStartTime      *time.Time        `avro:"sessionStartTime"`
	SessionEndTime        *time.Time        `avro:"sessionEndTime"`
	FinalStatus           *string           `avro:"finalStatus"`
	SmartStatus           *string           `avro:"smartStatus"`
	Reason                *string           `avro:"reason"`
	DisconnectingEvent    *string           `avro:"disconnectingEvent"`
	ErrorDetails          *string           `avro:"errorDetails"`
	Direction             *string           `avro:"direction"`
	Voicemail             *bool             `avro:"voicemail"`
	BotID                 *string           `avro:"botId"`
	UserID                *string           `avro:"userId"`
	ChannelSpecificUserID *string           `avro:"channelSpecificUserId"`
	OrgID                 *string           `avro:"orgId"`
	SurveyType            *string           `avro:"surveyType"`
	CsatScore             *int32            `avro:"csatScore"`
	NpsScore              *int32            `avro:"npsScore"`
	LikeDislikeScore      *int32            `avro:"likeDislikeScore"`
	CsatFeedback          *string           `avro:"csatFeedback"`
	Customer              *Customer         `avro:"customer"`
	Campaign              *Campaign         `avro:"campaign"`
	MetaInfo              *string           `avro:"metaInfo"`
	Dispositions          []string          `avro:"dispositions"`
	DispositionRemarks    []string          `avro:"dispositionRemarks"`
	AutomationBotIDs      []string          `avro:"automationBotIds"`
	Skills                []string          `avro:"skills"`
	UserTags              []Tag             `avro:"userTags"`
	SessionTags           []Tag             `avro:"sessionTags"`
	Destinations          []Destination     `avro:"destinations"`
	Unmapped              map[string]string `avro:"unmapped"`
}

// Customer is the service's customerinfo.
type Customer struct {
	CustomerPhone     *string `avro:"customerPhone"`
	CenterPhone       *string `avro:"centerPhone"`
	CustomerFirstName *string `avro:"customerFirstName"`
	CustomerLastName  *string `avro:"customerLastName"`
	CustomerEmail     *string `avro:"customerEmail"`
	Direction         *string `avro:"direction"`
}

// Campaign is the service's campaigninfo.
type Campaign struct {
	CampaignName          *string    `avro:"campaignName"`
	CampaignID            *string    `avro:"campaignId"`
	CampaignInstanceID    *string    `avro:"campaignInstanceId"`
	CampaignDialingListID *string    `avro:"campaignDialingListId"`
	Attempt               *int32     `avro:"attempt"`
	ContactStatus         *string    `avro:"contactStatus"`
	CampaignRunDate       *time.Time `avro:"campaignRunDate"`
	ContactListName       []string   `avro:"contactListName"`
}

// Tag is an element of the service's userleveltags and sessionleveltags.
type Tag struct {
	Name  *string `avro:"name"`
	Value *string `avro:"value"`
}

// Destination is a queue or an agent that the conversation was transferred to.
// Agent is the responding agent of a queue; for a destinationType of
// AgentSegment it is the destination itself.
type Destination struct {
	DestinationType        *string              `avro:"destinationType"`
	QueueID                *string              `avro:"queueId"`
	QueueName              *string              `avro:"queueName"`
	EnterTime              *time.Time           `avro:"enterTime"`
	CallbackOpted          *bool                `avro:"callbackOpted"`
	CallbackOptedTime      *time.Time           `avro:"callbackOptedTime"`
	UserCallbackAcceptTime *time.Time           `avro:"userCallbackAcceptTime"`
	Agent                  *AgentSegment        `avro:"agent"`
	NonRespondingAgents    []NonRespondingAgent `avro:"nonRespondingAgents"`
}

// AgentSegment is the part of a conversation that one agent handled. Durations
// are seconds.
type AgentSegment struct {
	AgentID               *string           `avro:"agentId"`
	Name                  *string           `avro:"name"`
	Email                 *string           `avro:"email"`
	AgentNotes            []string          `avro:"agentNotes"`
	DestinationType       *string           `avro:"destinationType"`
	Status                *string           `avro:"status"`
	AssignedAt            *time.Time        `avro:"assignedAt"`
	AcceptedTime          *time.Time        `avro:"acceptedTime"`
	FirstResponseTime     *time.Time        `avro:"firstResponseTime"`
	FirstResponseDuration *int32            `avro:"firstResponseDuration"`
	InteractionEndTime    *time.Time        `avro:"interactionEndTime"`
	InteractionDuration   *int32            `avro:"interactionDuration"`
	HoldDuration          *int32            `avro:"holdDuration"`
	AfterCallWorkDuration *int32            `avro:"afterCallWorkDuration"`
	AfterCallWorkEndTime  *time.Time        `avro:"afterCallWorkEndTime"`
	ConsultingAgents      []ConsultingAgent `avro:"consultingAgents"`
	JoinedUsers           []JoinedUser      `avro:"joinedUsers"`
	SnoozeInfo            *string           `avro:"snoozeInfo"`
	AgentChoseTranslate   *bool             `avro:"agentChoseTranslate"`
}

// ConsultingAgent is a person whom the agent consulted.
type ConsultingAgent struct {
	AgentID           *string    `avro:"agentId"`
	Email             *string    `avro:"email"`
	Name              *string    `avro:"name"`
	AssignedAt        *time.Time `avro:"assignedAt"`
	AcceptedTime      *time.Time `avro:"acceptedTime"`
	ConsultingEndTime *time.Time `avro:"consultingEndTime"`
	IsMerged          *bool      `avro:"isMerged"`
}

// JoinedUser is a person who joined the conversation.
type JoinedUser struct {
	AgentID  *string    `avro:"agentId"`
	Email    *string    `avro:"email"`
	Name     *string    `avro:"name"`
	JoinedAt *time.Time `avro:"joinedAt"`
	End      *time.Time `avro:"end"`
}

// NonRespondingAgent is an agent who was assigned and did not respond.
type NonRespondingAgent struct {
	AgentID          *string    `avro:"agentId"`
	Name             *string    `avro:"name"`
	Email            *string    `avro:"email"`
	AgentNotes       []string   `avro:"agentNotes"`
	DestinationType  *string    `avro:"destinationType"`
	AssignedAt       *time.Time `avro:"assignedAt"`
	NonResponseEvent *string    `avro:"nonResponseEvent"`
}
