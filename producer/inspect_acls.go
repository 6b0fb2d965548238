package producer

import (
	"context"
	"fmt"
	"strings"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/describeacls"
)

// Denial is an ACL of type DENY. It has the last word, whatever others allow.
type Denial struct {
	Kind      string // topic, group, transactional-id or cluster
	Name      string
	Prefixed  bool // it is for all names that begin like that
	Principal string
	Host      string
	Operation kafka.ACLOperationType
}

// kinds of resources, as kafka-acls.sh calls them.
var kinds = map[kafka.ResourceType]string{
	kafka.ResourceTypeTopic: "topic", kafka.ResourceTypeGroup: "group", kafka.ResourceTypeTransactionalID: "transactional-id", kafka.ResourceTypeCluster: "cluster",
}

// plainFilter is the version of DescribeAcls that is asked, which brokers take since 2.0. In later ones kafka-go gives the filter tags of
// its own, which the protocol does not have.
const plainFilter = 1

// Denials are the DENY ACLs that may be about our principal. Brokers tell only who may describe the cluster, which a worker need not.
func (i *Inspector) Denials(ctx context.Context) (all []Denial, err error) {
	req := &describeacls.Request{Filter: describeacls.ACLFilter{
		ResourceTypeFilter: int8(kafka.ResourceTypeAny), ResourcePatternTypeFilter: int8(kafka.PatternTypeAny),
		Operation: int8(kafka.ACLOperationTypeAny), PermissionType: int8(kafka.ACLPermissionTypeDeny),
	}}
	err = i.anywhere(ctx, "list ACLs", func(x *exchange) error {
		x.versions[req.ApiKey()] = plainFilter
		answer, err := x.roundTrip(req)
		if err != nil {
			return err
		}
		res := answer.(*describeacls.Response)
		all = i.to.denialsOf(res.Resources)
		return brokerError(res.ErrorCode)
	})
	return all, err
}

func (to Cluster) denialsOf(resources []describeacls.Resource) (all []Denial) {
	ours := to.principal()
	for _, r := range resources {
		for _, a := range r.ACLs {
			if ours != unknownPrincipal && quoted(a.Principal) != ours && a.Principal != everybody {
				continue
			}
			all = append(all, Denial{
				Kind: kinds[kafka.ResourceType(r.ResourceType)], Name: r.ResourceName, Prefixed: kafka.PatternType(r.PatternType) == kafka.PatternTypePrefixed,
				Principal: a.Principal, Host: a.Host, Operation: kafka.ACLOperationType(a.Operation),
			})
		}
	}
	return all
}

// everybody is the principal of an ACL for all.
const everybody = "User:*"

// Denies reports whether it is about the operation on the resource. That to read and to write allow to describe is of no account here:
// what denies them does not deny that, nor the other way round.
func (d Denial) Denies(kind, name, operation string) bool {
	named := d.Name == name || d.Name == "*" || d.Prefixed && strings.HasPrefix(name, d.Name)
	return d.Kind == kind && named && (d.Operation == kafka.ACLOperationTypeAll || d.Operation.String() == operation)
}

// Withdraw returns the command that removes a DENY.
func (to Cluster) Withdraw(d Denial) string {
	resource := "--" + d.Kind
	if d.Kind != "cluster" {
		resource += " " + quoted(d.Name)
	}
	if d.Prefixed {
		resource = "--resource-pattern-type prefixed " + resource
	}
	return fmt.Sprintf("kafka-acls.sh %s --remove --deny-principal %s --deny-host %s --operation %s %s", to.admin(), quoted(d.Principal), quoted(d.Host), d.Operation, resource)
}

// ListACLs returns the command that shows all ACLs, or "" where the login's users have none.
func (to Cluster) ListACLs() string {
	if _, ok := to.SASL.(granter); ok {
		return ""
	}
	return "kafka-acls.sh " + to.admin() + " --list"
}
