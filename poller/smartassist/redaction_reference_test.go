package smartassist

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/convstream/convstream/poller/smartassist/rawjson"
	"github.com/go-json-experiment/json/jsontext"
)

// tree is a JSON value as encoding/json's tokens tell it: the second, slow way to redact, which shares nothing with the first
// but the rules.
type tree struct {
	kind    byte     // { [ or, of a scalar, the first byte of its text
	names   []string // of an object's members, decoded
	parts   []tree   // members or elements
	raw     string   // of a scalar: its source text
	content string   // of a string
}

// parseNode reads a text that is valid.
func parseNode(text []byte) tree {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return readNode(d, text)
}

func readNode(d *json.Decoder, text []byte) tree {
	before := d.InputOffset()
	token, err := d.Token()
	if err != nil {
		panic(err)
	}
	n := tree{raw: strings.TrimLeft(string(text[before:d.InputOffset()]), " \t\r\n,:")}
	n.kind = n.raw[0]
	if s, ok := token.(string); ok {
		n.content = s
	}
	if n.kind != '{' && n.kind != '[' {
		return n
	}
	for d.More() {
		if n.kind == '{' {
			n.names = append(n.names, readNode(d, text).content)
		}
		n.parts = append(n.parts, readNode(d, text))
	}
	if _, err := d.Token(); err != nil {
		panic(err)
	}
	return n
}

// slowRule is one rule, taken apart.
type slowRule struct {
	tokens []string
	drop   bool
}

func slowRules(rules []string) (out []slowRule) {
	for _, rule := range rules {
		pointer, dropped := strings.CutSuffix(rule, "=drop")
		pointer = strings.TrimSuffix(pointer, "=hash")
		var tokens []string
		for _, t := range strings.Split(pointer, "/")[1:] {
			tokens = append(tokens, strings.ReplaceAll(strings.ReplaceAll(t, "~1", "/"), "~0", "~"))
		}
		out = append(out, slowRule{tokens, dropped})
	}
	return out
}

// at returns what the rules do with a value: "", "drop" or "hash". A rule for a value covers all within it.
func at(rules []slowRule, path []string) (does string) {
	for _, r := range rules {
		if len(r.tokens) != len(path) || !slices.EqualFunc(r.tokens, path, func(t, name string) bool { return t == "*" || strings.EqualFold(t, name) }) {
			continue
		}
		if r.drop {
			return "drop"
		}
		does = "hash"
	}
	return does
}

// redacted returns what the rules leave of a tree.
func (n tree) redacted(rules []slowRule, key string, path ...string) tree {
	left := n
	left.names, left.parts = nil, nil
	for i, part := range n.parts {
		name := strconv.Itoa(i)
		if n.kind == '{' {
			name = n.names[i]
		}
		below := append(path[:len(path):len(path)], name)
		switch does := at(rules, below); {
		case does == "drop":
			continue
		case does == "hash":
			identity := len(path) == 0 && (name == "conversationId" || name == "sessionId")
			if identity && part.kind != '"' && part.kind != '-' && (part.kind < '0' || part.kind > '9') {
				part = tree{kind: 'n', raw: "null"}
			}
			part = part.hashed(key)
		default:
			part = part.redacted(rules, key, below...)
		}
		left.parts = append(left.parts, part)
		if n.kind == '{' {
			left.names = append(left.names, name)
		}
	}
	return left
}

func (n tree) hashed(key string) tree {
	if n.kind == 'n' || n.raw == `""` {
		return n
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(n.said()))
	sum := hex.EncodeToString(mac.Sum(nil)[:16])
	return tree{kind: '"', raw: `"` + sum + `"`, content: sum}
}

// said is what is hashed of a value.
func (n tree) said() string {
	switch n.kind {
	case '"':
		if _, exact := rawjson.Unquote(n.raw); exact {
			return n.content
		}
		return n.raw
	case '{', '[':
		return n.canonical()
	}
	return n.raw
}

func (n tree) canonical() string {
	quote := func(s string) string {
		q, err := jsontext.AppendQuote(nil, s)
		if err != nil {
			panic(err)
		}
		return string(q)
	}
	var parts []string
	switch n.kind {
	case '"':
		return quote(n.content)
	case '{':
		order := make([]int, len(n.parts))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int {
			return slices.Compare(utf16.Encode([]rune(n.names[a])), utf16.Encode([]rune(n.names[b])))
		})
		for _, i := range order {
			parts = append(parts, quote(n.names[i])+":"+n.parts[i].canonical())
		}
		return "{" + strings.Join(parts, ",") + "}"
	case '[':
		for _, p := range n.parts {
			parts = append(parts, p.canonical())
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return n.raw
}

// equal reports whether two nodes have the same members in the same order, and the same texts.
func (n tree) equal(o tree) bool {
	return cmp.Compare(n.kind, o.kind) == 0 && slices.Equal(n.names, o.names) && slices.EqualFunc(n.parts, o.parts, tree.equal) && (n.parts != nil || n.raw == o.raw || n.kind == '{' || n.kind == '[')
}
