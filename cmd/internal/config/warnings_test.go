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
