package encoder

import (
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/convstream/convstream/poller/smartassist/rawjson"
)

// reader is one reading of a row into a Conversation: what is kept so far, where
// in the row it is, and the memory. It is reused: nothing of it outlives the
// encoding of its record.
type reader struct {
	record   Conversation
	unmapped map[string]string // becomes record.Unmapped
	misfits  []string          // the path of each value that did not fit
	unknown  []string          // the members no table knows

	path   []byte // JSON pointer of where the reading is
	silent int    // > 0 inside of an object that is kept whole: nothing is kept by itself

	members []member // a stack: the members of the objects around
	scratch []byte
	buffer  strings.Builder // the characters of all strings of the record, in one piece of memory
	strings arena[string]
	ints    arena[int32]
	bools   arena[bool]
	times   arena[time.Time]
}

// member is a member of an object that is being read.
type member struct {
	name, value []byte // source text, the name quoted
	field       int    // in the table; -1 for none
	spelling    spelling
}

var readers = sync.Pool{New: func() any { return &reader{unmapped: map[string]string{}} }}

// maxPooled bounds the memory that a reader of an unusual row may take with it
// into the pool.
const maxPooled = 1 << 10

func newReader(row []byte) *reader {
	rd := readers.Get().(*reader)
	rd.buffer.Grow(len(row))
	return rd
}

func (rd *reader) free() {
	rd.record = Conversation{}
	if len(rd.unmapped) > maxPooled || cap(rd.members) > maxPooled || cap(rd.scratch) > maxPooled<<6 {
		return
	}
	clear(rd.unmapped)
	clear(rd.members[:cap(rd.members)])
	rd.misfits, rd.unknown, rd.path, rd.silent = nil, nil, rd.path[:0], 0
	rd.members = rd.members[:0]
	rd.buffer.Reset()
	rd.strings.reset()
	rd.ints.reset()
	rd.bools.reset()
	rd.times.reset()
	readers.Put(rd)
}

// row reads a whole row.
func (rd *reader) row(row []byte) {
	rd.record.Unmapped = rd.unmapped
	if !conversationFields.readObject(rd, &rd.record, row) {
		rd.keep("", row)
	}
}

// readObject reads an object's members into r. It reports false when the object
// must be kept whole.
func (t *table[R]) readObject(rd *reader, r *R, object []byte) bool {
	base := len(rd.members)
	canonicals, variants, whole := t.collect(rd, object)
	if whole {
		rd.silent++
	}
	for i, end := base, len(rd.members); i < end; i++ {
		m := rd.members[i]
		if m.field < 0 {
			rd.keepUnknown(t.path, m.name, m.value)
			continue
		}
		disputed := variants.has(m.field)
		t.readMember(rd, r, m, disputed, m.spelling == canonical || !canonicals.has(m.field))
	}
	rd.members = rd.members[:base]
	if whole {
		rd.silent--
	}
	return !whole
}

// readMember reads a member that the table knows. A disputed one comes in a
// spelling that is not canonical, or beside one that does: it is kept in any
// case, and only the typed field is wanted of it, unless a better member gives
// that.
func (t *table[R]) readMember(rd *reader, r *R, m member, disputed, wanted bool) {
	f := &t.fields[m.field]
	up := rd.enterMember(m, f.token)
	fits := true
	if disputed {
		rd.silent++
	}
	if wanted {
		fits = f.read(rd, f.path, r, m.value)
	}
	if disputed {
		rd.silent--
	}
	if disputed || !fits {
		rd.keep(f.path, m.value)
	}
	rd.leave(up)
}

// collect puts the object's members on the stack, with their fields. whole tells
// that the members cannot each be kept under a pointer of its own, because two
// have one name or a name is no text.
func (t *table[R]) collect(rd *reader, object []byte) (canonicals, variants fieldSet, whole bool) {
	base := len(rd.members)
	others := 0
	for name, value := range rawjson.Members(object) {
		m := member{name: name, value: value}
		m.field, m.spelling = t.find(name)
		switch {
		case m.spelling != canonical:
			others++
			whole = whole || m.spelling == unreadable
		case canonicals.has(m.field):
			whole = true
		default:
			canonicals = canonicals.with(m.field)
		}
		if m.spelling == variant {
			variants = variants.with(m.field)
		}
		rd.members = append(rd.members, m)
	}
	if others > 1 && repeated(rd.members[base:]) {
		whole = true
	}
	return canonicals, variants, whole
}

