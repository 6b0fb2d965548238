package config

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/sethvargo/go-envconfig"
)

// setting is one variable and all that is known about it: a row of the table in which each part of Config lists its own,
// beside the fields that they set.
type setting struct {
	name   string
	group  group  // as the part says that it stands in, where it says nothing itself
	preset string // the value where nothing is set; "" if there is none
	unset  string // what then holds, in words: "required", "all"
	doc    string // what people are told about it, in Markdown
	value
	check func(*problems) // what value does not check by itself: other values, other settings; may be nil

	text  string // as the environment or the preset has it; "" if neither does
	wrong error  // why text cannot be decoded
}

// group is what a setting is needed for. Commands that do not need all of them do not mind what is wrong with the others.
type group int

const (
	ofAccount group = iota + 1 // to read one account from the service
	ofTopics                   // to reach the cluster and the registry, and to name the topics
	ofAdmin                    // to serve and to ask the admin port
	ofRunning                  // all else that a process is told
)

// in puts the rows that say no group themselves into this one.
func in(g group, rows ...[]*setting) []*setting {
	all := slices.Concat(rows...)
	for _, s := range all {
		s.group = cmp.Or(s.group, g)
	}
	return all
}

// value is where a setting's value stands, and what its type brings along.
type value struct {
	decode func(text string) error
	within func(p *problems, name string) // checks the value for itself; may be nil
	show   func(text string) string       // the text as it may be printed
}

// EnvDecode is called by go-envconfig with a text that is not empty. It keeps the error to itself, because go-envconfig
// stops at the first one.
func (s *setting) EnvDecode(text string) error {
	s.text, s.wrong = text, s.decode(text)
	return nil
}

// read has go-envconfig look up the settings, put in the presets and decode them. What it looks for are the tags of a
// struct, which is made of the rows. An error says that the rows are wrong, never what users set.
func read(settings []*setting, env envconfig.Lookuper) error {
	fields := make([]reflect.StructField, len(settings))
	for i, s := range settings {
		tag := s.name
		if s.preset != "" {
			tag += ", default=" + s.preset
		}
		fields[i] = reflect.StructField{
			Name: "Setting" + strconv.Itoa(i), Type: reflect.TypeFor[*setting](), Tag: reflect.StructTag(fmt.Sprintf("env:%q", tag)),
		}
	}
	target := reflect.New(reflect.StructOf(fields))
	for i, s := range settings {
		target.Elem().Field(i).Set(reflect.ValueOf(s))
	}
	if err := envconfig.ProcessWith(context.Background(), &envconfig.Config{Target: target.Interface(), Lookuper: env}); err != nil {
		return fmt.Errorf("table of settings: %w", err)
	}
	return nil
}

// examine reads all settings and adds what is wrong with those that matter.
func examine(p *problems, settings []*setting, env envconfig.Lookuper, matters func(group) bool) error {
	if err := read(settings, env); err != nil {
		return err
	}
	settings = slices.DeleteFunc(slices.Clone(settings), func(s *setting) bool { return !matters(s.group) })
	for _, s := range settings {
		if s.wrong != nil {
			p.add(s.name, "%v", s.wrong)
		}
	}
	check(p, settings)
	return nil
}

// check adds what is wrong with values that could be decoded.
func check(p *problems, settings []*setting) {
	for _, s := range settings {
		if s.within != nil {
			s.within(p, s.name)
		}
		if s.check != nil {
			s.check(p)
		}
	}
}

// of is a value of any type that a function decodes; what cannot be decoded stays zero.
func of[T any](into *T, decode func(string) (T, error)) value {
	return value{show: withoutUser, decode: func(text string) (err error) {
		*into, err = decode(text)
		return err
	}}
}

// plain is a text as it is.
func plain(into *string) value {
	return of(into, func(text string) (string, error) { return text, nil })
}

// base is the base of a URL: paths are joined to it, so it ends without a slash.
func base(into *string) value {
	return of(into, func(text string) (string, error) { return strings.TrimRight(text, "/"), nil })
}

// between is a value from low to high.
func between[T cmp.Ordered](into *T, decode func(string) (T, error), low, high T) value {
	v := of(into, decode)
	v.within = func(p *problems, name string) {
		p.require(*into >= low && *into <= high, name, "%v is out of range; expected %v to %v", *into, low, high)
	}
	return v
}

// choice is one of a few words, however they are capitalized.
func choice[T ~string](into *T, choices ...T) value {
	words := make([]string, len(choices))
	for i, c := range choices {
		words[i] = string(c)
	}
	v := of(into, func(text string) (T, error) { return T(strings.ToLower(text)), nil })
	v.within = func(p *problems, name string) {
		p.require(slices.Contains(choices, *into), name, "%s is not known; expected %s", quote(string(*into)), strings.Join(words, ", "))
	}
	return v
}

// certificates is the path of a file of PEM certificates.
func certificates(into *string) value {
	v := plain(into)
	v.within = func(p *problems, name string) {
		if _, err := Authorities(*into); err != nil {
			p.add(name, "%s: %v; expected a file of PEM certificates", quote(*into), err)
		}
	}
	return v
}
