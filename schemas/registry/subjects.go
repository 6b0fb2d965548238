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

// Subject returns the name of the subject with the schemas of a topic's values.
func Subject(topic string) string { return topic + "-value" }

// IDs returns the id of the schema of each topic. With Register it registers missing schemas, and sets the compatibility level of the
// subjects. It makes no requests about subjects whose ids it knows. The error is an [*Error].
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
		return 0, &Error{Category: Strange, What: fmt.Sprintf("subject %s: %d is not the id of a schema", subject, id), Hint: hintURL}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids[subject] = uint32(id)
	r.texts[uint32(id)] = text
	return uint32(id), nil
}

func notThere(subject string, s schemas.Schema) *Error {
	return &Error{Category: Schema, What: fmt.Sprintf("subject %s does not have the schema %s of this release", subject, s.Name),
		Hint: fmt.Sprintf("register the text of %s there, byte by byte, or set SCHEMA_REGISTRY_REGISTER=true; it is retried", file(s))}
}

// file returns the path of a schema in the repository.
func file(s schemas.Schema) string {
	if s.Name == schemas.Progress.Name {
		return "schemas/progress.avsc"
	}
	return "schemas/conversation.avsc"
}

// find looks a schema up. It returns its id, 0 if it is not registered, and its registered text.
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

// mostVersions limits the search for a schema with other white space.
const mostVersions = 20

// findRespaced finds a schema that was registered by a tool that changes white space. For some registries that is another schema; for
// us it is not.
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

// register registers the schema and sets the compatibility level FULL_TRANSITIVE: every version of the subject can read every other. The
// level is set first, since the default of a registry may accept an incompatible schema; some registries have no level for
// a subject that does not exist yet.
func (r *Registry) register(ctx context.Context, subject string, s schemas.Schema, id int) (int, error) {
	if id == 0 {
		if err := r.foreign(ctx, subject, s); err != nil {
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

// put registers a schema. If it is refused, a replica that started at the same time may have registered it since it was looked up.
func (r *Registry) put(ctx context.Context, subject string, s schemas.Schema) (int, error) {
	id, err := r.client.RegisterSchema(ctx, subject, sr.Schema{Schema: s.Text}, -1, -1)
	if err == nil {
		return id, nil
	}
	e := r.notRegistered(subject, s, err)
	if !e.Final {
		return 0, e
	}
	if id, _, err := r.find(ctx, subject, s); err != nil || id != 0 {
		return id, err
	}
	return 0, e
}

// foreign returns an error if the subject has schemas that are not ours: nothing is written there, not even the level.
func (r *Registry) foreign(ctx context.Context, subject string, s schemas.Schema) error {
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
		return &Error{Category: Schema, Final: true, What: fmt.Sprintf("subject %s has schemas that are not convstream's: the latest is %.100q, not %s", subject, name, s.Name),
			Hint: hintForeign(subject)}
	}
	return nil
}

// fullName returns the name of an Avro schema with its namespace, "" if it has no name.
func fullName(text string) string {
	var s struct{ Name, Namespace string }
	if json.Unmarshal([]byte(text), &s) != nil || s.Namespace == "" || strings.Contains(s.Name, ".") {
		return s.Name
	}
	return s.Namespace + "." + s.Name
}

func hintForeign(subject string) string {
	return fmt.Sprintf("look at its schemas (GET /subjects/%s/versions); delete the subject if nothing needs it, or set another TOPIC_PREFIX, and start again", subject)
}

// notRegistered explains why a schema was not registered. Only here are the statuses 409 and 422 final: elsewhere they occur when two
// replicas start at the same time.
func (r *Registry) notRegistered(subject string, s schemas.Schema, err error) *Error {
	e := r.explain(fmt.Sprintf("register %s as subject %s", s.Name, subject), err)
	if e.Category == Schema && e.Hint == "" {
		e.Final = true
		e.Hint = "the subject has other schemas, or the registry has rules of its own: " + hintForeign(subject)
	}
	return e
}

// protect sets the compatibility level of a subject. It returns false if the registry does not allow that.
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
	if e.Category == Schema { // Apicurio: a replica that started at the same time has set it
		if protected, err := r.protected(ctx, subject); err != nil || protected {
			return protected, err
		}
	}
	return false, e
}

// protected reports whether a subject has the compatibility level. It returns false if the registry does not show it.
func (r *Registry) protected(ctx context.Context, subject string) (bool, error) {
	is := r.client.Compatibility(ctx, subject)[0]
	if is.Err != nil && !doesNotOffer(is.Err) {
		return false, r.explain("compatibility of subject "+subject, is.Err)
	}
	return is.Err == nil && is.Level == sr.CompatFullTransitive, nil
}

// doesNotOffer reports whether err means that the level of a subject cannot be read or set: it does not exist, is not implemented, or not
// allowed to this user. The level protects future versions; the schema that is registered now is right without it.
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

// warnUnprotected logs once the level of a subject that cannot be set.
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
	if !r.warned[subject] {
		r.warned[subject] = true
		r.cfg.Log.Warn().Str("subject", subject).Str("compatibility", level).
			Str("hint", "set it to FULL_TRANSITIVE in the registry: otherwise others can register a schema that breaks consumers").
			Msg("the schema registry does not allow setting the compatibility of the subject")
	}
	return nil
}

// Text returns the text of the schema with an id. It is an encoder.Lookup. The error is an [*Error].
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
			Hint: hintOtherRegistry}
	case err != nil:
		return "", r.explain(fmt.Sprintf("read schema id %d", id), err)
	case s.Type != sr.TypeAvro || len(s.References) > 0:
		return "", &Error{Category: Schema, Final: true, What: fmt.Sprintf("schema id %d is not an Avro schema without references", id),
			Hint: hintOtherRegistry}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.texts[id] = s.Schema
	return s.Schema, nil
}
