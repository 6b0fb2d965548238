package config

import "testing"

// TestLoadForAsking needs nothing but what it asks with.
func TestLoadForAsking(t *testing.T) {
	c, err := LoadForAsking(from(map[string]string{"ADMIN_TOKEN": "t", "KAFKA_BROKERS": "no port", "REREAD": "never"}))
	if err != nil || given(c.AdminToken, "ADMIN_TOKEN") != "t" || c.AdminAddr != ":8080" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, env := range []map[string]string{{"ADMIN_ADDR": "nowhere"}, {"ADMIN_TOKEN": "a b"}, {"ADMIN_TOKEN": "t", "ADMIN_TOKEN_FILE": write(t, "t")}} {
		if _, err := LoadForAsking(from(env)); err == nil {
			t.Errorf("%v is taken", env)
		}
	}
}
