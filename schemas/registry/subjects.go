package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/convstream/convstream/schemas"
)

// Subject is the name under which a registry keeps the schemas of a topic's
// values.
func Subject(topic string) string { return topic + "-value" }

// IDs gives the id of the schema of each topic. What the registry does not have
// it registers, if it may, and sees to it that the subject takes compatible
// schemas only. Subjects that it has dealt with once it does not ask for again.
// The error is an [*Error].
func (r *Registry) IDs(ctx context.Context, topics map[string]schemas.Schema) (map[string]uint32, error) {
	out := map[string]uint32{}
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		subject := Subject(topic)
		r.mu.Lock()
		id, known := r.ids[subject]
		r.mu.Unlock()
		if !known {
			var err error
			if id, err = r.id(ctx, subject, topics[topic]); err != nil {
				return nil, err
			}
		}
		out[topic] = id
	}
	return out, nil
}

func (r *Registry) id(ctx context.Context, subject string, s schemas.Schema) (uint32, error) {
	id, text, err := r.find(ctx, subject, s)
	switch {
	case err != nil:
		return 0, err
	case r.cfg.Register:
		id, err = r.register(ctx, subject, s, id)
		if err != nil {
			return 0, err
		}
	case id == 0:
		return 0, notThere(subject, s)
	}
	if id < 1 || id > math.MaxInt32 {
		return 0, &Error{Category: Strange, What: fmt.Sprintf("subject %s: %d is no id of a schema", subject, id), Hint: hintURL}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids[subject] = uint32(id)
	r.texts[uint32(id)] = text
	return uint32(id), nil
}

func notThere(subject string, s schemas.Schema) *Error {
	return &Error{Category: Schema, What: fmt.Sprintf("subject %s does not have the schema %s of this release", subject, s.Name),
		Hint: fmt.Sprintf("Register the text of %s there, byte by byte, or set SCHEMA_REGISTRY_REGISTER=true; it is looked up again by itself", file(s))}
}

// file is where the repository keeps a schema.
func file(s schemas.Schema) string {
	if s.Name == schemas.Progress.Name {
		return "schemas/progress.avsc"
	}
	return "schemas/conversation.avsc"
}

// find looks a schema up: its id, 0 if it is not there, and the text under which
// it is.
func (r *Registry) find(ctx context.Context, subject string, s schemas.Schema) (id int, text string, err error) {
	found, err := r.client.LookupSchema(ctx, subject, sr.Schema{Schema: s.Text})
	switch {
	case err == nil:
		return found.ID, s.Text, nil
	case !missing(err):
		return 0, "", r.explain("look up subject "+subject, err)
	case r.cfg.Register:
		return 0, s.Text, nil
	}
	return r.findRespaced(ctx, subject, s)
}

// mostVersions bounds the search for a schema in other white space.
const mostVersions = 20

// findRespaced finds a schema that somebody registered with a tool that changes
// white space. To some registries that is another schema, to us it is not.
func (r *Registry) findRespaced(ctx context.Context, subject string, s schemas.Schema) (id int, text string, err error) {
	versions, err := r.client.SubjectVersions(ctx, subject)
	if missing(err) {
		return 0, "", nil
	}
	if err != nil {
		return 0, "", r.explain("list the versions of subject "+subject, err)
	}
	slices.Sort(versions)
	for _, v := range slices.Backward(versions[max(0, len(versions)-mostVersions):]) {
		found, err := r.client.SchemaByVersion(ctx, subject, v)
		if err != nil && !missing(err) {
			return 0, "", r.explain(fmt.Sprintf("read version %d of subject %s", v, subject), err)
		}
		if err == nil && respaced(found.Schema.Schema, s.Text) {
			return found.ID, found.Schema.Schema, nil
		}
	}
	return 0, "", nil
}

func respaced(a, b string) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, []byte(a)) == nil && json.Compact(&y, []byte(b)) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

// register makes the registry have the schema, under the rule that every version
// of the subject can read every other. The rule comes first: a registry may hold
// nothing against an incompatible schema by default. Some know no rule for a
// subject that is not there yet.
func (r *Registry) register(ctx context.Context, subject string, s schemas.Schema, id int) (int, error) {
	if id == 0 {
		if err := r.anothers(ctx, subject, s); err != nil {
			return 0, err
		}
	}
	protected, err := r.protect(ctx, subject)
	if err != nil {
		return 0, err
	}
	if id == 0 {
		if id, err = r.put(ctx, subject, s); err != nil {
			return 0, err
		}
	}
	if protected {
		return id, nil
	}
	if protected, err = r.protect(ctx, subject); err == nil && !protected {
		err = r.warnUnprotected(ctx, subject)
	}
	return id, err
}

// put registers a schema. Where it is not taken, a replica that started with us
// may have registered it since it was looked up.
func (r *Registry) put(ctx context.Context, subject string, s schemas.Schema) (int, error) {
	id, err := r.client.RegisterSchema(ctx, subject, sr.Schema{Schema: s.Text}, -1, -1)
	if err == nil {
		return id, nil
	}
	e := r.notTaken(subject, s, err)
	if !e.Final {
		return 0, e
	}
	if id, _, err := r.find(ctx, subject, s); err != nil || id != 0 {
		return id, err
	}
	return 0, e
}

