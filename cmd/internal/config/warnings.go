package config

import "fmt"

// Warnings returns what is allowed but may not be meant, a line for each, naming the setting and holding no secret. A worker
// logs them once, when it starts.
func (c *Config) Warnings() []string {
	var warnings []string
	if c.RequestsPerMinute > documentedRequests {
		warnings = append(warnings, fmt.Sprintf("SMARTASSIST_REQUESTS_PER_MINUTE is %d: the documented quota is %d, the vendor raises it on request",
			c.RequestsPerMinute, documentedRequests))
	}
	return warnings
}
