package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestCheck: where nothing listens it fails, and says so in lines for people and as one object.
func TestCheck(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := convstream(t, valid, "check")
	if code != exitFailed || !strings.Contains(stdout, "FAIL  brokers") || !strings.Contains(stdout, "FAIL  service") || !strings.Contains(stderr, "check: 2 failed") {
		t.Errorf("exit %d, said %q, stdout\n%s", code, stderr, stdout)
	}
	code, stdout, _ = convstream(t, valid, "check", "--json")
	var report struct{ OK *bool }
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != exitFailed || report.OK == nil || *report.OK {
		t.Errorf("exit %d, %v, stdout\n%s", code, err, stdout)
	}
	code, stdout, stderr = convstream(t, nil, "check", "--json")
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != exitUsage || *report.OK || !strings.Contains(stdout, `"subject": "KAFKA_BROKERS"`) {
		t.Errorf("wrong settings: exit %d, %v, said %q, stdout\n%s", code, err, stderr, stdout)
	}
}
