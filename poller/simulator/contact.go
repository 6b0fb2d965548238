package simulator

import "strconv"

// outcome is how a human conversation ended, as the service's words say it.
type outcome struct {
	final, smart, event string
	answered            bool
}

var outcomes = []outcome{
	{"CLOSED", "CLOSED", "Agent Hangup", true}, {"CLOSED", "CLOSED", "User Hangup", true},
	{"CLOSED", "CLOSED", "Agent Closed", true}, {"CLOSED", "TERMINATED", "System Hangup", true},
	{"CLOSED", "CLOSED", "", true}, {"CLOSED", "CLOSED", "User Hangup", true},
	{"USER ABANDONED", "ABANDONED WITH AGENT", "User Hangup", false},
	{"Dropped", "CLOSED AT BOT", "Bot Hangup", false},
	{"CLOSED", "", "System Hangup", true},
}

// contact is a human conversation's row: the common part, then what its stage knows.
type contact struct {
	*text
	w  *cast
	r  *row
	v  view
	st stage
	t  timeline
	d  dice
	traits
}

// writeContact appends the row's JSON object to t.
func (w *cast) writeContact(t *text, r *row, v view, st stage, tl timeline) {
	c := contact{text: t, w: w, r: r, v: v, st: st, t: tl}
	c.traits, c.d = w.contactTraits(r)
	c.open("", '{')
	c.head()
	c.remarks()
	c.meta()
	c.when()
	c.soft("channelSpecificUserId", w.account+"/korevg/"+r.userID()[2:])
	c.soft("userId", r.userID())
	c.destinations()
	c.survey()
	c.extras()
	c.close('}')
}

func (c *contact) head() {
	c.str("conversationId", c.r.conversationID())
	c.str("sessionId", c.r.sessionID())
	c.soft("channel", c.channelAt(c.st))
	c.voicemail()
	c.soft("Direction", c.direction)
	final, smart, event := "TRANSIENT_OPEN", "", ""
	if c.st >= ended {
		final, smart, event = c.outcome.final, c.outcome.smart, c.outcome.event
	}
	c.str("finalStatus", final)
	c.soft("smartStatus", smart)
	if c.older {
		c.soft("Reason", pick(&c.d, reasons))
	} else {
		c.soft("reason", pick(&c.d, reasons))
	}
	c.soft("disconnectingEvent", event)
	if c.outcome.final == "Dropped" {
		c.soft("errorDetails", "SIP 480 temporarily unavailable")
	}
	c.soft("botId", c.bot)
	c.strs("automationBotIDs", c.w.bots[:c.drift("automationBotIDs")%3]...)
}

// voicemail drifts between two spellings and a boolean.
func (c *contact) voicemail() {
	left := !c.outcome.answered && c.st >= ended
	switch x := c.drift("isVoicemail"); {
	case x < 20:
	case x < 30:
		c.raw("isVoicemail", "null")
	case x < 300:
		c.raw("isVoicemail", strconv.FormatBool(left))
	case left:
		c.str("isVoicemail", "YES")
	default:
		c.str("isVoicemail", "NO")
	}
}

func (c *contact) remarks() {
	if c.st < wrappedUp {
		c.strs("dispositions")
		c.strs("dispositionRemarks")
		return
	}
	first, second := pick(&c.d, dispositionCodes), pick(&c.d, dispositionCodes)
	c.strs("dispositions", []string{first, second}[:1+c.drift("dispositions")%2]...)
	note, summary := pick(&c.d, remarks), pick(&c.d, remarks)
	if c.st < summarised {
		c.strs("dispositionRemarks", note)
		return
	}
	c.strs("dispositionRemarks", note, summary)
}

func (c *contact) when() {
	if x := c.drift("session times"); x < 4 { // absent, or of a wrong type
		c.raw("sessionStartTime", "null")
		return
	} else if x < 8 {
		return
	}
	end := c.r.start
	if c.st >= ended {
		end = c.r.end
	}
	c.clock("sessionStartTime", c.r.start)
	c.clock("sessionEndTime", end)
}

// survey comes hours later, when it comes.
func (c *contact) survey() {
	if c.st < surveyed {
		return
	}
	kind := pick(&c.d, []string{"csat", "csat", "nps", "likeDislike"})
	c.str("surveyType", kind)
	switch kind {
	case "csat":
		c.number("csatScore", c.d.between(1, 5))
		c.soft("csatFeedback", pick(&c.d, []string{"", "Great!", "Trop d'attente…", "ありがとう", "n/a"}))
	case "nps":
		c.number("npsScore", c.d.between(0, 10))
	default:
		c.number("likeDislikeScore", c.d.between(0, 1))
	}
}

// extras are what has to be asked for, and what nobody has told us of.
func (c *contact) extras() {
	d := roll(c.r.id, streamExtras)
	first, last := pick(&d, firstNames), pick(&d, lastNames)
	if c.v.selected.has("skills") {
		c.strs("skills", skills[:d.n(4)]...)
	}
	if c.v.selected.has("customerinfo") {
		c.customer(&d, first, last)
	}
	if c.v.selected.has("userleveltags") {
		c.tags("userleveltags", [2]string{"tier", "gold"}, [2]string{"город", "Київ"})
	}
	if c.v.selected.has("sessionleveltags") {
		c.tags("sessionleveltags", [2]string{"intent", pick(&d, reasons)})
	}
	if c.v.selected.has("campaigninfo") && c.channel == "campaign" {
		c.campaign(&d)
	}
	switch c.drift("unknown fields") % 20 {
	case 0:
		c.raw("sentimentScore", "-0.250")
	case 1:
		c.raw("transfer", `{"count":"2","path":["qu",null,{"at":1.0E+2}]}`)
	case 2:
		c.raw("language", `"pt-BR"`)
	}
}

func (c *contact) customer(d *dice, first, last string) {
	c.open("customerinfo", '{')
	c.soft("CustomerPhone", phone(d))
	c.soft("CenterPhone", phone(d))
	c.soft("CustomerFirstName", first)
	c.soft("CustomerLastName", last)
	c.soft("CustomerEmail", "customer"+strconv.FormatInt(d.n(1e6), 10)+"@mail.example")
	c.close('}')
}

func (c *contact) tags(name string, tags ...[2]string) {
	c.open(name, '[')
	for _, tag := range tags {
		c.open("", '{')
		c.str("name", tag[0])
		c.str("value", tag[1])
		c.close('}')
	}
	c.close(']')
}

func (c *contact) campaign(d *dice) {
	c.open("campaigninfo", '{')
	c.str("campaignName", "Spring offer")
	c.str("campaignId", guid(d, "cd-", 7))
	c.str("campaignInstanceId", guid(d, "cd-", 7))
	c.str("campaignDialingListId", guid(d, "cd-", 7))
	if d.chance(0.3) {
		c.str("attempt", "")
	} else {
		c.number("attempt", d.between(1, 5))
	}
	c.soft("contactStatus", "Connected")
	c.zulu("campaignRunDate", c.r.start-c.r.start%(60*minute))
	c.strs("contactListName", "list A", "Liste Ä")
	c.close('}')
}

// phone is a number of the ranges that are set aside for fiction.
func phone(d *dice) string {
	return "+1" + strconv.FormatInt(d.between(201, 989), 10) + "55501" + strconv.FormatInt(d.between(10, 99), 10)
}
