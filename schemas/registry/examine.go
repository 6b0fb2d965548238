package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/convstream/convstream/schemas"
)

// Finding is the state of a subject.
type Finding struct {
	Subject string
	ID      int    // of our schema; 0 if it is not registered
	Level   string // the effective compatibility level; "" if it is unknown
	Full    bool   // Level is the one that IDs sets
	Err     error  // an *Error: why our schema would not be found or registered
}

// Examine reports what IDs would find, and changes nothing. It cannot know whether the login may write.
// It stops at the first subject that the registry does not answer for.
func (r *Registry) Examine(ctx context.Context, topics map[string]schemas.Schema) (all []Finding) {
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		f := r.examine(ctx, Subject(topic), topics[topic])
		all = append(all, f)
		if e, ok := f.Err.(*Error); ok && e.Category != Schema {
			break
		}
	}
	return all
}

func (r *Registry) examine(ctx context.Context, subject string, s schemas.Schema) (f Finding) {
	f.Subject = subject
	var err error
	if f.ID, _, err = r.find(ctx, subject, s); err != nil {
		f.Err = err
		return f
	}
	switch is := r.client.Compatibility(sr.WithParams(ctx, sr.DefaultToGlobal), subject)[0]; {
	case is.Err == nil:
		f.Level, f.Full = is.Level.String(), is.Level == sr.CompatFullTransitive
	case !doesNotOffer(is.Err):
		f.Err = r.explain("compatibility of subject "+subject, is.Err)
		return f
	}
	switch {
	case f.ID != 0:
	case !r.cfg.Register:
		f.Err = notThere(subject, s)
	default:
		f.Err = r.wouldRegister(ctx, subject, s)
	}
	return f
}

// wouldRegister returns why a schema could not be registered, nil if there is no reason.
func (r *Registry) wouldRegister(ctx context.Context, subject string, s schemas.Schema) error {
	if err := r.foreign(ctx, subject, s); err != nil {
		return err
	}
	const allVersions = -2
	is, err := r.client.CheckCompatibility(sr.WithParams(ctx, sr.Verbose), subject, allVersions, sr.Schema{Schema: s.Text})
	switch {
	case missing(err), doesNotOffer(err): // no such subject, or it is found out when the schema is registered
		return nil
	case err != nil:
		return r.explain("check the compatibility with subject "+subject, err)
	case is.Is:
		return nil
	}
	reason := ""
	if len(is.Messages) > 0 {
		reason = ": " + printable(r.redacted(strings.Join(is.Messages, " ")))
	}
	return &Error{Category: Schema, Final: true, What: fmt.Sprintf("subject %s would refuse %s: it is not compatible with the registered schemas%s", subject, s.Name, reason),
		Hint: hintForeign(subject)}
}
