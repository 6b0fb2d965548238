package config

import (
	"strings"
	"testing"
)

func TestWarnings(t *testing.T) {
	for budget, want := range map[string]string{
		"": "", "1": "", "60": "",
		"61":     "SMARTASSIST_REQUESTS_PER_MINUTE is 61: the documented quota is 60, the vendor raises it on request",
		"100000": "SMARTASSIST_REQUESTS_PER_MINUTE is 100000: the documented quota is 60, the vendor raises it on request",
	} {
		c, err := load(least("SMARTASSIST_REQUESTS_PER_MINUTE", budget))
		if err != nil {
			t.Errorf("%q: %v", budget, err)
		} else if got := strings.Join(c.Warnings(), "\n"); got != want {
			t.Errorf("%q: warnings %q, want %q", budget, got, want)
		}
	}
}

// TestMisnamedRedaction: the schema's names are not the service's.
func TestMisnamedRedaction(t *testing.T) {
	for rules, want := range map[string]string{
		"/customerinfo/CustomerPhone=drop,/destinations/*/respondingAgent/email=drop": "",
		"/voicemail=drop": "REDACT: /voicemail hides nothing: voicemail is the schema's name, the service's is isVoicemail",
		"/customer/customerPhone=drop,/destinations/*/agent/email=drop": "REDACT: /customer/customerPhone hides nothing: customer is the schema's name, the service's is customerinfo\n" +
			"REDACT: /destinations/*/agent/email hides nothing: agent is the schema's name, the service's is respondingAgent",
		"/anything=drop,/metaInfo/agent~1x=drop": "",
	} {
		c, err := load(least("REDACT", rules))
		if err != nil {
			t.Errorf("%s: %v", rules, err)
		} else if got := strings.Join(c.Warnings(), "\n"); got != want {
			t.Errorf("%s: %q, want %q", rules, got, want)
		}
	}
}
