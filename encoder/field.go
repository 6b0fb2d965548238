package encoder

import (
	"slices"
	"strings"

	"github.com/convstream/convstream/poller/smartassist/rawjson"
)

// field is one line of a table: a member of the service's object, and the field
// of the record R that holds it.
type field[R any] struct {
	name   string // the service's, in the canonical spelling
	column string // the schema's, relative to the record
	path   string // the schema's, from the conversation on: a bounded name for metrics
	token  string // the last step of the member's JSON pointer: "/" and the name
	way    string // the way back to JSON, as the schema's docs name it
	scalar bool   // nothing below the member is kept by itself

	// read fills in the field, of that path, from the value that the source text begins with, n bytes of it.
	// exact reports that write restores that very value, so that its text need not be kept.
	read func(rd *reader, path string, r *R, source string) (n int, exact bool)
	// write appends the member's JSON text; it reports false, and appends nothing, when the field is null.
	write func(b *builder, r *R) bool
}

// shape is an object that is read into, and written from, a record R. The source
// begins with the object and may go on behind it; n is the object's length.
type shape[R any] interface {
	readObject(rd *reader, r *R, source string) (n int, exact bool)
	writeObject(b *builder, r *R)
}

// table is the shape of an object whose members do not depend on each other.
type table[R any] struct {
	path   string
	number int // of the table, for the reader's sequences
	fields []field[R]
	names  names // of the fields, in the same order
}

// maxFields is the number of bits in a fieldSet, maxTables that of the sequences in a reader.
const maxFields, maxTables = 64, 16

// members are the service's names of all tables, in lower case; sources have such a name for each field of the schema.
var members, sources = map[string]bool{}, map[string]string{}

// MemberOf returns the service's name of a member that the schema calls otherwise; "" for what is no such field, or is the name of some
// member too.
func MemberOf(field string) string {
	if members[lower(field)] {
		return ""
	}
	return sources[lower(field)]
}

// tables is how many tables there are: each has its number.
var tables int

func newTable[R any](path string, fields []field[R]) *table[R] {
	t := &table[R]{path: path, number: tables, fields: slices.Clone(fields), names: newNames(len(fields))}
	tables++
	for i := range t.fields {
		f := &t.fields[i]
		f.path = strings.TrimPrefix(path+"."+f.column, ".")
		f.token = string(appendToken(nil, f.name))
		t.names.add(f.name)
		members[lower(f.name)] = true
		sources[lower(f.column)] = f.name
	}
	if len(t.names.byFold) != len(fields) || len(fields) > maxFields || tables > maxTables {
		panic("encoder: table " + path + ": too many members or two of one name, or too many tables")
	}
	return t
}

// one returns a member whose value is a scalar.
func one[R, T any](name, column string, c conversion[T], at func(*R) **T) field[R] {
	return field[R]{
		name: name, column: column, way: c.name, scalar: true,
		read: func(rd *reader, _ string, r *R, source string) (int, bool) {
			return c.readInto(rd, at(r), source)
		},
		write: func(b *builder, r *R) bool {
			v := *at(r)
			if v == nil {
				return false
			}
			b.out = c.write(b.out, *v)
			return true
		},
	}
}

// list returns a member whose value is an array of scalars. An element that does not
// fit leaves its best reading, or the zero value, in its place.
func list[R, T any](name, column string, c conversion[T], at func(*R) *[]T) field[R] {
	return elements(name, column, "list of "+c.name, at, element[T]{
		read: func(rd *reader, e *T, source string) (int, bool) {
			v := rd.valueAt(source)
			got, fit := c.read(rd, v)
			*e = got
			return len(v.source), fit == exact
		},
		write: func(b *builder, e *T) { b.out = c.write(b.out, *e) },
	})
}

// objects returns a member whose value is an array of objects. An element that is no
// object leaves an empty record in its place.
func objects[R, E any](name, column string, s shape[E], at func(*R) *[]E) field[R] {
	return elements(name, column, "list of objects", at, element[E]{
		read: func(rd *reader, e *E, source string) (int, bool) {
			if source[0] != '{' {
				return rawjson.Length(source), false
			}
			return s.readObject(rd, e, source)
		},
		write: s.writeObject,
	})
}

