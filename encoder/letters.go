package encoder

import (
	"bytes"
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
	Row     []byte    // as received
	Parts   int       // how many records held it
}

// ErrIncomplete says that a dead letter that was cut lacks some of its parts: retention deleted them.
var ErrIncomplete = errors.New("parts of the dead letter are gone")

// LetterReader reads dead letters of all accounts back and joins those that were cut. The zero value is ready.
type LetterReader struct {
	open map[string]*parts // by ce_source and ce_id
}

// parts is what came of a letter so far.
type parts struct {
	row   []byte
	count int
}

// Read takes the next message of the dead-letter topic and gives the letter that is whole with it; whole is false for all
// parts but the last. With an error it gives what the headers say, and the row as far as it is there.
func (r *LetterReader) Read(m Message) (l Letter, whole bool, err error) {
	l = Letter{
		ID: string(m.header("ce_id")), Key: m.Key, Error: string(m.header("error")), Window: string(m.header("window")),
		Row: m.Value, Parts: 1,
	}
	source := string(m.header("ce_source"))
	l.Account, err = url.PathUnescape(strings.TrimPrefix(source, sourcePrefix))
	if err != nil {
		l.Account = source
	}
	if part := m.header("part"); part != nil {
		total := m.header("parts")
		l.Row, l.Parts = r.join(source+"\x00"+l.ID, part, m.Value)
		if !bytes.Equal(part, total) {
			return l, false, nil
		}
		delete(r.open, source+"\x00"+l.ID)
	}
	if l.At, err = time.Parse(time.RFC3339Nano, string(m.header("ce_time"))); err != nil {
		return l, true, fmt.Errorf("read dead letter: ce_time is no time")
	}
	if sum := sha256.Sum256(l.Row); l.ID != hex.EncodeToString(sum[:8]) {
		return l, true, ErrIncomplete
	}
	return l, true, nil
}

// join gives the row so far and how many parts that is. Part 1 begins anew, whatever was left open.
func (r *LetterReader) join(key string, part, value []byte) ([]byte, int) {
	if r.open == nil {
		r.open = map[string]*parts{}
	}
	p := r.open[key]
	if p == nil || string(part) == "1" {
		p = &parts{}
		r.open[key] = p
	}
	p.row = append(p.row, value...)
	p.count++
	return p.row, p.count
}