// repeated tells whether two members whose names are not canonical have the same.
func repeated(members []member) bool {
	seen := map[string]struct{}{}
	for _, m := range members {
		if m.spelling == canonical {
			continue
		}
		name, _ := rawjson.Unquote(m.name)
		if _, ok := seen[name]; ok {
			return true
		}
		seen[name] = struct{}{}
	}
	return false
}

// find looks a quoted name up.
func (t *table[R]) find(name []byte) (field int, s spelling) {
	if i := t.slots.find(name); i >= 0 && t.fields[i].name == string(name[1:len(name)-1]) {
		return i, canonical
	}
	decoded, ok := rawjson.Unquote(name)
	if !ok {
		return -1, unreadable
	}
	i, known := t.byFold[lower(decoded)]
	switch {
	case !known:
		return -1, foreign
	case t.fields[i].name == decoded:
		return i, canonical // written with escapes
	}
	return i, variant
}

// keep puts the source text of the value the reading is at into unmapped.
func (rd *reader) keep(path string, value []byte) {
	if rd.silent > 0 {
		return
	}
	if path == "" {
		path = unknownPath
	}
	rd.misfits = append(rd.misfits, path)
	rd.unmapped[rd.text(rd.path)] = rd.text(escapeBroken(value))
}

const (
	// unknownPath is the name for metrics of whatever the schema has no field for.
	unknownPath = "unknown"
	// maxUnknown and maxUnknownLength bound the names of unknown members that a message tells of.
	maxUnknown, maxUnknownLength = 16, 64
)

func (rd *reader) keepUnknown(path string, name, value []byte) {
	if rd.silent > 0 {
		return
	}
	decoded, _ := rawjson.Unquote(name)
	up := rd.enter(decoded)
	rd.keep(unknownPath, value)
	rd.leave(up)
	if len(rd.unknown) == maxUnknown {
		return
	}
	if path != "" {
		decoded = path + "." + decoded
	}
	if len(decoded) > maxUnknownLength {
		decoded = strings.ToValidUTF8(decoded[:maxUnknownLength], "")
	}
	rd.unknown = append(rd.unknown, strings.Clone(decoded))
}

// enterMember, enterElement and enter move the reading down; leave takes what
// they gave and moves it up again.
func (rd *reader) enterMember(m member, token string) (up int) {
	if m.spelling == variant {
		name, _ := rawjson.Unquote(m.name)
		return rd.enter(name)
	}
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

// content is what a quoted string says, valid until the next call; ok is false
// when that is not text and U+FFFD stands in for a part of it.
func (rd *reader) content(quoted []byte) (content []byte, ok bool) {
	if inner, plain := rawjson.Plain(quoted); plain && utf8.Valid(inner) {
		return inner, true
	}
	rd.scratch, ok = rawjson.AppendUnquote(rd.scratch[:0], quoted)
	return rd.scratch, ok
}

// text makes a string of b in the row's one piece of memory.
func (rd *reader) text(b []byte) string {
	start := rd.buffer.Len()
	rd.buffer.Write(b)
	return rd.buffer.String()[start:]
}

// arena gives out places for values of one type, a block at a time. A record
// points at some fifty of them, and lives only until it is encoded.
type arena[T any] []T

const arenaBlock = 64

func (a *arena[T]) keep(v T) *T {
	if len(*a) == cap(*a) {
		*a = make([]T, 0, arenaBlock) // pointers into the block before stay good
	}
	*a = append(*a, v)
	return &(*a)[len(*a)-1]
}

func (a *arena[T]) reset() {
	clear(*a)
	*a = (*a)[:0]
}

// fieldSet is a set of indices in a table.
type fieldSet uint64

func (s fieldSet) has(i int) bool      { return s>>i&1 == 1 }
func (s fieldSet) with(i int) fieldSet { return s | 1<<i }
