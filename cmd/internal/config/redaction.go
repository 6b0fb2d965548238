package config

import (
	"fmt"

	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/poller/smartassist/secret"
)

// Redaction says what is taken out of rows before anything else sees them.
type Redaction struct {
	Redact    []string      // pointer=drop and pointer=hash
	RedactKey secret.Secret // of the hashes
}

func (r *Redaction) settings() []*setting {
	key := passwordOf("REDACT_KEY", &r.RedactKey)
	return []*setting{
		{name: "REDACT", value: of(&r.Redact, list), check: r.checkRules,
			doc: "comma-separated `pointer=drop` and `pointer=hash`: JSON Pointers (`*` for any index or name, letters in any case) to what never leaves the worker as it is, see [personal data](PERSONAL-DATA.md). Not `channel`, `finalStatus` and `sessionStartTime`; `conversationId` and `sessionId` only hashed. A change publishes conversations that are read again once more"},
		{name: "REDACT_KEY", value: key.direct(),
			doc: "key of the hashes, at least 16 characters, the same for all replicas. Another key changes every hash; where `conversationId` or `sessionId` is hashed, what is read again is published as new conversations"},
		{name: "REDACT_KEY_FILE", value: key.path(), check: r.checkKey,
			doc: "a file that holds the key instead; read when the account starts, not when it changes"},
	}
}

func (r *Redaction) checkRules(p *problems) {
	if _, err := smartassist.ParseRedaction(r.Redact); err != nil {
		p.add("REDACT", "%v", err)
	}
}

// checkKey looks at the key even where nothing is hashed: an account's file may hash.
func (r *Redaction) checkKey(p *problems) {
	if !p.ok("REDACT", "REDACT_KEY", "REDACT_KEY_FILE") {
		return
	}
	rules, err := smartassist.ParseRedaction(r.Redact)
	if err != nil {
		return // as checkRules says
	}
	p.require(r.RedactKey.IsSet() || !rules.Hashes(), "REDACT_KEY", "required, because REDACT has rules that hash; expected a secret text, as from openssl rand -hex 32 (or REDACT_KEY_FILE)")
	if !r.RedactKey.IsSet() {
		return
	}
	key, err := r.RedactKey.Read()
	if err == nil {
		_, err = rules.WithKey(key)
	}
	if err != nil {
		p.add(r.RedactKey.Variable(), "%v", err)
	}
}

// Rules are those of REDACT, with their key.
func (r Redaction) Rules() (*smartassist.Redaction, error) {
	rules, err := smartassist.ParseRedaction(r.Redact)
	if err != nil {
		return nil, fmt.Errorf("REDACT: %w", err)
	}
	if !rules.Hashes() {
		return rules, nil
	}
	key, err := r.RedactKey.Read()
	if err != nil {
		return nil, err
	}
	if rules, err = rules.WithKey(key); err != nil {
		return nil, fmt.Errorf("%s: %w", r.RedactKey.Variable(), err)
	}
	return rules, nil
}
