package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRefusals(t *testing.T) {
	s := serve(t, world30(1, func(c *Config) { c.StreamID = "st-1" }))
	for name, c := range map[string]struct {
		ask    ask
		status int
		msg    string
	}{
		"other path":        {ask{path: "/agentassist/api/public/x"}, 404, "Not found"},
		"wrong method":      {ask{method: http.MethodGet}, 405, "Method not allowed"},
		"no token":          {ask{header: map[string]string{"auth": ""}}, 401, "Invalid JWT token"},
		"other account":     {ask{path: Path("other")}, 400, "Invalid accountId"},
		"header and path":   {ask{header: map[string]string{"accountId": "other"}}, 400, "accountId in header does not match"},
		"stream":            {ask{header: map[string]string{"iId": "st-2"}}, 400, "Invalid iId"},
		"limit of words":    {ask{query: "limit=ten"}, 400, "Invalid limit"},
		"limit of nothing":  {ask{query: "limit=0"}, 400, "Invalid limit"},
		"negative offset":   {ask{offset: -1}, 400, "Invalid offset"},
		"no startDate":      {ask{body: map[string]any{"startDate": nil}}, 412, "required property"},
		"no zone":           {ask{body: map[string]any{"timeZoneOffset": nil}}, 412, "required property"},
		"zone of words":     {ask{body: map[string]any{"timeZoneOffset": "UTC"}}, 412, "match the schema"},
		"date of RFC 3339":  {ask{body: map[string]any{"endDate": "2025-03-04T12:00:00"}}, 412, "match format"},
		"channels no array": {ask{body: map[string]any{"channels": "voice"}}, 412, "match the schema"},
		"end before start":  {ask{from: noon, to: noon.Add(-time.Second)}, 400, "before startDate"},
		"over seven days":   {ask{from: noon, to: noon.Add(7*24*time.Hour + time.Second)}, 400, "more than seven days"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.ask.header == nil {
				c.ask.header = map[string]string{}
			}
			if _, own := c.ask.header["iId"]; !own {
				c.ask.header["iId"] = "st-1"
			}
			expectError(t, s.do(t, c.ask), c.status, c.msg)
		})
	}
	if a := s.do(t, ask{header: map[string]string{"iId": "st-1"}, from: noon, to: noon.Add(7 * 24 * time.Hour)}); a.status != 200 {
		t.Errorf("seven days: status %d", a.status)
	}
}

// expectError checks the one shape of all errors.
func expectError(t *testing.T, a answer, status int, msg string) {
	t.Helper()
	var body struct {
		Errors []struct {
			Msg  string
			Code int
		}
	}
	if err := json.Unmarshal(a.body, &body); err != nil || len(body.Errors) != 1 {
		t.Fatalf("status %d, body %s: %v", a.status, a.body, err)
	}
	if a.status != status || !strings.Contains(body.Errors[0].Msg, msg) || body.Errors[0].Code == 0 {
		t.Errorf("status %d %+v, want %d %q", a.status, body.Errors[0], status, msg)
	}
	if status == http.StatusUnauthorized && body.Errors[0].Code != 4002 {
		t.Errorf("code %d, want 4002", body.Errors[0].Code)
	}
	if a.header.Get("Date") == "" {
		t.Error("no Date")
	}
}

func TestTokens(t *testing.T) {
	signedAs := func(alg, text, secret string) string {
		signed := encode([]byte(`{"alg":"`+alg+`"}`)) + "." + encode([]byte(text))
		return signed + "." + encode(sign(signed, secret))
	}
	claims := func(text, secret string) string { return signedAs("HS256", text, secret) }
	good := `{"sub":"x","appId":"cs-1"}`
	unsigned := encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(good)) + "."
	exp := func(d time.Duration) string {
		return fmt.Sprintf(`{"sub":"x","appId":"cs-1","exp":%d}`, time.Now().Add(d).Unix())
	}
	for name, c := range map[string]struct {
		token, refused string
	}{
		"ours":            {Token("cs-1", "secret"), ""},
		"good":            {claims(good, "secret"), ""},
		"the stated one":  {"a.b.c", ""},
		"still valid":     {claims(exp(time.Minute), "secret"), ""},
		"expired":         {claims(exp(-time.Minute), "secret"), "Invalid SDK credentials"},
		"other secret":    {claims(good, "other"), "Invalid SDK credentials"},
		"other app":       {claims(`{"sub":"x","appId":"cs-2"}`, "secret"), "Invalid SDK credentials"},
		"spelled appid":   {claims(`{"sub":"x","appid":"cs-1"}`, "secret"), "Invalid SDK credentials"},
		"no sub":          {claims(`{"appId":"cs-1"}`, "secret"), "Invalid SDK credentials"},
		"says HS512":      {signedAs("HS512", good, "secret"), "Invalid SDK credentials"},
		"no signature":    {unsigned, "Invalid SDK credentials"},
		"not a token":     {"Bearer", "Invalid JWT token"},
		"with Bearer":     {"Bearer " + claims(good, "secret"), "Invalid SDK credentials"},
		"not even base64": {"?.?.?", "Invalid SDK credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, world30(1, func(cfg *Config) { cfg.JWT, cfg.ClientID, cfg.ClientSecret = "a.b.c", "cs-1", "secret" }))
			a := s.do(t, ask{header: map[string]string{"auth": c.token}})
			if c.refused != "" {
				expectError(t, a, http.StatusUnauthorized, c.refused)
			} else if a.status != http.StatusOK {
				t.Errorf("status %d: %s", a.status, a.body)
			}
		})
	}
	s := serve(t, world30(1, func(cfg *Config) { cfg.NoScope = true }))
	expectError(t, s.do(t, ask{}), http.StatusUnauthorized, "Permission denied. Scope is incorrect!")
}

func TestConfigurationErrorsComeAtOnce(t *testing.T) {
	_, err := New(Config{ClientID: "x", PerMinute: -1, Switches: Switches{Bounds: "open", Thin: 2}, Faults: Faults{Rate: map[Fault]float64{"hiccup": 0.1}}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"account id", "both or neither", "must not be negative", `bounds "open"`, "thin 2", `fault "hiccup"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %q", want, err)
		}
	}
}
