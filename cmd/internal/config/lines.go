package config

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/go-envparse"
)

// enoughWrong is how many wrong lines of a file are reported: one with more of them is the wrong file.
const enoughWrong = 20

// parse reads lines of VARIABLE=value, in which only settings of an account may stand, and adds what is wrong with them.
// The result is never nil. No line is quoted: those that are wrong may hold a secret anywhere.
func parse(p *problems, content []byte) map[string]string {
	values, lines := map[string]string{}, map[string]int{}
	number := 0
	for line := range bytes.Lines(bytes.TrimPrefix(content, []byte("\ufeff"))) {
		number++
		if len(p.found) >= enoughWrong {
			p.add("", "the lines from %d on were not read; expected lines of VARIABLE=value", number)
			break
		}
		name, value, err := assignment(line)
		switch first, twice := lines[name]; {
		case err != nil && groups[name] != 0:
			p.add(name, "line %d: %v", number, err)
		case err != nil:
			p.add(lineName(number), "%v", err)
		case name == "": // empty, or a comment
		case groups[name] != ofAccount:
			refuseForeign(p, number, name)
		case twice:
			p.add(name, "set twice, in lines %d and %d", first, number)
		default:
			values[name], lines[name] = value, number
		}
	}
	return values
}

func lineName(number int) string { return fmt.Sprintf("line %d", number) }

// refuseForeign says why a name is not a setting of an account. A file is ours alone, so every name that nobody knows is a slip.
func refuseForeign(p *problems, line int, name string) {
	if !p.ok(name) {
		return // reported already
	}
	if groups[name] != 0 {
		p.add(name, "line %d: a setting of the process; set it in the environment", line)
		return
	}
	const longest = 100 // far above any setting's
	if len(name) <= longest {
		switch meant, distance := closest(strings.ToUpper(name), known); {
		case distance <= nearMiss:
			p.add(name, "line %d: unknown setting; did you mean %s?", line, meant)
			return
		case nameLike.MatchString(name):
			p.add(name, "line %d: not a setting of an account; 'convstream config' lists them, and what is the process's belongs into its environment", line)
			return
		}
	}
	p.add(lineName(line), "unknown setting")
}

// nameLike matches the names that are shown. What merely stands before a "=" may be the end of a secret that was broken into
// two lines, as the padding of base64 is.
var nameLike = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`)

// assignment reads one line; name is "" for an empty one or a comment, and what stands before the "=" with an error.
func assignment(line []byte) (name, value string, err error) {
	line = bytes.TrimSpace(line)
	end := comment(line)
	before, _, _ := bytes.Cut(line[:end], []byte("="))
	name = strings.TrimSpace(strings.TrimPrefix(string(bytes.TrimSpace(before)), "export "))
	switch {
	case len(line) >= bufio.MaxScanTokenSize:
		return "", "", fmt.Errorf("longer than %d KiB", bufio.MaxScanTokenSize>>10)
	case end > 0 && end < len(line) && line[end-1] != ' ' && line[end-1] != '\t':
		return name, "", errors.New("# begins a comment; expected white space before it, or quotes around the value")
	}
	parsed, err := envparse.Parse(bytes.NewReader(line[:end]))
	if err != nil {
		return name, "", withoutValue(err)
	}
	for name, value := range parsed { // at most one
		return name, value, nil
	}
	return "", "", nil
}

// comment returns where the comment of a line begins: at the first # outside quotes; the line's length without one.
// go-envparse would cut a value there too, but in the middle of a letter if the last one takes more than a byte.
func comment(line []byte) int {
	var quoted byte // the quote that is open; 0 outside
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted == '"' && c == '\\':
			i++
		case quoted != 0:
			if c == quoted {
				quoted = 0
			}
		case c == '"' || c == '\'':
			quoted = c
		case c == '#':
			return i
		}
	}
	return len(line)
}

// withoutValue keeps those errors of go-envparse that hold no part of the line.
func withoutValue(err error) error {
	constant := []error{envparse.ErrMissingSeparator, envparse.ErrEmptyKey, envparse.ErrUnmatchedDouble, envparse.ErrUnmatchedSingle,
		envparse.ErrIncompleteEscape, envparse.ErrIncompleteHex, envparse.ErrIncompleteSur, envparse.ErrMultibyteEscape}
	if at, ok := errors.AsType[*envparse.ParseError](err); ok && slices.Contains(constant, at.Err) {
		return at.Err
	}
	return errors.New(`expected VARIABLE=value without control characters, and in double quotes only the escapes of JSON`)
}
