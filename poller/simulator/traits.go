package simulator

import (
	"slices"
	"strings"
)

// traits are what a row has from its beginning; filters look at them without
// writing the row.
type traits struct {
	outcome   outcome
	channel   string
	moved     bool // reaches its end in another channel
	older     bool // spells "reason" as it was until 2024: "Reason"
	bot       string
	direction string
}

func (w *cast) contactTraits(r *row) (traits, dice) {
	d := roll(r.id, streamContact)
	t := traits{
		outcome:   pick(&d, outcomes),
		channel:   pick(&d, channels),
		moved:     d.chance(0.01),
		older:     d.chance(0.1),
		bot:       pick(&d, w.bots),
		direction: "Inbound",
	}
	if t.channel == "campaign" {
		t.direction = "Outbound"
	}
	return t, d
}

func (w *cast) botTraits(r *row) (traits, dice) {
	d := roll(r.id, streamBot)
	names := channels
	if r.kind == assistRow {
		names = []string{"agentassist", "AgentAssistV2"}
	}
	t := traits{channel: pick(&d, names), bot: pick(&d, w.bots)}
	if r.twin { // the row it is the twin of is that of its session
		first, _ := w.botTraits(&row{id: r.session, kind: botRow})
		t.channel, t.bot = first.channel, w.bots[(slices.Index(w.bots, first.bot)+1)%len(w.bots)]
	}
	return t, d
}

func (t traits) channelAt(st stage) string {
	if t.moved && st >= ended {
		return "voice"
	}
	return t.channel
}

// bothDirections asks for rows of a direction, whichever: those of bots have none, but nothing says that they are left out.
const bothDirections = "Both"

// filter is what a request asks for beyond the window. An empty list asks for all.
type filter struct {
	channels, queues, bots []string
	direction              string // "", Inbound, Outbound, Both
}

func (f filter) empty() bool {
	return len(f.channels) == 0 && len(f.queues) == 0 && len(f.bots) == 0 && f.direction == ""
}

// admits compares a row with the filter. Rows that are served verbatim and poison
// rows have no traits: only a request with an empty filter gets them.
func (f filter) admits(w *cast, r *row, st stage) bool {
	var t traits
	var queue string
	switch r.kind {
	case contactRow:
		t, _ = w.contactTraits(r)
		queue = w.firstQueue(r)
	case botRow, assistRow:
		t, _ = w.botTraits(r)
	default:
		return false
	}
	channel := func(name string) bool {
		return strings.EqualFold(strings.TrimSpace(name), strings.TrimSpace(t.channelAt(st)))
	}
	return (len(f.channels) == 0 || slices.ContainsFunc(f.channels, channel)) &&
		(len(f.queues) == 0 || slices.Contains(f.queues, queue)) &&
		(len(f.bots) == 0 || slices.Contains(f.bots, t.bot)) &&
		(f.direction == "" || f.direction == bothDirections || f.direction == t.direction)
}
