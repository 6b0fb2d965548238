package producer

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/describegroups"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fault is a refusal of one kind of request, for good.
func fault(key kmsg.Key, err *kerr.Error) kfake.Fault {
	return kfake.Fault{Keys: []kmsg.Key{key}, Err: err, Count: -1}
}

// TestTransactional: what the principal may not do, or what else is wrong, and the timeout where it was asked for.
func TestTransactional(t *testing.T) {
	denied := kerr.TransactionalIDAuthorizationFailed
	for name, c := range map[string]struct {
		faults   []kfake.Fault
		idle     bool
		denied   []kafka.ACLOperationType
		category Category // of the error; "" for none
		timeout  time.Duration
	}{
		"all is well, and it may be held": {},
		"all is well, and it is idle":     {idle: true, timeout: defaultTransactionTimeout},
		"not described":                   {[]kfake.Fault{fault(kmsg.FindCoordinator, denied)}, true, []kafka.ACLOperationType{kafka.ACLOperationTypeDescribe}, "", 0},
		"not written":                     {[]kfake.Fault{fault(kmsg.EndTxn, denied)}, true, []kafka.ACLOperationType{kafka.ACLOperationTypeWrite}, "", 0},
		"neither":                         {[]kfake.Fault{fault(kmsg.FindCoordinator, denied), fault(kmsg.EndTxn, denied)}, true, []kafka.ACLOperationType{kafka.ACLOperationTypeWrite}, "", 0},
		"no coordinator":                  {[]kfake.Fault{fault(kmsg.FindCoordinator, kerr.CoordinatorNotAvailable)}, true, nil, Coordinator, 0},
		"no answer about writing":         {[]kfake.Fault{fault(kmsg.EndTxn, kerr.UnknownServerError)}, true, nil, Unexpected, 0},
		"fenced, as nobody is":            {[]kfake.Fault{fault(kmsg.EndTxn, kerr.ProducerFenced)}, true, nil, "", defaultTransactionTimeout},
		"no epoch":                        {[]kfake.Fault{fault(kmsg.InitProducerID, kerr.UnknownServerError)}, true, nil, Unexpected, defaultTransactionTimeout},
		"no timeout at all":               {[]kfake.Fault{fault(kmsg.InitProducerID, kerr.InvalidTransactionTimeout)}, true, nil, Settings, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 3, func(t *testing.T, w *world) {
				w.kafka.Fault(c.faults...)
				got := w.inspector().Transactional(t.Context(), txnID, c.idle)
				e, _ := errors.AsType[*Error](got.Err)
				if !slices.Equal(got.Denied, c.denied) || got.Timeout != c.timeout || (got.Err != nil) != (c.category != "") || e != nil && e.Category != c.category {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

// TestTransactionalTakesNothing: a worker that holds the id goes on in its epoch, in the middle of a transaction too.
func TestTransactionalTakesNothing(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		asked := func(map[string]int64) ([]Record, error) {
			for _, idle := range []bool{false, true} {
				if c := w.inspector().Transactional(t.Context(), txnID, idle); c.Err != nil || c.Denied != nil {
					t.Errorf("idle %t: %+v", idle, c)
				}
			}
			return nil, nil
		}
		session := p.session
		for range 2 {
			if err := p.Commit(t.Context(), rows(voice, "x", 3), asked); err != nil {
				t.Error(err)
			}
		}
		if p.session != session {
			t.Error("the epoch has changed")
		}
	})
}

// TestTimeoutTaken: found as a Producer finds it, by halves.
func TestTimeoutTaken(t *testing.T) {
	for most, want := range map[string]time.Duration{
		"900000": 30 * time.Second, "30000": 30 * time.Second, "29999": 15 * time.Second, "10000": 7500 * time.Millisecond, "1900": 1875 * time.Millisecond, "1000": 0,
	} {
		inWorld(t, 1, func(t *testing.T, w *world) {
			c := w.inspector().Transactional(t.Context(), "another id", true)
			if c.Timeout != want || errors.Is(c.Err, kafka.InvalidTransactionTimeout) != (want == 0) {
				t.Errorf("brokers allow %s ms: %v, %v", most, c.Timeout, c.Err)
			}
			p := w.open()
			if err := p.Acquire(t.Context()); (err != nil) != (want == 0) || err == nil && p.cfg.TransactionTimeout != want {
				t.Errorf("brokers allow %s ms: a Producer takes %v, %v", most, p.cfg.TransactionTimeout, err)
			}
		}, kfake.BrokerConfigs(map[string]string{"transaction.max.timeout.ms": most}))
	}
}

// TestOldBrokers: one that cannot be told who asks would fence whoever works, and is not asked for an epoch.
func TestOldBrokers(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		i, asked := w.inspector(), 0
		w.kafka.ControlKey(int16(kmsg.InitProducerID), func(kmsg.Request) (kmsg.Response, error, bool) {
			w.kafka.KeepControl()
			asked++
			return nil, nil, false
		})
		w.kafka.ControlKey(int16(kmsg.ApiVersions), func(r kmsg.Request) (kmsg.Response, error, bool) {
			w.kafka.KeepControl()
			answer := r.ResponseKind().(*kmsg.ApiVersionsResponse)
			for _, key := range needed {
				k := kmsg.NewApiVersionsResponseApiKey()
				k.ApiKey, k.MaxVersion = int16(key), 2
				answer.ApiKeys = append(answer.ApiKeys, k)
			}
			return answer, nil, true
		})
		if c := i.Transactional(t.Context(), txnID, true); c.Err != nil || c.Denied != nil || asked > 0 {
			t.Errorf("%+v, asked for an epoch %d times", c, asked)
		}
	})
}

func TestMeantForNobody(t *testing.T) {
	for code := kafka.Error(-1); code < 130; code++ {
		err := meantForNobody(code)
		switch code {
		case kafka.InvalidProducerIDMapping, kafka.UnknownProducerId, kafka.InvalidProducerEpoch, kafka.ProducerFenced, kafka.InvalidTransactionState, kafka.ConcurrentTransactions:
			if err != nil {
				t.Errorf("%v: is an error", code)
			}
		default:
			if !errors.Is(err, code) {
				t.Errorf("%v: became %v", code, err)
			}
		}
	}
	if meantForNobody(nil) != nil {
		t.Error("no error became one")
	}
}

// TestGroup looks at a group of workers, and the workers do not notice.
func TestGroup(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		i := w.inspector()
		if g := i.Group(t.Context(), "lease"); g.Err != nil || g.Denied != nil || g.Members != 0 || g.Foreign {
			t.Errorf("a group that is not there: %+v", g)
		}
		w.open()
		a, b := w.elector("a"), w.elector("b")
		holder, _ := awaitHolder(t, 2*leaseTimeout, a, b)
		held, _ := holder.Tenure()
		time.Sleep(leaseTimeout)
		if g := i.Group(t.Context(), "lease"); g.Err != nil || g.Denied != nil || g.Members != 2 || g.Foreign {
			t.Errorf("a group of two: %+v", g)
		}
		if time.Sleep(leaseTimeout); held.Err() != nil {
			t.Error("the lease was lost")
		}
	})
}