// element is how an array's elements are read and written.
type element[E any] struct {
	read  func(rd *reader, e *E, source string) (n int, exact bool)
	write func(b *builder, e *E)
}

// elements returns a member whose value is an array: as many elements in the field as
// in the source, those that are not exact kept under their index.
func elements[R, E any](name, column, way string, at func(*R) *[]E, el element[E]) field[R] {
	return field[R]{
		name: name, column: column, way: way,
		read: func(rd *reader, path string, r *R, source string) (int, bool) {
			*at(r) = nil
			if source[0] != '[' {
				return rawjson.Length(source), false
			}
			all := []E{}
			i := rawjson.Space(source, 1)
			for source[i] != ']' {
				up := rd.enterElement(len(all))
				all = append(all, *new(E))
				n, exact := el.read(rd, &all[len(all)-1], source[i:])
				if !exact {
					rd.keep(path, source[i:i+n])
				}
				rd.leave(up)
				i = next(source, i+n)
			}
			*at(r) = all
			return i + 1, true
		},
		write: func(b *builder, r *R) bool {
			all := *at(r)
			if all == nil {
				return false
			}
			b.array(len(all), func(i int) { el.write(b, &all[i]) })
			return true
		},
	}
}

// next returns where the next element or member begins, or the closing bracket: i is
// behind the one before.
func next(source string, i int) int {
	if i = rawjson.Space(source, i); source[i] == ',' {
		i = rawjson.Space(source, i+1)
	}
	return i
}

// object returns a member whose value is an object.
func object[R, E any](name, column string, s shape[E], at func(*R) **E) field[R] {
	return field[R]{
		name: name, column: column, way: "object",
		read: func(rd *reader, _ string, r *R, source string) (int, bool) {
			*at(r) = nil
			if source[0] != '{' {
				return rawjson.Length(source), false
			}
			e := new(E)
			*at(r) = e
			return s.readObject(rd, e, source)
		},
		write: func(b *builder, r *R) bool {
			e := *at(r)
			if e == nil {
				return false
			}
			s.writeObject(b, e)
			return true
		},
	}
}

// lift makes the members of a record E members of the record R that holds it.
// Before reading, at must give one.
func lift[R, E any](column string, fields []field[E], at func(*R) *E) []field[R] {
	var lifted []field[R]
	for _, f := range fields {
		lifted = append(lifted, field[R]{
			name: f.name, column: column + "." + f.column, way: f.way, scalar: f.scalar,
			read: func(rd *reader, path string, r *R, source string) (int, bool) {
				return f.read(rd, path, at(r), source)
			},
			write: func(b *builder, r *R) bool {
				e := at(r)
				return e != nil && f.write(b, e)
			},
		})
	}
	return lifted
}

// without leaves one member out.
func without[R any](name string, fields []field[R]) []field[R] {
	return slices.DeleteFunc(slices.Clone(fields), func(f field[R]) bool { return f.name == name })
}

// destinations is the shape of a destination, which depends on its type.
type destinations struct{}

// segmentType is the destinationType of a destination that is an agent's segment
// itself; any other has its agent in a member.
const segmentType = "AgentSegment"

func (destinations) readObject(rd *reader, d *Destination, source string) (int, bool) {
	if !isSegment(source) {
		return queueEntryFields.readObject(rd, d, source)
	}
	d.Agent = new(AgentSegment)
	return segmentFields.readObject(rd, d, source)
}

func (destinations) writeObject(b *builder, d *Destination) {
	if d.DestinationType != nil && *d.DestinationType == segmentType {
		segmentFields.writeObject(b, d)
		return
	}
	queueEntryFields.writeObject(b, d)
}

// isSegment foretells whether reading the object at the source's start will leave segmentType in
// DestinationType: rebuilding has only the record to go by.
func isSegment(source string) bool {
	segment := false
	for name, value := range rawjson.Members(source) {
		spelling := spellingOf(name, "destinationType")
		if spelling == foreign {
			continue
		}
		s := ""
		if value[0] == '"' {
			s, _ = rawjson.Unquote(value)
		}
		segment = s == segmentType
		if spelling == canonical {
			break
		}
	}
	return segment
}
