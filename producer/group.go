package producer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/consumer"
	_ "github.com/segmentio/kafka-go/protocol/heartbeat" // registers its messages before init replaces them
	"github.com/segmentio/kafka-go/protocol/joingroup"
	"github.com/segmentio/kafka-go/protocol/leavegroup"
	"github.com/segmentio/kafka-go/protocol/syncgroup"
)

// group is this process's membership in a consumer group, one method for each request. kafka-go's ConsumerGroup ends a generation with
// every failed heartbeat and has no user data, and Client.SyncGroup fails to decode the empty assignment that comes with an
// error; so the requests are made here.
//
// The group is of type "consumer", subscribed to one topic: operators see its members, and which of them hold a lease, with
// kafka-consumer-groups.sh --describe --members --verbose.
type group struct {
	cluster        *cluster
	id             string
	topic          string
	sessionTimeout time.Duration

	mu         sync.Mutex
	member     string // id given by the coordinator; "" before the first join
	generation int32
}

// membership returns the member id and the generation of this process.
func (g *group) membership() (member string, generation int32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.member, g.generation
}

// setMembership sets the member id and the generation of this process; "" means not a member.
func (g *group) setMembership(member string, generation int32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.member, g.generation = member, generation
}

// rebalanceGrace returns how much longer than the session timeout the coordinator waits for the join of a member whose heartbeats
// arrive: a dead member holds up the joins of all others for the session timeout, and meanwhile the holder of a lease must not be
// dropped. See Member.prolong.
func rebalanceGrace(silence time.Duration) time.Duration { return silence / 2 }

// coordinatorError returns why there is no coordinator, where a broker says that it is not the coordinator: kafka-go sends FindCoordinator
// before each request too, but drops the error. Any other err is returned as it is.
func (g *group) coordinatorError(ctx context.Context, err error) error {
	if !errors.Is(err, kafka.NotCoordinatorForGroup) {
		return err
	}
	res, failed := g.cluster.client.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{Key: g.id, KeyType: kafka.CoordinatorKeyTypeConsumer})
	if failed != nil || res.Error == nil {
		return err
	}
	return g.cluster.onGroup(res.Error, g.id)
}

const (
	groupProtocolType = "consumer"
	groupProtocol     = "convstream-lease"
)

// join joins the next generation. members is nil unless this process is the leader, which assigns.
func (g *group) join(ctx context.Context, c candidate) (members map[string]candidate, err error) {
	subscription, err := protocol.Marshal(consumer.MaxVersionSupported, consumer.Subscription{
		Version: consumer.MaxVersionSupported, Topics: []string{g.topic}, UserData: mustMarshal(c),
	})
	if err != nil {
		return nil, err
	}
	member, generation := g.membership()
	res, err := g.cluster.transport.RoundTrip(ctx, g.cluster.client.Addr, &joingroup.Request{
		GroupID: g.id, MemberID: member, ProtocolType: groupProtocolType,
		SessionTimeoutMS: int32(g.sessionTimeout.Milliseconds()), RebalanceTimeoutMS: int32((g.sessionTimeout + rebalanceGrace(g.sessionTimeout)).Milliseconds()),
		Protocols: []joingroup.RequestProtocol{{Name: groupProtocol, Metadata: subscription}},
	})
	if err != nil {
		return nil, err
	}
	answer := res.(*joingroup.Response)
	if answer.ErrorCode == int16(kafka.MemberIDRequired) {
		g.setMembership(answer.MemberID, generation)
		return g.join(ctx, c)
	}
	if err := g.brokerError(answer.ErrorCode); err != nil {
		return nil, g.coordinatorError(ctx, err)
	}
	g.setMembership(answer.MemberID, answer.GenerationID)
	if answer.LeaderID != answer.MemberID {
		return nil, nil
	}
	members = map[string]candidate{}
	for _, m := range answer.Members {
		var s consumer.Subscription
		_ = protocol.Unmarshal(m.Metadata, consumer.MaxVersionSupported, &s) // without user data: a member without accounts
		members[m.MemberID] = decodeOrZero[candidate](s.UserData)
	}
	return members, nil
}

