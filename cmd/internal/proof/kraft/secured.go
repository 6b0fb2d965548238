package kraft

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Listener is one more listener of every broker, with TLS. The listeners of the brokers among themselves, and the doors, stay
// plain: tests look through them at what a client of a secured one has done.
type Listener struct {
	Name     string // in capitals
	Protocol string // SSL or SASL_SSL
	Settings map[string]string
}

// Logins reports whether brokers of the version can have such listeners, with users and ACLs, in KRaft mode: those before 3.5
// keep no SCRAM users there.
func (c Config) Logins() bool {
	var major, minor int
	if n, _ := fmt.Sscanf(c.Version, "%d.%d", &major, &minor); n != 2 {
		return c.Version == ""
	}
	return major > 3 || major == 3 && minor >= 5
}

// property is a setting of this listener alone.
func (l Listener) property(name string) string {
	return "listener.name." + strings.ToLower(l.Name) + "." + name
}

// BrokersOf are the addresses to begin with at a secured listener.
func (c *Cluster) BrokersOf(listener string) (out []string) {
	for i, l := range c.Secured {
		for _, n := range c.nodes() {
			if l.Name == listener {
				out = append(out, address(n.securedPort(i)))
			}
		}
	}
	return out
}

// Alter changes settings of a listener while the brokers run: where they read keys from, for one.
func (c *Cluster) Alter(ctx context.Context, listener string, settings map[string]string) error {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	for _, n := range c.nodes() {
		r := kmsg.NewIncrementalAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeBroker, strconv.Itoa(n.id)
		for name, value := range settings {
			entry := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			entry.Name, entry.Value = Listener{Name: listener}.property(name), kmsg.StringPtr(value)
			r.Configs = append(r.Configs, entry)
		}
		req.Resources = append(req.Resources, r)
	}
	client, err := connect(c.Brokers()...)
	if err != nil {
		return err
	}
	defer client.Close()
	for _, shard := range client.RequestSharded(ctx, req) { // each broker is asked about itself
		if shard.Err != nil {
			return shard.Err
		}
		for _, r := range shard.Resp.(*kmsg.IncrementalAlterConfigsResponse).Resources {
			if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
				return fmt.Errorf("alter node %s: %w: %s", r.ResourceName, err, orEmpty(r.ErrorMessage))
			}
		}
	}
	return nil
}

// scram are the mechanisms, by the number that the protocol has for them.
var scram = map[int8]func() hash.Hash{1: sha256.New, 2: sha512.New}

const scramIterations = 4096 // the fewest that brokers take

// SetPassword makes a user for both SCRAM mechanisms, or changes the password of one that is there.
func (c *Cluster) SetPassword(ctx context.Context, user, password string) error {
	for mechanism, sum := range scram { // brokers take a user only once in a request
		salt := make([]byte, 16)
		_, _ = rand.Read(salt)
		salted, err := pbkdf2.Key(sum, password, salt, scramIterations, sum().Size())
		if err != nil {
			return err
		}
		u := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
		u.Name, u.Mechanism, u.Iterations, u.Salt, u.SaltedPassword = user, mechanism, scramIterations, salt, salted
		req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
		req.Upsertions = append(req.Upsertions, u)
		if err := c.alterUsers(ctx, req); err != nil {
			return err
		}
	}
	return nil
}

// RemoveUser removes what SetPassword made.
func (c *Cluster) RemoveUser(ctx context.Context, user string) error {
	for mechanism := range scram {
		d := kmsg.NewAlterUserSCRAMCredentialsRequestDeletion()
		d.Name, d.Mechanism = user, mechanism
		req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
		req.Deletions = append(req.Deletions, d)
		if err := c.alterUsers(ctx, req); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) alterUsers(ctx context.Context, req *kmsg.AlterUserSCRAMCredentialsRequest) error {
	res, err := ask(ctx, c, req.RequestWith)
	if err != nil {
		return err
	}
	for _, r := range res.Results {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return fmt.Errorf("user %s: %w: %s", r.User, err, orEmpty(r.ErrorMessage))
		}
	}
	return nil
}

// ask sends one request on a connection of its own.
func ask[R any](ctx context.Context, c *Cluster, request func(context.Context, kmsg.Requestor) (R, error)) (answer R, err error) {
	client, err := connect(c.Brokers()...)
	if err != nil {
		return answer, err
	}
	defer client.Close()
	return request(ctx, client)
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
