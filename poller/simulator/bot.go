package simulator

import "strconv"

// writeBot appends a session with an automation, or the assist side of a human
// conversation: no conversationId, no destinations.
func (w *cast) writeBot(t *text, r *row, st stage) {
	b, d := w.botTraits(r)
	t.open("", '{')
	t.str("sessionId", r.sessionID())
	if r.kind == assistRow {
		t.str("channel", b.channel)
	} else {
		t.soft("channel", b.channel)
	}
	end := r.start
	if st >= ended {
		end = r.end
	}
	t.clock("sessionStartTime", r.start)
	t.clock("sessionEndTime", end)
	if r.twin {
		t.str("botId", b.bot)
	} else {
		t.soft("botId", b.bot)
	}
	t.soft("userId", r.userID())
	w.specificUser(t, r, &d)
	t.soft("orgId", w.org)
	final, smart := "TRANSIENT_OPEN", ""
	if st >= ended {
		final = pick(&d, []string{"BotResolved", "BotResolved", "BotResolved", "Dropped"})
		smart = "CLOSED AT BOT"
	}
	t.str("finalStatus", final)
	t.soft("smartStatus", smart)
	if r.kind == botRow && d.chance(0.3) {
		t.open("metaInfo", '{')
		t.str("caller", phone(&d))
		t.raw("turns", strconv.FormatInt(d.n(40), 10))
		t.close('}')
	}
	t.close('}')
}

// specificUser links an assist row to its conversation; on a bot's row the
// channel's user id may be null.
func (w *cast) specificUser(t *text, r *row, d *dice) {
	switch {
	case r.kind == assistRow:
		t.str("channelSpecificUserId", w.account+"/agentassist/"+r.conversationID())
	case d.chance(0.2):
		t.raw("channelSpecificUserId", "null")
	default:
		t.str("channelSpecificUserId", w.account+"/"+r.userID()[2:])
	}
}