// sync returns what is assigned to this process. The leader passes the members, and their assignments are sent with the request.
func (g *group) sync(ctx context.Context, members map[string]candidate) (assigned assignment, err error) {
	member, generation := g.membership()
	req := &syncgroup.Request{
		GroupID: g.id, GenerationID: generation, MemberID: member,
		ProtocolType: groupProtocolType, ProtocolName: groupProtocol,
	}
	if len(members) > 0 {
		if req.Assignments, err = g.assign(place(members)); err != nil {
			return assigned, err
		}
	}
	res, err := g.cluster.transport.RoundTrip(ctx, g.cluster.client.Addr, req)
	if err != nil {
		return assigned, err
	}
	answer := res.(*syncgroup.Response)
	if err := g.brokerError(answer.ErrorCode); err != nil {
		return assigned, err
	}
	var a consumer.Assignment
	if len(answer.Assignments) > 0 {
		if err := protocol.Unmarshal(answer.Assignments, consumer.MaxVersionSupported, &a); err != nil {
			return assigned, err
		}
	}
	return decodeOrZero[assignment](a.UserData), nil
}

// assign encodes the assignments as the protocol does. Members that hold a lease are assigned partition 0, for operators to see.
func (g *group) assign(assignments map[string]assignment) (list []syncgroup.RequestAssignment, err error) {
	for id, t := range assignments {
		a := consumer.Assignment{Version: consumer.MaxVersionSupported, UserData: mustMarshal(t)}
		if t.holds() {
			a.AssignedPartitions = []consumer.TopicPartition{{Topic: g.topic, Partitions: []int32{0}}}
		}
		b, err := protocol.Marshal(consumer.MaxVersionSupported, a)
		if err != nil {
			return nil, err
		}
		list = append(list, syncgroup.RequestAssignment{MemberID: id, Assignment: b})
	}
	return list, nil
}

// heartbeatRequest and heartbeatResponse replace kafka-go's own (v0.4.51) in the whole process: that request is sent to any broker
// instead of the coordinator, and that response has its fields in the wrong order, so that every error is read as success.
type heartbeatRequest struct {
	_ struct{} `kafka:"min=v4,max=v4,tag"` // flexible

	GroupID         string `kafka:"min=v1,max=v3|min=v4,max=v4,compact"`
	GenerationID    int32  `kafka:"min=v1,max=v4"`
	MemberID        string `kafka:"min=v1,max=v3|min=v4,max=v4,compact"`
	GroupInstanceID string `kafka:"min=v3,max=v3,nullable|min=v4,max=v4,nullable,compact"`
}

type heartbeatResponse struct {
	_ struct{} `kafka:"min=v4,max=v4,tag"`

	ThrottleTimeMs int32 `kafka:"min=v1,max=v4"`
	ErrorCode      int16 `kafka:"min=v1,max=v4"`
}

func init() { protocol.Register(&heartbeatRequest{}, &heartbeatResponse{}) }

// ApiKey implements protocol.Message.
func (*heartbeatRequest) ApiKey() protocol.ApiKey { return protocol.Heartbeat }

// Group implements protocol.GroupMessage.
func (r *heartbeatRequest) Group() string { return r.GroupID }

// ApiKey implements protocol.Message.
func (*heartbeatResponse) ApiKey() protocol.ApiKey { return protocol.Heartbeat }

func (g *group) heartbeat(ctx context.Context) error {
	member, generation := g.membership()
	res, err := g.cluster.transport.RoundTrip(ctx, g.cluster.client.Addr, &heartbeatRequest{
		GroupID: g.id, GenerationID: generation, MemberID: member,
	})
	if err != nil {
		return err
	}
	return g.brokerError(res.(*heartbeatResponse).ErrorCode)
}

func (g *group) brokerError(code int16) error { return g.cluster.onGroup(brokerError(code), g.id) }

// leave leaves the group: the coordinator rebalances at once.
func (g *group) leave(ctx context.Context) error {
	member, generation := g.membership()
	if member == "" {
		return nil
	}
	g.setMembership("", generation)
	res, err := g.cluster.transport.RoundTrip(ctx, g.cluster.client.Addr, &leavegroup.Request{
		GroupID: g.id, MemberID: member, Members: []leavegroup.RequestMember{{MemberID: member}},
	})
	if err != nil {
		return err
	}
	return brokerError(res.(*leavegroup.Response).ErrorCode)
}
