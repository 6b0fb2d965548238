package encoder

import (
	"strings"

	"github.com/convstream/convstream/poller/smartassist/rawjson"
)

// readObject reads an object's members into r. It reports false when the object
// must be kept whole. Nearly all objects are ordinary and read in one pass over
// their text; the others are read again, with care.
func (t *table[R]) readObject(rd *reader, r *R, source string) (n int, exact bool) {
	deviations, named, codes, kept := len(rd.deviations), rd.named, len(rd.codes), len(rd.kept)
	if n, ok := t.readOrdinary(rd, r, source); ok {
		return n, true
	}
	for _, pointer := range rd.kept[kept:] {
		delete(rd.unmapped, pointer)
	}
	rd.deviations, rd.named, rd.codes, rd.kept = rd.deviations[:deviations], named, rd.codes[:codes], rd.kept[:kept]
	n = rawjson.Length(source)
	return n, t.readOdd(rd, r, source[:n])
}

// readOrdinary reads an object in which no name comes twice, not even in two
// spellings. It stops, and returns false, when it meets another.
func (t *table[R]) readOrdinary(rd *reader, r *R, source string) (n int, ok bool) {
	var seen fieldSet
	expected, before := &rd.sequences[t.number], noField
	i := rawjson.Space(source, 1)
	for source[i] != '}' {
		field, spelling := expected.after(before), canonical
		name := t.names.quoted[field]
		if !strings.HasPrefix(source[i:], name) {
			n, _ := rawjson.String(source[i:])
			name = source[i : i+n]
			field, spelling = t.names.find(name)
			expected.learn(before, field)
		}
		if field != noField {
			before = field
		}
		i = rawjson.Space(source, rawjson.Space(source, i+len(name))+1) // behind the colon
		switch {
		case spelling == foreign:
			n := rawjson.Length(source[i:])
			if !rd.keepUnknown(t.path, name, source[i:i+n]) {
				return 0, false
			}
			i = next(source, i+n)
		case spelling == canonical && !seen.has(field):
			seen = seen.with(field)
			i = next(source, i+t.fields[field].readCanonical(rd, r, source[i:]))
		case spelling == variant && !seen.has(field):
			seen = seen.with(field)
			i = next(source, i+t.fields[field].readDisputed(rd, r, member{name, source[i:], field, spelling}, true))
		default:
			return 0, false
		}
	}
	return i + 1, true
}

// readOdd reads an object in which names come twice, in one spelling or in several,
// or are not text. It reports false when the object must be kept whole.
func (t *table[R]) readOdd(rd *reader, r *R, object string) bool {
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
		f := &t.fields[m.field]
		if variants.has(m.field) {
			f.readDisputed(rd, r, m, m.spelling == canonical || !canonicals.has(m.field))
		} else {
			f.readCanonical(rd, r, m.value)
		}
	}
	rd.members = rd.members[:base]
	if whole {
		rd.silent--
	}
	return !whole
}

// readCanonical reads the only member of the field, in the canonical spelling, from
// the value that the source text begins with, n bytes of it.
func (f *field[R]) readCanonical(rd *reader, r *R, source string) (n int) {
	if f.scalar {
		n, exact := f.read(rd, f.path, r, source)
		if !exact {
			up := rd.enterToken(f.token)
			rd.keep(f.path, source[:n])
			rd.leave(up)
		}
		return n // all that most members come to: where they are was not asked
	}
	up := rd.enterToken(f.token)
	n, exact := f.read(rd, f.path, r, source)
	if !exact {
		rd.keep(f.path, source[:n])
	}
	rd.leave(up)
	return n
}

// readDisputed reads a member, n bytes of m.value, that is not in the canonical
// spelling or beside one that is not. It is kept in any case, and only the typed
// field is wanted of it, unless a better member has it.
func (f *field[R]) readDisputed(rd *reader, r *R, m member, wanted bool) (n int) {
	up := rd.enterMember(m, f.token)
	n = len(m.value)
	fits := false
	if wanted {
		rd.silent++
		n, fits = f.read(rd, f.path, r, m.value)
		rd.silent--
	}
	if fits && f.scalar && m.spelling == variant { // of an object more than its name may be odd
		rd.put(Respelt, f.path, m.value[:n])
	} else {
		rd.keep(f.path, m.value[:n])
	}
	rd.leave(up)
	return n
}

// collect puts the object's members on the stack, with their fields. whole reports
// that the members cannot each be kept under a pointer of its own, because two
// have one name or a name is not text.
func (t *table[R]) collect(rd *reader, object string) (canonicals, variants fieldSet, whole bool) {
	base := len(rd.members)
	others := 0
	for name, value := range rawjson.Members(object) {
		m := member{name: name, value: value}
		m.field, m.spelling = t.names.find(name)
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

// repeated reports whether two members whose names are not canonical have the same.
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

// member is a member of an object that is being read.
type member struct {
	name, value string // source text, the name quoted; of the ordinary object's value only the start counts
	field       int    // in the table; noField if it is not there
	spelling    spelling
}

// fieldSet is a set of indices in a table.
type fieldSet uint64

func (s fieldSet) has(i int) bool      { return s>>i&1 == 1 }
func (s fieldSet) with(i int) fieldSet { return s | 1<<i }
