package simulator

// destinations are the queues and agents the conversation went to: mostly one
// queue with the agent who answered, sometimes a second one after a transfer, and
// sometimes an agent without a queue.
func (c *contact) destinations() {
	if c.drift("destinations") < 5 {
		return
	}
	d := roll(c.r.id, streamSegment)
	direct, transferred := d.chance(0.08), d.chance(0.12)
	c.open("destinations", '[')
	if direct {
		c.segment(&d, "", c.r.start)
	} else {
		c.queueEntry(&d, c.r.start)
	}
	if transferred && c.st >= ended {
		c.queueEntry(&d, c.r.start+(c.r.end-c.r.start)/2)
	}
	c.close(']')
}

// firstQueue is the queue a contact enters first, "" for one that goes straight
// to an agent: what the filter "queues" is compared with.
func (w *cast) firstQueue(r *row) string {
	d := roll(r.id, streamSegment)
	direct, _ := d.chance(0.08), d.chance(0.12)
	if direct {
		return ""
	}
	return pick(&d, w.queues).id
}

func (c *contact) queueEntry(d *dice, entered int64) {
	q := pick(d, c.w.queues)
	c.open("", '{')
	c.str("destinationType", "QueueEntry")
	c.str("queueId", q.id)
	c.soft("queueName", q.name)
	c.clock("EnterTime", entered)
	if callback := d.chance(0.05); callback {
		c.raw("CallbackOpted", "true")
		c.zulu("CallbackOptedTime", entered+d.between(1_000, 30_000))
		if c.st >= ended {
			c.zulu("userCallbackAcceptTime", c.r.end)
		}
	}
	missed := d.chance(0.15)
	agent, other := dice{d.next()}, dice{d.next()} // each part its own: what one stage shows moves nothing of the next
	if c.st >= assigned && (c.outcome.answered || c.st < ended) {
		c.segment(&agent, "respondingAgent", entered)
	}
	c.open("nonRespondingAgents", '[')
	if missed && c.st >= assigned {
		c.missed(&other, entered)
	}
	c.close(']')
	c.close('}')
}

// missed is an agent who did not take the conversation.
func (c *contact) missed(d *dice, entered int64) {
	a := pick(d, c.w.agents)
	c.open("", '{')
	c.str("agentId", a.id)
	c.soft("name", a.name)
	c.soft("email", a.email)
	c.strs("agentNotes")
	c.clock("assignedAt", entered+500)
	c.soft("nonResponseEvent", pick(d, []string{"Rejected", "Timed out", "Missed"}))
	c.close('}')
}

// segment is an agent's part: only assignedAt while it is open.
func (c *contact) segment(d *dice, name string, entered int64) {
	a := pick(d, c.w.agents)
	assignedAt := max(entered, min(c.t.assigned, c.r.end))
	accepted := min(assignedAt+d.between(1_000, 15_000), max(assignedAt, c.r.end))
	c.open(name, '{')
	c.str("destinationType", "AgentSegment")
	c.str("agentId", a.id)
	c.soft("name", a.name)
	c.soft("email", a.email)
	if c.st >= assigned {
		c.clock("assignedAt", assignedAt)
	}
	if c.st >= ended {
		c.interaction(d, accepted)
	}
	c.close('}')
}

func (c *contact) interaction(d *dice, accepted int64) {
	first := d.between(0, 20)
	end := c.r.end + d.between(0, 60_000)
	c.str("status", "Answered")
	c.clock("acceptedTime", accepted)
	c.clock("firstResponseTime", accepted+first*1000)
	c.number("firstResponseDuration", first)
	c.clock("interactionEndTime", end)
	c.number("interactionDuration", (end-accepted)/1000)
	c.number("holdDuration", d.n(60))
	notes := []string{pick(d, remarks), pick(d, remarks)}[:d.n(3)]
	if c.st >= wrappedUp {
		c.number("afterCallWorkDuration", max(0, (c.t.wrapped-end)/1000))
		c.clock("afterCallWorkEndTime", max(end, c.t.wrapped))
	}
	if c.st < summarised {
		notes = nil
	}
	c.strs("agentNotes", notes...)
	c.consulting(d, accepted, end)
	c.joined(d, accepted, end)
	if d.chance(0.1) && c.v.selected.has("snoozeinfo") {
		c.raw("snoozeinfo", `[{"snoozedAt":"2024-08-24T11:50:19","reason":"waiting for customer"}]`)
	}
	if d.chance(0.1) {
		c.raw("agentChoseTranslate", "true")
	}
}

func (c *contact) consulting(d *dice, accepted, end int64) {
	c.open("ConsultingAgents", '[')
	if d.chance(0.1) {
		a := pick(d, c.w.agents)
		c.open("", '{')
		if d.chance(0.7) { // id and address may be missing
			c.str("agentId", a.id)
			c.str("email", a.email)
		}
		c.str("name", a.name)
		c.clock("assignedAt", accepted+5_000)
		c.clock("acceptedTime", accepted+8_000)
		c.clock("consultingEndTime", end)
		c.raw("isMerged", "false")
		c.close('}')
	}
	c.close(']')
}

func (c *contact) joined(d *dice, accepted, end int64) {
	c.open("JoinedUsers", '[')
	for range d.n(12) / 10 {
		a := pick(d, c.w.agents)
		c.open("", '{')
		c.str("agentId", a.id)
		c.str("email", a.email)
		c.str("name", a.name)
		c.clock("joinedAt", accepted+10_000)
		c.clock("end", end)
		c.close('}')
	}
	c.close(']')
}
