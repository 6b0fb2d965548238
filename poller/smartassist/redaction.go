package smartassist

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Redaction is what is taken out of rows before anything else sees them (REDACT):
// values that JSON Pointers lead to are dropped, or replaced by a keyed hash. In
// its pointers `*` stands for any index or name, and the case of letters does not
// count: a member that is spelt otherwise says the same of a person. nil, or the
// Redaction of no rules, changes nothing.
//
// The hash of a value is the first 16 bytes of its HMAC-SHA-256 in hex, as a JSON
// string. Hashed are the content of a string; the text of a number, true or false;
// of an object or array the text without white space, its strings written in the
// shortest way and members in the order of RFC 8785, so that equal values have
// equal hashes wherever they stand. null and the empty string stay: there is
// nothing in them, and an identity that is absent must not become one.
//
// Everything else of a row stays as it was received, but for white space. What is
// no JSON object cannot be redacted, and is withheld.
type Redaction struct {
	pointers        // those that drop come first: of two that lead to a value the first counts
	drops    int    // how many drop
	id       string // see ID
	key      []byte
	matched  []atomic.Uint64 // by pointer
	source   []string        // of each pointer, as it was given
	spare    sync.Pool       // of *redactor
}

// What a rule does with the values that its pointer leads to.
const (
	dropped = "drop"
	hashed  = "hash"
)

// shortestKey is the least number of bytes in a key: who guesses it finds out
// numbers and names by trying them all.
const shortestKey = 16

// ParseRedaction compiles rules of the form pointer=drop or pointer=hash. The
// error names the first that is not one, or cannot be honoured. Where it
// [Redaction.Hashes], it cannot be used before it has a key.
func ParseRedaction(rules []string) (*Redaction, error) {
	actions := map[string]string{}
	for _, rule := range rules {
		i := max(0, strings.LastIndexByte(rule, '='))
		pointer, action := rule[:i], rule[i:]
		if action != "="+dropped && action != "="+hashed {
			return nil, fmt.Errorf("%q is not a rule; expected pointer=drop or pointer=hash, like /customerinfo/CustomerPhone=hash", rule)
		}
		if _, twice := actions[pointer]; twice {
			return nil, fmt.Errorf("%q stands there twice", pointer)
		}
		actions[pointer] = action[1:]
	}
	r := &Redaction{}
	for pointer, action := range actions {
		r.source = append(r.source, pointer)
		if action == dropped {
			r.drops++
		}
	}
	slices.SortFunc(r.source, func(a, b string) int { // drop before hash
		return cmp.Or(cmp.Compare(actions[a], actions[b]), cmp.Compare(a, b))
	})
	r.matched = make([]atomic.Uint64, len(r.source))
	var err error
	if r.pointers, err = parsePointers(r.source); err != nil {
		return nil, err
	}
	return r.keyed(nil), r.spares()
}

// needed are the members that the worker cannot do without.
var needed = []string{"channel", "finalStatus", "sessionStartTime"}

// spares reports which rule takes what the worker needs of a row.
func (r *Redaction) spares() error {
	for _, name := range needed {
		if _, end := r.step(r.root(), 0, []byte(name), anyCase); end != none {
			return fmt.Errorf("%q takes %s, without which rows cannot be routed or read again; expected pointers to other members", r.source[end], name)
		}
	}
	for _, name := range identities {
		if _, end := r.step(r.root(), 0, []byte(name), anyCase); end != none && end < r.drops {
			return fmt.Errorf("%q drops %s, by which conversations are known; expected %s=hash", r.source[end], name, r.source[end])
		}
	}
	return nil
}

// Hashes reports whether a key is needed.
func (r *Redaction) Hashes() bool { return r != nil && r.drops < len(r.source) }

// WithKey returns the same Redaction with a key. The error does not quote it.
func (r *Redaction) WithKey(key string) (*Redaction, error) {
	if len(key) < shortestKey {
		return nil, fmt.Errorf("a key of %d characters can be guessed; expected at least %d, as from openssl rand -hex 32", len(key), shortestKey)
	}
	return r.keyed([]byte(key)), nil
}

func (r *Redaction) keyed(key []byte) *Redaction {
	k := &Redaction{pointers: r.pointers, drops: r.drops, source: r.source, key: key, matched: make([]atomic.Uint64, len(r.source))}
	k.spare.New = func() any { return &redactor{Redaction: k, mac: hmac.New(sha256.New, key)} }
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%d %q", r.drops, r.source)
	k.id = hex.EncodeToString(mac.Sum(nil)[:8])
	return k
}

// ID returns 16 hex digits that are others for other rules or another key; "" where
// nothing is redacted. They say nothing of the key.
func (r *Redaction) ID() string {
	if r == nil || len(r.source) == 0 {
		return ""
	}
	return r.id
}

// Pointers returns the pointers of all rules.
func (r *Redaction) Pointers() []string { return slices.Clone(r.source) }

// Count returns how many values a pointer has led to so far.
func (r *Redaction) Count(pointer string) uint64 {
	return r.matched[slices.Index(r.source, pointer)].Load()
}

// Row returns what is left of a row.
func (r *Redaction) Row(row Row) Row {
	switch {
	case r.ID() == "":
		return row
	case row.Err != nil && !errors.Is(row.Err, ErrNoIdentity):
		return Row{Raw: withheld(row.Raw), Err: row.Err}
	}
	w := r.spare.Get().(*redactor)
	defer r.spare.Put(w)
	raw, changed := w.rewrite(row.Raw)
	if !changed {
		return row
	}
	left := ParseRow(raw)
	left.Start = row.Start // a sessionId that is hashed does not say it any more
	return left
}

// pieces redacts what an answer was taken apart into.
func (r *Redaction) pieces(p *pieces) {
	if r.ID() == "" {
		return
	}
	for i, row := range p.rows {
		p.rows[i] = r.Row(row)
	}
	if p.rest != nil {
		p.rest = withheld(p.rest)
	}
}

// What a dead letter holds instead of text that cannot be redacted begins and ends like that.
const (
	withheldHead = `{"withheld":"REDACT is set and this is not a JSON object","bytes":`
	withheldTail = `"}`
)

// withheld returns what is told of text that cannot be redacted, as JSON.
func withheld(text []byte) []byte {
	text = trimmed(text)
	return fmt.Appendf(nil, `%s%d,"sha256":"%x%s`, withheldHead, len(text), sha256.Sum256(text), withheldTail)
}

// IsWithheld reports whether the row of a dead letter is not there, because it
// could not be redacted.
func IsWithheld(raw []byte) bool {
	return bytes.HasPrefix(raw, []byte(withheldHead)) && bytes.HasSuffix(raw, []byte(withheldTail))
}
