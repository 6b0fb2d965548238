package kraft

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Quota is what clients of a client id may use, by the names that kafka-configs.sh has: producer_byte_rate, consumer_byte_rate,
// request_percentage. Each broker holds them to it, on all listeners.
type Quota map[string]float64

// SetQuota limits a client id, as kafka-configs.sh --alter --entity-type clients does. Brokers know it a moment later.
func (c *Cluster) SetQuota(ctx context.Context, clientID string, quota Quota) error {
	return c.alterQuota(ctx, clientID, quota, false)
}

// RemoveQuota ends what SetQuota began.
func (c *Cluster) RemoveQuota(ctx context.Context, clientID string, quota Quota) error {
	return c.alterQuota(ctx, clientID, quota, true)
}

func (c *Cluster) alterQuota(ctx context.Context, clientID string, quota Quota, remove bool) error {
	entity := kmsg.NewAlterClientQuotasRequestEntryEntity()
	entity.Type, entity.Name = "client-id", kmsg.StringPtr(clientID)
	entry := kmsg.NewAlterClientQuotasRequestEntry()
	entry.Entity = append(entry.Entity, entity)
	for _, name := range slices.Sorted(maps.Keys(quota)) {
		op := kmsg.NewAlterClientQuotasRequestEntryOp()
		op.Key, op.Value, op.Remove = name, quota[name], remove
		entry.Ops = append(entry.Ops, op)
	}
	req := kmsg.NewPtrAlterClientQuotasRequest()
	req.Entries = append(req.Entries, entry)
	res, err := ask(ctx, c, req.RequestWith)
	if err != nil {
		return err
	}
	for _, e := range res.Entries {
		if err := kerr.ErrorForCode(e.ErrorCode); err != nil {
			return fmt.Errorf("quota of %s: %w: %s", clientID, err, orEmpty(e.ErrorMessage))
		}
	}
	return nil
}