// TestGroupRefused: the right that is missing, the least of them that allows the rest.
func TestGroupRefused(t *testing.T) {
	for name, c := range map[string]struct {
		fault    kfake.Fault
		denied   []kafka.ACLOperationType
		category Category
	}{
		"no coordinator is told": {fault(kmsg.FindCoordinator, kerr.GroupAuthorizationFailed), []kafka.ACLOperationType{kafka.ACLOperationTypeRead}, ""},
		"not described":          {fault(kmsg.DescribeGroups, kerr.GroupAuthorizationFailed), []kafka.ACLOperationType{kafka.ACLOperationTypeDescribe}, ""},
		"no coordinator":         {fault(kmsg.FindCoordinator, kerr.CoordinatorNotAvailable), nil, Coordinator},
		"something else":         {fault(kmsg.DescribeGroups, kerr.UnknownServerError), nil, Unexpected},
	} {
		inWorld(t, 1, func(t *testing.T, w *world) {
			w.kafka.Fault(c.fault)
			begun := time.Now()
			g := w.inspector().Group(t.Context(), "lease")
			e, _ := errors.AsType[*Error](g.Err)
			if !slices.Equal(g.Denied, c.denied) || (g.Err != nil) != (c.category != "") || e != nil && e.Category != c.category {
				t.Errorf("%s: %+v", name, g)
			}
			switch waited := time.Since(begun); {
			case c.category != Coordinator && waited > 0:
				t.Errorf("%s: waited %v", name, waited)
			case c.category == Coordinator && (waited != coordinatorPatience || !strings.Contains(e.Error(), "none within 8s") || !strings.Contains(e.Hint, "__consumer_offsets")):
				t.Errorf("%s: waited %v: %v", name, waited, g.Err)
			}
		})
	}
}

// TestGroupDescribed: what the answer says of a group.
func TestGroupDescribed(t *testing.T) {
	const none, all = int32(unknownOperations), 1<<kafka.ACLOperationTypeRead | 1<<kafka.ACLOperationTypeDescribe
	for name, c := range map[string]struct {
		version int16
		is      describegroups.ResponseGroup
		foreign bool
		denied  bool
	}{
		"ours":                            {5, describegroups.ResponseGroup{ProtocolType: "consumer", ProtocolData: "convstream-lease", AuthorizedOperations: all}, false, false},
		"empty":                           {5, describegroups.ResponseGroup{AuthorizedOperations: all}, false, false},
		"rebalances":                      {5, describegroups.ResponseGroup{ProtocolType: "consumer", AuthorizedOperations: all}, false, false},
		"another consumer's":              {5, describegroups.ResponseGroup{ProtocolType: "consumer", ProtocolData: "range", AuthorizedOperations: all}, true, false},
		"not of consumers":                {5, describegroups.ResponseGroup{ProtocolType: "connect", AuthorizedOperations: all}, true, false},
		"may be described only":           {5, describegroups.ResponseGroup{AuthorizedOperations: 1 << kafka.ACLOperationTypeDescribe}, false, true},
		"rights not known":                {5, describegroups.ResponseGroup{AuthorizedOperations: none}, false, false},
		"of a version that has no rights": {2, describegroups.ResponseGroup{AuthorizedOperations: 0}, false, false},
	} {
		var g GroupState
		c.is.Members = make([]describegroups.ResponseGroupMember, 3)
		err := g.described(&describegroups.Response{Groups: []describegroups.ResponseGroup{c.is}}, c.version)
		if err != nil || g.Members != 3 || g.Foreign != c.foreign || (len(g.Denied) > 0) != c.denied || c.denied && g.Denied[0] != kafka.ACLOperationTypeRead {
			t.Errorf("%s: %+v, %v", name, g, err)
		}
	}
	var g GroupState
	if err := g.described(&describegroups.Response{}, 5); err == nil {
		t.Error("an answer without the group passes")
	}
	err := g.described(&describegroups.Response{Groups: []describegroups.ResponseGroup{{ErrorCode: int16(kafka.GroupLoadInProgress)}}}, 5)
	if !errors.Is(err, kafka.GroupLoadInProgress) {
		t.Errorf("the group's own error became %v", err)
	}
}
