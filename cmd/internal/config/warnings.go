package config

import (
	"fmt"
	"strings"

	"github.com/convstream/convstream/encoder"
)

// Warnings returns what is allowed but may not be meant, a line for each, naming the setting and holding no secret. A worker
// logs them once, when it starts.
func (c *Config) Warnings() []string {
	var warnings []string
	if c.RequestsPerMinute > documentedRequests {
		warnings = append(warnings, fmt.Sprintf("SMARTASSIST_REQUESTS_PER_MINUTE is %d: the documented quota is %d, the vendor raises it on request",
			c.RequestsPerMinute, documentedRequests))
	}
	return append(warnings, c.misnamed()...)
}

// misnamed returns the rules of REDACT that name a member as the schema does, and hide nothing.
func (r Redaction) misnamed() (warnings []string) {
	for _, rule := range r.Redact {
		pointer, _, _ := strings.Cut(rule, "=")
		for _, name := range strings.Split(pointer, "/") {
			if member := encoder.MemberOf(name); member != "" {
				warnings = append(warnings, fmt.Sprintf("REDACT: %s hides nothing: %s is the schema's name, the service's is %s", pointer, name, member))
			}
		}
	}
	return warnings
}
