package check

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"golang.org/x/sync/errgroup"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/producer"
)

const (
	// clientID is the name in the brokers' logs.
	clientID = "convstream-check"
	// brokersAtOnce limits the connections to the brokers.
	brokersAtOnce = 16
)

// cluster checks the brokers and collects the lines about them.
type cluster struct {
	Config
	at    producer.Cluster
	to    *producer.Inspector
	lines []Line
	found []producer.TopicState // the topics; nil if they are not known
	cut   bool                  // an advertised address was not reached
	// denials returns the ACLs of type DENY; it is called if something is denied.
	denials func() ([]producer.Denial, error)
}

func (c Config) kafka(ctx context.Context) []Line {
	at := c.Process.Kafka.Cluster(clientID, c.Network.Dial, zerolog.Nop())
	to, err := producer.OpenInspector(at)
	if err != nil {
		return []Line{{Area: Brokers, Subject: "settings", State: Fail, Says: err.Error()}}
	}
	defer to.Close()
	k := &cluster{Config: c, at: at, to: to, denials: sync.OnceValues(func() ([]producer.Denial, error) { return to.Denials(ctx) })}
	k.ownCertificate()
	if !k.brokers(ctx) {
		for _, area := range []Area{Topics, Permissions, Group, Transactions, Lateness} {
			k.say(Line{Area: area, Subject: "all", State: Skip, Says: "needs a broker"})
		}
		return k.lines
	}
	k.topics(ctx)
	k.group(ctx)
	k.lateness(ctx)
	k.hidden()
	return k.lines
}

func (k *cluster) say(l Line) { k.lines = append(k.lines, l) }

// ownCertificate reports how long the client certificate is valid.
func (k *cluster) ownCertificate() {
	own, err := k.Process.Kafka.Certificate()
	switch {
	case err != nil:
		k.say(Line{Area: Brokers, Subject: "own certificate", State: Fail, Says: err.Error(), Do: "correct KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE"})
	case own != nil:
		state, left := k.left(own)
		k.say(Line{Area: Brokers, Subject: "own certificate", State: state, Says: fmt.Sprintf("%s, %s", own.Subject, left)})
	}
}

// left reports how long a certificate is valid.
func (k *cluster) left(c *x509.Certificate) (State, string) {
	left := time.Until(c.NotAfter)
	says := fmt.Sprintf("valid for %d days, until %s", int(left.Hours()/24), c.NotAfter.UTC().Format(time.DateOnly))
	if left < config.ExpiresSoon {
		return Warn, says
	}
	return OK, says
}

// brokers connects to each address of KAFKA_BROKERS and to each advertised one. It returns false if no broker answers.
func (k *cluster) brokers(ctx context.Context) bool {
	asked := slices.Compact(slices.Sorted(slices.Values(k.Process.Kafka.Brokers)))
	reached := k.reach(ctx, asked)
	answers := slices.ContainsFunc(reached, func(r attempt) bool { return r.err == nil })
	for _, r := range reached {
		l := k.brokerLine(r)
		if l.State == Fail && answers && away(r.err) {
			l.State, l.Says = Warn, l.Says+"; other brokers answer"
		}
		k.say(l)
	}
	if !answers {
		return false
	}
	advertised, err := k.to.Advertised(ctx)
	if err != nil {
		k.say(failed(Line{Area: Brokers, Subject: "advertised.listeners"}, err))
		return false
	}
	advertised = slices.DeleteFunc(advertised, func(a string) bool { return slices.Contains(asked, a) })
	for _, r := range k.reach(ctx, advertised) {
		k.cut = k.cut || r.err != nil
		k.say(k.brokerLine(r))
	}
	return true
}

// attempt is the outcome of connecting to an address.
type attempt struct {
	producer.Broker
	err error
}

func (k *cluster) reach(ctx context.Context, addresses []string) []attempt {
	all := make([]attempt, len(addresses))
	var probes errgroup.Group
	probes.SetLimit(brokersAtOnce)
	for i, address := range addresses {
		probes.Go(func() error {
			all[i].Broker, all[i].err = k.to.Reach(ctx, address)
			return nil
		})
	}
	_ = probes.Wait() // no probe returns an error
	return all
}

