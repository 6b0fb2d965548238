package worker

import (
	"testing"

	"github.com/convstream/convstream/cmd/internal/config"
)

// TestSelection: what is asked for has one name, however it is written, and one that was given by a release without bots and
// direction is as it was.
func TestSelection(t *testing.T) {
	of := func(s config.Service) string { return selection(&config.Config{Account: config.Account{Service: s}}) }
	if got := of(config.Service{}); got != "9a3f2621a71fb04d" {
		t.Errorf("of everything: %s", got)
	}
	if got := of(config.Service{StreamID: "st-1", Channels: []string{"voice", "rtm"}, Queues: []string{"qu-1"}}); got != "50e6de94bdec83cd" {
		t.Errorf("of two channels and a queue: %s", got)
	}
	names := map[string]config.Service{}
	for _, s := range []config.Service{
		{}, {Bots: []string{"a"}}, {Bots: []string{"a", "b"}}, {Queues: []string{"a"}}, {Channels: []string{"a"}},
		{Direction: "Both"}, {Direction: "Inbound"}, {Direction: "Inbound", Bots: []string{"a"}},
	} {
		name := of(s)
		if other, twice := names[name]; twice {
			t.Errorf("%+v has the name of %+v", s, other)
		}
		names[name] = s
	}
	if of(config.Service{Bots: []string{"a", "b"}}) != of(config.Service{Bots: []string{"b", "a"}}) {
		t.Error("the order of bots makes another selection")
	}
}
