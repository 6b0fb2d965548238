package producer

import (
	"context"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/consumer"
	_ "github.com/segmentio/kafka-go/protocol/heartbeat" // registers first
	"github.com/segmentio/kafka-go/protocol/joingroup"
	"github.com/segmentio/kafka-go/protocol/leavegroup"
	"github.com/segmentio/kafka-go/protocol/syncgroup"
)

// group is a process's membership in a consumer group, request by request. kafka-go's ConsumerGroup ends a generation with
// every failed heartbeat and cannot be told who held what, and Client.SyncGroup fails over the empty assignment that
// comes with an error; so the requests are sent as they are.
//
// The group is an ordinary one of type "consumer", subscribed to one topic: operators see its members, and which of them hold a
// lease, with kafka-consumer-groups.sh --describe --members --verbose.
type group struct {
	cluster *cluster
	id      string
	topic   string
	silence time.Duration

	mu         sync.Mutex
	member     string // given by the coordinator; "" before the first join
	generation int32
}

// as returns who this process is in the group.
func (g *group) as() (member string, generation int32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.member, g.generation
}

// becomes is what the coordinator made of this process; member "" is a stranger again.
func (g *group) becomes(member string, generation int32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.member, g.generation = member, generation
}

// grace is how much longer than for a silent member the coordinator waits for one that it hears, and whose join does not
// arrive: a dead member holds up the joins of all others until it has been silent for too long, and meanwhile the holder of
// a lease must not be dropped. See Member.prolong.
func grace(silence time.Duration) time.Duration { return silence / 2 }

const (
	groupProtocolType = "consumer"
	groupProtocol     = "convstream-lease"
)

// join takes part in the next generation. members is nil for all but the leader, whose part it is to assign.
func (g *group) join(ctx context.Context, c candidate) (members map[string]candidate, err error) {
	subscription, err := protocol.Marshal(consumer.MaxVersionSupported, consumer.Subscription{
		Version: consumer.MaxVersionSupported, Topics: []string{g.topic}, UserData: mustMarshal(c),
	})
	if err != nil {
		return nil, err
	}
	member, generation := g.as()
	res, err := g.cluster.transport.RoundTrip(ctx, g.cluster.client.Addr, &joingroup.Request{
		GroupID: g.id, MemberID: member, ProtocolType: groupProtocolType,
		SessionTimeoutMS: int32(g.silence.Milliseconds()), RebalanceTimeoutMS: int32((g.silence + grace(g.silence)).Milliseconds()),
		Protocols: []joingroup.RequestProtocol{{Name: groupProtocol, Metadata: subscription}},
	})
	if err != nil {
		return nil, err
	}
	answer := res.(*joingroup.Response)
	if answer.ErrorCode == int16(kafka.MemberIDRequired) {
		g.becomes(answer.MemberID, generation)
		return g.join(ctx, c)
	}
	if err := g.answered(answer.ErrorCode); err != nil {
		return nil, err
	}
	g.becomes(answer.MemberID, answer.GenerationID)
	if answer.LeaderID != answer.MemberID {
		return nil, nil
	}
	members = map[string]candidate{}
	for _, m := range answer.Members {
		var s consumer.Subscription
		_ = protocol.Unmarshal(m.Metadata, consumer.MaxVersionSupported, &s) // no user data: a member that can work on nothing
		members[m.MemberID] = orNothing[candidate](s.UserData)
	}
	return members, nil
}

// sync learns what is assigned to this process, and tells the others where it is the leader.
func (g *group) sync(ctx context.Context, members map[string]candidate) (told assignment, err error) {
	member, generation := g.as()
	req := &syncgroup.Request{
		GroupID: g.id, GenerationID: generation, MemberID: member,
		ProtocolType: groupProtocolType, ProtocolName: groupProtocol,
	}
	if len(members) > 0 {
		if req.Assignments, err = g.assign(place(members)); err != nil {
			return told, err
		}
	}
	res, err := g.cluster.transport.RoundTrip(ctx, g.cluster.client.Addr, req)
	if err != nil {
		return told, err
	}
	answer := res.(*syncgroup.Response)
	if err := g.answered(answer.ErrorCode); err != nil {
		return told, err
	}
	var a consumer.Assignment
	if len(answer.Assignments) > 0 {
		if err := protocol.Unmarshal(answer.Assignments, consumer.MaxVersionSupported, &a); err != nil {
			return told, err
		}
	}
	return orNothing[assignment](a.UserData), nil
}

// assign puts the assignments into the form of the protocol. Who holds a lease is assigned the first partition, for people to see.
func (g *group) assign(told map[string]assignment) (list []syncgroup.RequestAssignment, err error) {
	for id, t := range told {
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

// heartbeatRequest and heartbeatResponse stand in for kafka-go's own, in all of the process: that request goes to any
// broker instead of the coordinator, and that response has its fields in the wrong order, so that every error reads as
// none (v0.4.51).
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
	member, generation := g.as()
	res, err := g.cluster.transport.RoundTrip(ctx, g.cluster.client.Addr, &heartbeatRequest{
		GroupID: g.id, GenerationID: generation, MemberID: member,
	})
	if err != nil {
		return err
	}
	return g.answered(res.(*heartbeatResponse).ErrorCode)
}

func (g *group) answered(code int16) error { return g.cluster.onGroup(answered(code), g.id) }

// leave has the coordinator rebalance at once.
func (g *group) leave(ctx context.Context) error {
	member, generation := g.as()
	if member == "" {
		return nil
	}
	g.becomes("", generation)
	res, err := g.cluster.transport.RoundTrip(ctx, g.cluster.client.Addr, &leavegroup.Request{
		GroupID: g.id, MemberID: member, Members: []leavegroup.RequestMember{{MemberID: member}},
	})
	if err != nil {
		return err
	}
	return answered(res.(*leavegroup.Response).ErrorCode)
}
