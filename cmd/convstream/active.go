package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin/client"
)

// activeOptions are the flags of commands that only the active worker can answer.
type activeOptions struct{ askOptions }

func (o *activeOptions) declare(c *command) {
	o.askOptions.declare(c)
	c.flags.Lookup("admin").Usage = "the `URL` of the active worker's admin port, instead of ADMIN_ADDR; or of several workers, comma-separated, of which one is active"
}

// replicas are the workers to be asked.
type replicas struct {
	clients []client.Client
	active  int // which of them was active last: it is asked first
}

// replicas returns the ways to the workers.
func (o *activeOptions) replicas() (*replicas, error) {
	var r replicas
	for _, addr := range strings.Split(o.admin, ",") {
		one := askOptions{admin: strings.TrimSpace(addr), account: o.account}
		if one.admin == "" && o.admin != "" {
			continue
		}
		w, err := one.worker()
		if err != nil {
			return nil, err
		}
		r.clients = append(r.clients, w)
	}
	if len(r.clients) == 0 {
		return nil, fmt.Errorf("--admin %q names no URL; %w", o.admin, errUsage)
	}
	return &r, nil
}

// longestLook bounds how long a worker may take to answer what changes nothing.
const longestLook = 10 * time.Second

// get reads into out what the active worker has at the path.
func (r *replicas) get(ctx context.Context, path string, out any) error {
	none := make(notActiveError, len(r.clients))
	for i := range r.clients {
		at := (r.active + i) % len(r.clients)
		err := look(ctx, r.clients[at], path, out)
		if err == nil {
			r.active = at
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		none[at] = said{r.clients[at].URL, err}
	}
	return none
}

// find returns the active worker, which alone shows the account's backfills.
func (r *replicas) find(ctx context.Context) (client.Client, error) {
	var any json.RawMessage
	if err := r.get(ctx, client.BackfillsPath, &any); err != nil {
		return client.Client{}, err
	}
	return r.clients[r.active], nil
}

func look(ctx context.Context, w client.Client, path string, out any) error {
	ctx, cancel := context.WithTimeout(ctx, longestLook)
	defer cancel()
	body, err := w.Get(ctx, path)
	if err != nil {
		return explained(err)
	}
	defer func() { _ = body.Close() }()
	return decode(body, w.URL, out)
}

// post asks the active worker to do something, and reads its answer into out. Only the active one shows what is at the path shows: so a
// conflict that a standby answers with is told from one with what was asked for.
func (r *replicas) post(ctx context.Context, shows, path string, command, out any) error {
	var any json.RawMessage
	if err := r.get(ctx, shows, &any); err != nil {
		return err
	}
	w := r.clients[r.active]
	body, err := w.Post(ctx, path, command)
	if status(err) == http.StatusConflict && look(ctx, w, shows, &any) != nil {
		return notActiveError{{w.URL, err}}
	}
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	return decode(body, w.URL, out)
}

// longestAnswer bounds what is read of an answer.
const longestAnswer = 16 << 20

// decode reads an answer, all of it or nothing.
func decode(body io.Reader, from string, out any) error {
	text, err := io.ReadAll(io.LimitReader(body, longestAnswer))
	if err == nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		return fmt.Errorf("the answer of %s cannot be read: %w. Is it the admin port of a worker of this version?", from, err)
	}
	return nil
}

// status returns the status of an answer that is an error; 0 if there was no answer.
func status(err error) int {
	if a, is := errors.AsType[*client.AnswerError](err); is {
		return a.Code
	}
	return 0
}

// notActiveError is that none of the workers is the active one, and what each of them says.
type notActiveError []said

// said is what a worker answered, or why it did not.
type said struct {
	url string
	err error
}

// Error returns what was said, with what to do.
func (e notActiveError) Error() string {
	if len(e) == 1 {
		return e[0].err.Error()
	}
	return "none of the workers of --admin is active: " + e.Brief()
}

// Unwrap returns what the workers said.
func (e notActiveError) Unwrap() (all []error) {
	for _, r := range e {
		all = append(all, r.err)
	}
	return all
}

// Brief returns what was said, for who waits.
func (e notActiveError) Brief() string {
	var all []string
	for _, r := range e {
		all = append(all, r.url+": "+r.brief())
	}
	return strings.Join(all, "; ")
}

func (r said) brief() string {
	if a, is := errors.AsType[*client.AnswerError](r.err); is {
		return a.Reason
	}
	cause := r.err
	if u, is := errors.AsType[*url.Error](r.err); is {
		cause = u.Err
	}
	return fmt.Sprintf("no answer (%v)", cause)
}

// hopeless reports whether no worker will be active by waiting: each of them answered, and stands by or refuses.
func (e notActiveError) hopeless() bool {
	return !slices.ContainsFunc(e, func(r said) bool { return status(r.err) == 0 || status(r.err) >= http.StatusInternalServerError })
}

// explained returns err, which says so if the worker does not know what it was asked for.
func explained(err error) error {
	if a, is := errors.AsType[*client.AnswerError](err); is && a.Code == http.StatusNotFound && a.Reason == "404 page not found" {
		a.Reason = fmt.Sprintf("its version does not know backfills and gaps: update it to that of this command, %s", version)
	}
	return err
}

// asker returns who asks, as the worker's state and the progress topic will name them; "" if that is not known.
func asker() string {
	user := cmp.Or(os.Getenv("USER"), os.Getenv("LOGNAME"))
	host, err := os.Hostname()
	if user == "" || err != nil {
		return user
	}
	return user + "@" + host
}
