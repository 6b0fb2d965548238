package kraft

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// connect gives a client of these brokers, by no door.
func connect(brokers ...string) (*kgo.Client, error) {
	return kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.MetadataMinAge(10*time.Millisecond), kgo.RequestRetries(0),
		kgo.DialTimeout(time.Second), kgo.RequestTimeoutOverhead(5*time.Second))
}

// Await waits until every node that runs answers, every partition has a leader, and no replica of a node that runs lags
// behind.
func (c *Cluster) Await(ctx context.Context) error {
	running := 0
	for _, n := range c.nodes() {
		if n.pid() != 0 {
			running++
		}
	}
	for _, n := range c.nodes() {
		if n.pid() == 0 {
			continue
		}
		if err := n.await(ctx, running); err != nil {
			return fmt.Errorf("%w; its log ends with\n%s", err, n.logTail())
		}
	}
	return nil
}

// errEnded is final: a node does not come back by itself.
var errEnded = errors.New("it has ended")

// await asks the node itself: the others count one that was killed among them until its session ends.
func (n node) await(ctx context.Context, running int) error {
	client, err := connect(address(n.port(0)))
	if err != nil {
		return err
	}
	defer client.Close()
	return until(ctx, fmt.Sprintf("node %d serves", n.id), 50*time.Millisecond, func(ctx context.Context) error {
		if n.pid() == 0 {
			return errEnded
		}
		metadata, err := metadataOf(ctx, client)
		if err != nil {
			return err
		}
		if len(metadata.Brokers) != running {
			return fmt.Errorf("%d brokers of %d", len(metadata.Brokers), running)
		}
		return inSync(metadata, running)
	})
}

func inSync(metadata *kmsg.MetadataResponse, running int) error {
	for _, t := range metadata.Topics {
		for _, p := range t.Partitions {
			if p.Leader < 0 || len(p.ISR) < min(running, len(p.Replicas)) {
				return fmt.Errorf("%s-%d: leader %d, in sync %v of %v", *t.Topic, p.Partition, p.Leader, p.ISR, p.Replicas)
			}
		}
	}
	return nil
}

func metadataOf(ctx context.Context, client *kgo.Client) (*kmsg.MetadataResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	return kmsg.NewPtrMetadataRequest().RequestWith(ctx, client) // no topics named: all
}

// LeaderOf waits until the partition has a leader and gives the node.
func (c *Cluster) LeaderOf(ctx context.Context, topic string, partition int32) (leader int, err error) {
	client, err := connect(c.Brokers()...)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	err = until(ctx, fmt.Sprintf("%s-%d has a leader", topic, partition), 20*time.Millisecond, func(ctx context.Context) error {
		metadata, err := metadataOf(ctx, client)
		if err != nil {
			return err
		}
		for _, t := range metadata.Topics {
			for _, p := range t.Partitions {
				if t.Topic != nil && *t.Topic == topic && p.Partition == partition && p.Leader > 0 {
					leader = int(p.Leader)
					return nil
				}
			}
		}
		return errors.New("there is none")
	})
	return leader, err
}

// TransactionCoordinatorOf waits until the transactional id has a coordinator and gives the node.
func (c *Cluster) TransactionCoordinatorOf(ctx context.Context, id string) (coordinator int, err error) {
	client, err := connect(c.Brokers()...)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	err = until(ctx, id+" has a coordinator", 20*time.Millisecond, func(ctx context.Context) error {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorType, req.CoordinatorKey, req.CoordinatorKeys = 1, id, []string{id}
		res, err := req.RequestWith(ctx, client)
		if err != nil {
			return err
		}
		if len(res.Coordinators) != 1 {
			return fmt.Errorf("%d of them", len(res.Coordinators))
		}
		coordinator = int(res.Coordinators[0].NodeID)
		return kerr.ErrorForCode(res.Coordinators[0].ErrorCode)
	})
	return coordinator, err
}

// SetTopics sets one configuration of topics, as in min.insync.replicas=3; the value "" is the broker's default again.
func (c *Cluster) SetTopics(ctx context.Context, topics []string, name, value string) error {
	client, err := connect(c.Brokers()...)
	if err != nil {
		return err
	}
	defer client.Close()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	for _, topic := range topics {
		r := kmsg.NewIncrementalAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, topic
		set := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		set.Name, set.Value = name, kmsg.StringPtr(value)
		if value == "" {
			set.Op, set.Value = kmsg.IncrementalAlterConfigOpDelete, nil
		}
		r.Configs = append(r.Configs, set)
		req.Resources = append(req.Resources, r)
	}
	res, err := req.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range res.Resources {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			errs = append(errs, fmt.Errorf("set %s of %s to %s: %w", name, r.ResourceName, strconv.Quote(value), err))
		}
	}
	return errors.Join(errs...)
}
