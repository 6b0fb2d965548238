package producer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// Inspector asks a cluster what a worker would meet there, and changes nothing: it writes no record, creates no topic, joins no
// group and takes no epoch, so that it may be used beside running workers. Each question has a connection of its own, made as all
// others are. Its errors are *Error values. It may be used from many goroutines.
type Inspector struct {
	to      Cluster
	sockets *sockets

	mu       sync.Mutex
	answered string // the address that was asked last with success; "" for none
}

// OpenInspector reaches for nothing yet.
func OpenInspector(to Cluster) (*Inspector, error) {
	to = to.withDefaults()
	if err := to.validate(); err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	return &Inspector{to: to, sockets: newSockets(to)}, nil
}

// Close ends every connection at once.
func (i *Inspector) Close() { i.sockets.close() }

// Broker is what is behind an address.
type Broker struct {
	Address     string
	Certificate *x509.Certificate // that it showed; nil without TLS
	Offers      map[int16]int16   // newest version of each request that it takes, by the request's number
	Lacks       []string          // requests that a worker makes and that it does not take
}

// needed are the requests that a worker makes.
var needed = []protocol.ApiKey{
	protocol.Produce, protocol.Fetch, protocol.ListOffsets, protocol.Metadata, protocol.FindCoordinator, protocol.JoinGroup, protocol.Heartbeat,
	protocol.LeaveGroup, protocol.SyncGroup, protocol.CreateTopics, protocol.InitProducerId, protocol.AddPartitionsToTxn, protocol.EndTxn,
	protocol.DescribeConfigs,
}

// Reach connects to an address, secured and logged in as a worker is, once.
func (i *Inspector) Reach(ctx context.Context, address string) (Broker, error) {
	b := Broker{Address: address}
	err := i.at(ctx, address, func(x *exchange) error {
		b.Certificate, b.Offers = certificateOf(x.conn), x.offers
		for _, key := range needed {
			if _, takes := x.offers[int16(key)]; !takes {
				b.Lacks = append(b.Lacks, key.String())
			}
		}
		return nil
	})
	if err != nil {
		return b, failure("reach "+address, err)
	}
	return b, nil
}

// certificateOf is what the other side of a connection showed; nil without TLS.
func certificateOf(conn net.Conn) *x509.Certificate {
	for {
		switch c := conn.(type) {
		case *socket:
			conn = c.Conn
		case *frames:
			conn = c.Conn
		case *tls.Conn:
			return c.ConnectionState().PeerCertificates[0] // a client always gets one
		default:
			return nil
		}
	}
}

// Advertised are the addresses that the cluster tells its clients to connect to, sorted.
func (i *Inspector) Advertised(ctx context.Context) (addresses []string, err error) {
	err = i.anywhere(ctx, "list brokers", func(x *exchange) error {
		res, err := x.metadata(&metadata.Request{TopicNames: []string{}})
		if err != nil {
			return err
		}
		addresses = nil
		for _, b := range res.Brokers {
			addresses = append(addresses, addressOf(b.Host, b.Port))
		}
		slices.Sort(addresses)
		return nil
	})
	return addresses, err
}

func addressOf(host string, port int32) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

func (x *exchange) metadata(req *metadata.Request) (*metadata.Response, error) {
	res, err := x.roundTrip(req)
	if err != nil {
		return nil, err
	}
	return res.(*metadata.Response), nil
}

// at opens a connection to the address for a while.
func (i *Inspector) at(ctx context.Context, address string, ask func(*exchange) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, i.to.Timeout, silence(i.to.Timeout))
	defer cancel()
	conn, err := i.sockets.DialContext(ctx, "tcp", address)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	x := &exchange{conn: conn, address: address, clientID: i.to.ClientID}
	if err = x.apiVersions(); err == nil {
		err = ask(x)
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// silence is a deadline that has passed.
type silence time.Duration

// Error implements error.
func (s silence) Error() string { return fmt.Sprintf("no answer within %v", time.Duration(s)) }

// Is reports whether target is the deadline's error.
func (silence) Is(target error) bool { return target == context.DeadlineExceeded }

// anywhere asks one broker after the other, until one answers.
func (i *Inspector) anywhere(ctx context.Context, what string, ask func(*exchange) error) error {
	return i.patiently(ctx, what, func() (err error) {
		i.mu.Lock()
		first := i.answered
		i.mu.Unlock()
		addresses := i.to.Brokers
		if first != "" {
			addresses = append([]string{first}, addresses...)
		}
		for _, address := range addresses {
			if err = i.at(ctx, address, ask); err == nil || !unreached(err) {
				i.mu.Lock()
				i.answered = address
				i.mu.Unlock()
				return err
			}
		}
		return err
	})
}

// unreached reports whether another broker may answer where this one did not.
func unreached(err error) bool {
	switch failure("", err).Category {
	case Connection, Timeout, Protocol, Encryption, Login:
		return true
	}
	return false
}

// patiently asks again where the cluster says that it will know soon, until ctx ends. Where there is no answer, it does not: who
// waits sits before a screen.
func (i *Inspector) patiently(ctx context.Context, what string, ask func() error) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := ask()
		if err == nil {
			return nil
		}
		e := failure(what, err)
		soon := e.retriable && (e.Category == Coordinator || e.Category == Leader)
		if !soon || !sleep(ctx, jitter(pause)) {
			if soon && ctx.Err() != nil && !errors.Is(e.Err, ctx.Err()) {
				e = e.endedBy(ctx)
			}
			return e
		}
	}
}
