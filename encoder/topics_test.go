package encoder

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTopics(t *testing.T) {
	topics := Topics{Prefix: "p.", Channels: map[string]string{"chat": "chat", "telegram": "chat"}}
	if diff := cmp.Diff([]string{"p.agentassist", "p.chat", "p.other", "p.rtm", "p.voice", "p.progress", "p.dead-letter"}, topics.Published()); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]Kind{
		"p.voice": KindConversation, "p.chat": KindConversation, "p.progress": KindProgress, "p.dead-letter": KindDeadLetter, "p.state": KindState,
		topics.State(): KindState, topics.Progress(): KindProgress, topics.DeadLetters(): KindDeadLetter,
	} {
		if got := topics.Kind(name); got != want {
			t.Errorf("%s is of kind %d, want %d", name, got, want)
		}
		if got := topics.Full(topics.Short(name)); got != name {
			t.Errorf("%s became %s", name, got)
		}
	}
	for _, name := range append(topics.Published(), topics.State()) {
		if short := topics.Short(name); len(short) > longestSuffix {
			t.Errorf("%s is longer than a prefix leaves room for", short)
		}
	}
}
