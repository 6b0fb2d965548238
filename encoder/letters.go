package encoder

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Letter is a dead letter as it was read back.
type Letter struct {
	ID      string // ce_id: 16 hex digits of the row's SHA-256
	Account string
	Key     []byte    // identity of the conversation, nil where it is not known
	Error   string    // why the row is a dead letter
	Window  string    // in which it was read: two instants in RFC 3339 with a slash between
	At      time.Time // when it was read
	Row     []byte    // as received, or what REDACT left of it
	Parts   int       // how many records held it
	// Redaction says by which rules and key the row was redacted; "": it was not.
	Redaction string
}

// ErrIncomplete means that a dead letter that was cut lacks some of its parts: retention deleted them.
var ErrIncomplete = errors.New("parts of the dead letter are missing")

// LetterReader reads dead letters of all accounts back and joins those that were cut. The zero value is ready.
type LetterReader struct {
	open map[string]*parts // by account and id
}

// parts is what came of a letter so far.
type parts struct {
	row   []byte
	count int
}

// LetterPart is what one message of the dead-letter topic says: of a whole letter, or of a part of one that was cut.
type LetterPart struct {
	Letter          // its Row is what this message holds of it
	Part, Of string // which part, from 1, and of how many; "" where the letter was not cut
}

// Letter reads a message of the dead-letter topic. It fails where the message does not say when its row was read.
func (m Message) Letter() (p LetterPart, err error) {
	p = LetterPart{Letter{
		ID: string(m.header("ce_id")), Key: m.Key, Error: string(m.header("error")), Window: string(m.header("window")),
		Row: m.Value, Parts: 1, Redaction: string(m.header("redaction")),
	}, string(m.header("part")), string(m.header("parts"))}
	source := string(m.header("ce_source"))
	if p.Account, err = url.PathUnescape(strings.TrimPrefix(source, sourcePrefix)); err != nil {
		p.Account = source
	}
	if p.At, err = time.Parse(time.RFC3339Nano, string(m.header("ce_time"))); err != nil {
		return p, fmt.Errorf("read dead letter: ce_time is not a time")
	}
	return p, nil
}

// letterID identifies a row: 16 hex digits of the SHA-256.
func letterID(row []byte) string {
	sum := sha256.Sum256(row)
	return hex.EncodeToString(sum[:8])
}

// Read takes the next message of the dead-letter topic and returns the letter that is complete with it; whole is false for all
// parts but the last. With an error it returns what the headers say, and the row as far as it is there.
func (r *LetterReader) Read(m Message) (l Letter, whole bool, err error) {
	p, err := m.Letter()
	l = p.Letter
	if p.Part != "" {
		key := l.Account + "\x00" + l.ID
		l.Row, l.Parts = r.join(key, p.Part, m.Value)
		if p.Part != p.Of {
			return l, false, nil
		}
		delete(r.open, key)
	}
	if err == nil && l.ID != letterID(l.Row) {
		err = ErrIncomplete
	}
	return l, true, err
}

// join returns the row so far and how many parts that is. Part 1 begins anew, whatever was left open.
func (r *LetterReader) join(key, part string, value []byte) ([]byte, int) {
	if r.open == nil {
		r.open = map[string]*parts{}
	}
	p := r.open[key]
	if p == nil || part == "1" {
		p = &parts{}
		r.open[key] = p
	}
	p.row = append(p.row, value...)
	p.count++
	return p.row, p.count
}
