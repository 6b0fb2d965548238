package kraft

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Authorizer are the settings with which brokers ask for ACLs. Clients of the plain listeners may do everything.
func Authorizer() map[string]string {
	return map[string]string{"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users": "User:ANONYMOUS"}
}

// ACL lets a principal do something from anywhere.
type ACL struct {
	Principal string // User:NAME
	Resource  kmsg.ACLResourceType
	Pattern   kmsg.ACLResourcePatternType
	Name      string
	Operation kmsg.ACLOperation
}

const anyHost = "*"

// Allow adds ACLs. Brokers know them a moment later.
func (c *Cluster) Allow(ctx context.Context, acls ...ACL) error {
	req := kmsg.NewPtrCreateACLsRequest()
	for _, a := range acls {
		r := kmsg.NewCreateACLsRequestCreation()
		r.ResourceType, r.ResourceName, r.ResourcePatternType = a.Resource, a.Name, a.Pattern
		r.Principal, r.Host, r.Operation, r.PermissionType = a.Principal, anyHost, a.Operation, kmsg.ACLPermissionTypeAllow
		req.Creations = append(req.Creations, r)
	}
	res, err := ask(ctx, c, req.RequestWith)
	if err != nil {
		return err
	}
	for _, r := range res.Results {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return fmt.Errorf("allow: %w: %s", err, orEmpty(r.ErrorMessage))
		}
	}
	return nil
}

// Revoke takes ACLs away that Allow added.
func (c *Cluster) Revoke(ctx context.Context, acls ...ACL) error {
	req := kmsg.NewPtrDeleteACLsRequest()
	for _, a := range acls {
		f := kmsg.NewDeleteACLsRequestFilter()
		f.ResourceType, f.ResourceName, f.ResourcePatternType = a.Resource, kmsg.StringPtr(a.Name), a.Pattern
		f.Principal, f.Host, f.Operation, f.PermissionType = kmsg.StringPtr(a.Principal), kmsg.StringPtr(anyHost), a.Operation, kmsg.ACLPermissionTypeAllow
		req.Filters = append(req.Filters, f)
	}
	res, err := ask(ctx, c, req.RequestWith)
	if err != nil {
		return err
	}
	for i, r := range res.Results {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return fmt.Errorf("revoke: %w: %s", err, orEmpty(r.ErrorMessage))
		}
		if len(r.MatchingACLs) != 1 {
			return fmt.Errorf("revoke %+v: %d of them were there", acls[i], len(r.MatchingACLs))
		}
	}
	return nil
}
