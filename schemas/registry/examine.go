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

// Finding is what a registry says of a subject.
type Finding struct {
	Subject string
	ID      int    // of our schema; 0 where it is not there
	Level   string // compatibility that holds for the subject; "" where the registry does not say
	Full    bool   // the level is the one that IDs sees to
	Err     error  // an *Error: why our schema would not be found, or not be taken
}

// Examine looks at what IDs would meet, and registers and sets nothing. Whether the login may write is not known by that.
// It ends with the first subject of which the registry says nothing.
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
		f.Err = r.wouldTake(ctx, subject, s)
	}
	return f
}

// wouldTake says why a schema that is not there would not be registered; nil where nothing is against it.
func (r *Registry) wouldTake(ctx context.Context, subject string, s schemas.Schema) error {
	if err := r.anothers(ctx, subject, s); err != nil {
		return err
	}
	const allVersions = -2
	is, err := r.client.CheckCompatibility(sr.WithParams(ctx, sr.Verbose), subject, allVersions, sr.Schema{Schema: s.Text})
	switch {
	case missing(err), doesNotOffer(err): // no such subject, which hinders nobody; or it is seen when it is registered
		return nil
	case err != nil:
		return r.explain("try the schema of subject "+subject, err)
	case is.Is:
		return nil
	}
	why := ""
	if len(is.Messages) > 0 {
		why = ": " + printable(r.redacted(strings.Join(is.Messages, " ")))
	}
	return &Error{Category: Schema, Final: true, What: fmt.Sprintf("subject %s would not take %s: it is not compatible with what is there%s", subject, s.Name, why),
		Hint: hintAnothers(subject)}
}