// anothers is the error over a subject that holds somebody else's schemas: nothing is written there, not even the rule.
func (r *Registry) anothers(ctx context.Context, subject string, s schemas.Schema) error {
	const latest = -1
	found, err := r.client.SchemaByVersion(ctx, subject, latest)
	if missing(err) {
		return nil
	}
	if err != nil {
		return r.explain("read the latest version of subject "+subject, err)
	}
	if found.Schema.Schema == "" {
		return &Error{Category: Strange, What: "read the latest version of subject " + subject + ": an answer that is none of a registry", Hint: hintURL}
	}
	if name := fullName(found.Schema.Schema); name != s.Name {
		return &Error{Category: Schema, Final: true, What: fmt.Sprintf("subject %s holds schemas that are none of convstream's: its latest is %.100q, not %s", subject, name, s.Name),
			Hint: hintAnothers(subject)}
	}
	return nil
}

// fullName is the name of an Avro schema with its namespace, "" where it has none.
func fullName(text string) string {
	var s struct{ Name, Namespace string }
	if json.Unmarshal([]byte(text), &s) != nil || s.Namespace == "" || strings.Contains(s.Name, ".") {
		return s.Name
	}
	return s.Namespace + "." + s.Name
}

func hintAnothers(subject string) string {
	return fmt.Sprintf("See what is there (GET /subjects/%s/versions); delete the subject there if nothing needs it, or set another TOPIC_PREFIX, and start again", subject)
}

// notTaken explains why a schema was not registered. Only here are a conflict and
// a refused content final: elsewhere they come of two replicas that start at once.
func (r *Registry) notTaken(subject string, s schemas.Schema, err error) *Error {
	e := r.explain(fmt.Sprintf("register %s as subject %s", s.Name, subject), err)
	if e.Category == Schema && e.Hint == "" {
		e.Final = true
		e.Hint = "The subject holds other schemas, or the registry has rules of its own. " + hintAnothers(subject)
	}
	return e
}

// protect sets the rule of a subject; false where the registry does not take it.
func (r *Registry) protect(ctx context.Context, subject string) (bool, error) {
	protected, err := r.protected(ctx, subject)
	if err != nil || protected {
		return protected, err
	}
	set := r.client.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatFullTransitive}, subject)[0]
	switch {
	case set.Err == nil:
		return true, nil
	case doesNotOffer(set.Err):
		return false, nil
	}
	e := r.explain("compatibility of subject "+subject, set.Err)
	if e.Category == Schema { // Apicurio: a replica that starts with us has set it meanwhile
		if protected, err := r.protected(ctx, subject); err != nil || protected {
			return protected, err
		}
	}
	return false, e
}

// protected tells that a subject has the rule; false also where the registry does
// not let us see it.
func (r *Registry) protected(ctx context.Context, subject string) (bool, error) {
	is := r.client.Compatibility(ctx, subject)[0]
	if is.Err != nil && !doesNotOffer(is.Err) {
		return false, r.explain("compatibility of subject "+subject, is.Err)
	}
	return is.Err == nil && is.Level == sr.CompatFullTransitive, nil
}

// doesNotOffer tells that a registry does not let us see or set the rule of a
// subject: not there, not implemented, not for this user. The rule is for the
// future; what is registered now is right without it.
func doesNotOffer(err error) bool {
	a, ok := errors.AsType[*sr.ResponseError](err)
	if !ok {
		return false
	}
	switch a.StatusCode {
	case http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUnprocessableEntity, http.StatusNotImplemented:
		return true
	}
	return false
}

// warnUnprotected says once how a subject is, whose rule we cannot set.
func (r *Registry) warnUnprotected(ctx context.Context, subject string) error {
	level := "not known"
	is := r.client.Compatibility(sr.WithParams(ctx, sr.DefaultToGlobal), subject)[0]
	switch {
	case is.Err == nil && is.Level == sr.CompatFullTransitive:
		return nil
	case is.Err == nil:
		level = is.Level.String()
	case !doesNotOffer(is.Err):
		return r.explain("compatibility of subject "+subject, is.Err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.told[subject] {
		r.told[subject] = true
		r.cfg.Log.Warn().Str("subject", subject).Str("compatibility", level).Msg("the schema registry does not let us set the compatibility of the subject to FULL_TRANSITIVE: " +
			"set it there, or nothing keeps others from registering a schema that breaks consumers")
	}
	return nil
}

// Text gives the text of the schema that the registry has under an id: an
// encoder.Lookup. The error is an [*Error].
func (r *Registry) Text(ctx context.Context, id uint32) (string, error) {
	r.mu.Lock()
	text, known := r.texts[id]
	r.mu.Unlock()
	if known {
		return text, nil
	}
	s, err := r.client.SchemaByID(ctx, int(id))
	switch {
	case missing(err):
		return "", &Error{Category: Schema, Final: true, What: fmt.Sprintf("it does not know schema id %d", id), Err: err,
			Hint: "The record was written with the ids of another registry: set SCHEMA_REGISTRY_URL to that one"}
	case err != nil:
		return "", r.explain(fmt.Sprintf("read schema id %d", id), err)
	case s.Type != sr.TypeAvro || len(s.References) > 0:
		return "", &Error{Category: Schema, Final: true, What: fmt.Sprintf("schema id %d is no Avro schema in one text", id),
			Hint: "The record was written with the ids of another registry: set SCHEMA_REGISTRY_URL to that one"}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.texts[id] = s.Schema
	return s.Schema, nil
}
