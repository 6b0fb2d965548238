package encoder

import (
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/poller/smartassist/rawjson"
)

// reader is one reading of a row into a Conversation: what is kept so far, where
// in the row it is, and the memory. It is reused: nothing of it outlives the
// encoding of its record.
type reader struct {
	record   Conversation
	unmapped map[string]string // becomes record.Unmapped
	kept     []string          // its keys, in the order they were put there

	deviations []Deviation
	named      int // how many of them are unknown members that are named
	codes      []Code

	path   []byte // JSON pointer of where the reading is
	silent int    // > 0 inside of an object that is kept whole: nothing is kept by itself

	metaInfo []byte // the row's, whose length is known

	members []member // a stack: the members of the objects around
	scratch []byte
	memory  memory
	// sequences outlive the row: the next one is likely to be of the same make.
	sequences [maxTables]sequence
}

var readers = sync.Pool{New: func() any { return &reader{unmapped: map[string]string{}} }}

// maxPooled bounds the memory that a reader of an unusual row may take with it
// into the pool.
const maxPooled = 1 << 10

func newReader() *reader { return readers.Get().(*reader) }

func (rd *reader) free() {
	rd.record = Conversation{}
	if len(rd.unmapped) > maxPooled || cap(rd.members) > maxPooled || cap(rd.scratch) > maxPooled<<6 {
		return
	}
	clear(rd.unmapped)
	clear(rd.members[:cap(rd.members)])
	rd.deviations, rd.named, rd.codes, rd.kept, rd.path, rd.silent = nil, 0, nil, rd.kept[:0], rd.path[:0], 0
	rd.metaInfo, rd.members = nil, rd.members[:0]
	rd.memory.reset()
	readers.Put(rd)
}

// row reads a whole row. The strings of the record are parts of it, where the row
// has them as they are: one piece of memory for nearly all.
func (rd *reader) row(row smartassist.Row) {
	rd.record.Unmapped = rd.unmapped
	rd.metaInfo = row.MetaInfo
	source := string(row.Raw)
	if _, exact := conversationFields.readObject(rd, &rd.record, source); !exact {
		rd.keep("", source)
	}
}

// keep keeps a value that does not fit its field in unmapped.
func (rd *reader) keep(path, value string) { rd.put(Misfit, path, value) }

// put writes the source text of the value the reading is at into unmapped.
func (rd *reader) put(kind DeviationKind, path, value string) {
	if rd.silent > 0 {
		return
	}
	pointer := string(rd.path)
	rd.deviations = append(rd.deviations, Deviation{kind, path, pointer, typeOf(value)})
	rd.kept = append(rd.kept, pointer)
	rd.unmapped[pointer] = escapeBroken(value)
}

// maxUnknown and maxUnknownLength bound the names of unknown members that a message lists.
const maxUnknown, maxUnknownLength = 16, 64

// keepUnknown keeps a member that no table knows. It reports false, and keeps
// nothing, when there was one of that name before.
func (rd *reader) keepUnknown(path, name, value string) bool {
	if rd.silent > 0 {
		return true
	}
	decoded, _ := rawjson.Unquote(name)
	up := rd.enter(decoded)
	defer rd.leave(up)
	if _, repeated := rd.unmapped[string(rd.path)]; repeated {
		return false
	}
	rd.put(UnknownMember, rd.nameUnknown(path, decoded), value)
	return true
}

// nameUnknown returns the name of an unknown member, "" if there are enough of them.
func (rd *reader) nameUnknown(path, name string) string {
	if rd.named == maxUnknown {
		return ""
	}
	rd.named++
	if path != "" {
		name = path + "." + name
	}
	if len(name) > maxUnknownLength {
		name = strings.ToValidUTF8(name[:maxUnknownLength], "")
	}
	return strings.Clone(name)
}

// The enter functions move the reading down; leave takes what they gave and moves
// it up again.
func (rd *reader) enterMember(m member, token string) (up int) {
	if m.spelling == variant {
		name, _ := rawjson.Unquote(m.name)
		return rd.enter(name)
	}
	return rd.enterToken(token)
}

func (rd *reader) enterToken(token string) (up int) {
	up = len(rd.path)
	rd.path = append(rd.path, token...)
	return up
}

func (rd *reader) enterElement(i int) (up int) {
	up = len(rd.path)
	rd.path = strconv.AppendInt(append(rd.path, '/'), int64(i), 10)
	return up
}

func (rd *reader) enter(name string) (up int) {
	up = len(rd.path)
	rd.path = appendToken(rd.path, name)
	return up
}

func (rd *reader) leave(up int) { rd.path = rd.path[:up] }

// value is a JSON value: its source text, of a string also the form.
type value struct {
	source string
	form   rawjson.Form
}

// valueAt returns the value that the source text, found valid, begins with.
func (rd *reader) valueAt(source string) value {
	if n, form := rawjson.String(source); n > 0 {
		return value{source[:n], form}
	}
	return value{source: source[:rd.length(source)]}
}

// length is [rawjson.Length]. Text that begins with the text of a whole object
// begins with that object: so metaInfo is found without counting its brackets.
func (rd *reader) length(source string) int {
	if n := len(rd.metaInfo); n > 0 && n <= len(source) && source[0] == '{' && source[:n] == string(rd.metaInfo) {
		return n
	}
	return rawjson.Length(source)
}

// content returns what a string says; ok is false when that
// is not text and U+FFFD stands in for a part of it.
func (rd *reader) content(v value) (content string, ok bool) {
	inner := v.source[1 : len(v.source)-1]
	if v.form == 0 || v.form == rawjson.Wide && utf8.ValidString(inner) {
		return inner, true
	}
	rd.scratch, ok = rawjson.AppendUnquote(rd.scratch[:0], v.source)
	return string(rd.scratch), ok
}
