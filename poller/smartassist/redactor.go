package smartassist

import (
	"bytes"
	"encoding/hex"
	"hash"
	"slices"
	"strconv"

	"github.com/convstream/convstream/poller/smartassist/rawjson"
	"github.com/go-json-experiment/json/jsontext"
)

// identities are the members that a conversation is known by.
var identities = []string{"conversationId", "sessionId"}

// anyCase is the comparison of those for whom the case of letters does not count.
func anyCase(token, name []byte) bool { return bytes.EqualFold(token, name) }

// redactor writes rows anew, less what a Redaction takes. It walks only where a
// pointer leads, over text that is known to be JSON, and copies all else. It is
// kept for its scratch memory.
type redactor struct {
	*Redaction
	mac       hash.Hash
	out, name []byte
	changed   bool
}

// rewrite returns the row as it is left; changed is false where nothing of it was taken.
func (w *redactor) rewrite(object []byte) (left []byte, changed bool) {
	w.out, w.changed = w.out[:0], false
	w.value(object, w.root(), 0)
	if !w.changed {
		return nil, false
	}
	return bytes.Clone(w.out), true
}

// value writes a value to which the pointers p lead.
func (w *redactor) value(value []byte, p paths, depth int) {
	switch kind := rawjson.KindOf(value); {
	case p != 0 && kind == '{':
		w.object(value, p, depth)
	case p != 0 && kind == '[':
		w.array(value, p, depth)
	default:
		w.out = append(w.out, value...)
	}
}

func (w *redactor) object(object []byte, p paths, depth int) {
	w.out = append(w.out, '{')
	first := len(w.out)
	for quoted, value := range rawjson.Members(object) {
		name, plain := rawjson.Plain(quoted)
		if !plain {
			w.name, _ = rawjson.AppendUnquote(w.name[:0], quoted)
			name = w.name
		}
		next, end := w.step(p, depth, name, anyCase)
		if w.taken(end) {
			continue
		}
		w.comma(first)
		w.out = append(append(w.out, quoted...), ':')
		switch {
		case end == none:
			w.value(value, next, depth+1)
		case depth == 0 && isIdentity(name):
			w.identity(value)
		default:
			w.hash(value)
		}
	}
	w.out = append(w.out, '}')
}

func (w *redactor) array(array []byte, p paths, depth int) {
	w.out = append(w.out, '[')
	first, index := len(w.out), int64(0)
	for value := range rawjson.Elements(array) {
		w.name = strconv.AppendInt(w.name[:0], index, 10)
		index++
		next, end := w.step(p, depth, w.name, anyCase)
		if w.taken(end) {
			continue
		}
		if w.comma(first); end == none {
			w.value(value, next, depth+1)
		} else {
			w.hash(value)
		}
	}
	w.out = append(w.out, ']')
}

// comma writes one, unless what comes is the first of an object or array.
func (w *redactor) comma(first int) {
	if len(w.out) > first {
		w.out = append(w.out, ',')
	}
}

// taken notes that a pointer has led to a value, and reports whether the value is dropped.
func (w *redactor) taken(end int) bool {
	if end == none {
		return false
	}
	w.matched[end].Add(1)
	w.changed = true
	return end < w.drops
}

func isIdentity(name []byte) bool { return slices.Contains(identities, string(name)) }

// identity writes what a conversation is known by from now on. What is neither text
// nor a number was not known by it, and must not become one that others share.
func (w *redactor) identity(value []byte) {
	if kind := rawjson.KindOf(value); kind != '"' && kind != '0' {
		value = []byte("null")
	}
	w.hash(value)
}

// hash writes the hash of a value; null and "" as they are.
func (w *redactor) hash(value []byte) {
	if string(value) == "null" || string(value) == `""` {
		w.out = append(w.out, value...)
		return
	}
	w.mac.Reset()
	w.mac.Write(w.canonical(value))
	var sum [64]byte
	w.out = append(w.out, '"')
	w.out = hex.AppendEncode(w.out, w.mac.Sum(sum[:0])[:16])
	w.out = append(w.out, '"')
}

// canonical returns what is hashed of a value, the same for equal values.
func (w *redactor) canonical(value []byte) []byte {
	switch rawjson.KindOf(value) {
	case '"':
		content, exact := rawjson.AppendUnquote(w.name[:0], value)
		if w.name = content; exact {
			return content
		}
	case '{', '[':
		v := jsontext.Value(bytes.Clone(value))
		if v.Format(jsontext.ReorderRawObjects(true), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) == nil {
			return v
		}
	}
	return value
}
