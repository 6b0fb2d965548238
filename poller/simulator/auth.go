package simulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// Token signs a JWT as the service's texts describe it: HS256 with the app's
// client secret, claims sub and appId, neither iat nor exp.
func Token(clientID, clientSecret string) string {
	claims, err := json.Marshal(map[string]string{"sub": "simulator", "appId": clientID})
	if err != nil {
		panic(err) // two strings always marshal
	}
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(claims)
	return signed + "." + encode(sign(signed, clientSecret))
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func sign(text, secret string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// authorize is nil for a token that is accepted.
func (c Config) authorize(token string, now time.Time) *refusal {
	switch {
	case token == "" || (c.JWT != "" || c.ClientID != "") && strings.Count(token, ".") != 2:
		return &refusal{401, codeAuth, "Invalid JWT token"}
	case c.NoScope:
		return &refusal{401, codeAuth, "Permission denied. Scope is incorrect!"}
	case c.JWT == "" && c.ClientID == "",
		c.JWT != "" && hmac.Equal([]byte(token), []byte(c.JWT)),
		c.ClientID != "" && c.verify(token, now):
		return nil
	}
	return &refusal{401, codeAuth, "Invalid SDK credentials"}
}

// verify checks algorithm, signature, and the claims, which must be spelled
// exactly so; exp is looked at where it comes.
func (c Config) verify(token string, now time.Time) bool {
	parts := strings.Split(token, ".")
	var header struct {
		Alg string `json:"alg"`
	}
	claims := map[string]any{}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !decodePart(parts[0], &header) || !decodePart(parts[1], &claims) {
		return false
	}
	if header.Alg != "HS256" || !hmac.Equal(signature, sign(parts[0]+"."+parts[1], c.ClientSecret)) {
		return false
	}
	sub, _ := claims["sub"].(string)
	app, _ := claims["appId"].(string)
	exp, limited := claims["exp"].(float64)
	return sub != "" && app == c.ClientID && (!limited || float64(now.Unix()) < exp)
}

func decodePart(part string, into any) bool {
	b, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(b, into) == nil
}