// away reports whether an error may mean that a broker is down.
func away(err error) bool {
	e, ok := errors.AsType[*producer.Error](err)
	return ok && (e.Category == producer.Connection || e.Category == producer.Timeout)
}

// failed returns the line with the error and its remedy.
func failed(l Line, err error) Line {
	l.State, l.Says = Fail, err.Error()
	if e, ok := errors.AsType[*producer.Error](err); ok {
		l.Says, l.Do = e.Err.Error(), e.Hint
	}
	if code, ok := errors.AsType[kafka.Error](err); ok { // the title only: kafka-go's explanation is for programmers
		l.Says = strings.ReplaceAll(l.Says, code.Error(), fmt.Sprintf("[%d] %s", int(code), code.Title()))
		if code == kafka.GroupCoordinatorNotAvailable {
			l.Do = "check the brokers' logs; a cluster with fewer brokers than offsets.topic.replication.factor or transaction.state.log.replication.factor (default 3) cannot create its internal topics"
		}
	}
	return l
}

// failedAfter is like failed for a probe that needs all brokers.
func (k *cluster) failedAfter(l Line, err error) Line {
	if k.cut && away(err) {
		l.State, l.Says = Skip, "needs the brokers that were not reached"
		return l
	}
	return failed(l, err)
}

func (k *cluster) brokerLine(r attempt) Line {
	l := Line{Area: Brokers, Subject: r.Address, State: OK}
	if r.err != nil {
		return failed(l, r.err)
	}
	says := []string{version(r.Offers)}
	if c := r.Certificate; c != nil {
		state, left := k.left(c)
		l.State, says = state, append(says, fmt.Sprintf("TLS: certificate for %s, %s", strings.Join(names(c), " "), left))
	} else {
		says = append(says, "no TLS")
	}
	if m := k.Process.Kafka.Mechanism; m != "" {
		says = append(says, m+" accepted")
	} else {
		says = append(says, "no login")
	}
	l.Says = strings.Join(says, "; ")
	switch {
	case len(r.Lacks) > 0:
		l.State, l.Says = Fail, l.Says+"; does not support "+strings.Join(r.Lacks, ", ")
		l.Do = "use brokers that support transactions: Apache Kafka 2.8 or later"
	case older(r.Offers):
		l.State, l.Says = Warn, l.Says+"; older than 2.8, the oldest that was tested"
		l.Do = "such brokers also require IdempotentWrite on the cluster: " + k.at.Allow("cluster", nil, "IdempotentWrite")
	}
	return l
}

// names returns the names that a certificate is for.
func names(c *x509.Certificate) []string {
	all := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		all = []string{c.Subject.String()}
	}
	const enough = 4
	if len(all) > enough {
		all = append(all[:enough], fmt.Sprintf("and %d more", len(all)-enough))
	}
	return all
}

// version guesses the release of a broker from the requests that it supports.
func version(offers map[int16]int16) string {
	guess := offered(offers).VersionGuess()
	if release, exact := strings.CutPrefix(strings.TrimPrefix(guess, "at least "), "v"); exact {
		return strings.TrimSuffix(guess, "v"+release) + "Kafka " + release
	}
	return "not a known release of Apache Kafka"
}

func offered(offers map[int16]int16) *kversion.Versions {
	res := kmsg.NewPtrApiVersionsResponse()
	for _, key := range slices.Sorted(maps.Keys(offers)) {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MaxVersion = key, offers[key]
		res.ApiKeys = append(res.ApiKeys, k)
	}
	return kversion.FromApiVersionsResponse(res)
}

// older reports whether a broker supports less than Kafka 2.8 of the requests that a worker sends.
func older(offers map[int16]int16) bool {
	was := kversion.V2_8_0()
	for _, key := range []kmsg.Key{kmsg.Produce, kmsg.Fetch, kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.EndTxn} {
		then, _ := was.LookupMaxKeyVersion(key.Int16())
		if offers[key.Int16()] < then {
			return true
		}
	}
	return false
}
