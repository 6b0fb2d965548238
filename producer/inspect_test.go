package producer

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// inspector returns an Inspector of the world's cluster.
func (w *world) inspector(change ...func(*Cluster)) *Inspector {
	w.t.Helper()
	to := w.config().Cluster
	for _, f := range change {
		f(&to)
	}
	i, err := OpenInspector(to)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(i.Close)
	return i
}

// dialled notes the addresses that connections are opened to; those that are down refuse.
type dialled struct {
	dial func(context.Context, string, string) (net.Conn, error)
	mu   sync.Mutex
	down []string
	all  []string
}

func (d *dialled) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d.mu.Lock()
	d.all = append(d.all, address)
	refuses := slices.Contains(d.down, address)
	d.mu.Unlock()
	if refuses {
		return nil, errors.New("connection refused")
	}
	return d.dial(ctx, network, address)
}

// since returns the addresses of the connections since the last call.
func (d *dialled) since() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.all
	d.all = nil
	return list
}

func TestOpenInspector(t *testing.T) {
	if _, err := OpenInspector(Cluster{}); err == nil || !strings.Contains(err.Error(), "KAFKA_BROKERS") {
		t.Errorf("without brokers: %v", err)
	}
	i, err := OpenInspector(Cluster{Brokers: []string{"127.0.0.1:1"}})
	if err != nil || i.to.Timeout != defaultTimeout {
		t.Errorf("timeout %v, %v", i.to.Timeout, err)
	}
}

// TestReach: what a broker takes, and by name what it lacks of what a worker needs.
func TestReach(t *testing.T) {
	for _, lacks := range [][]protocol.ApiKey{nil, {protocol.InitProducerId}, {protocol.EndTxn, protocol.Heartbeat}} {
		inWorld(t, 1, func(t *testing.T, w *world) {
			if lacks != nil {
				w.answeringWith(kmsg.ApiVersions, func(r kmsg.Response) {
					for _, key := range needed {
						if !slices.Contains(lacks, key) {
							k := kmsg.NewApiVersionsResponseApiKey()
							k.ApiKey, k.MaxVersion = int16(key), int16(key)+1
							r.(*kmsg.ApiVersionsResponse).ApiKeys = append(r.(*kmsg.ApiVersionsResponse).ApiKeys, k)
						}
					}
				})
			}
			address := w.kafka.ListenAddrs()[0]
			b, err := w.inspector().Reach(t.Context(), address)
			if err != nil || b.Address != address || b.Certificate != nil {
				t.Fatalf("%+v, %v", b, err)
			}
			var want []string
			for _, key := range needed { // in the order in which a worker needs them
				if slices.Contains(lacks, key) {
					want = append(want, key.String())
				} else if newest, takes := b.Offers[int16(key)]; !takes || lacks != nil && newest != int16(key)+1 {
					t.Errorf("offers %v in version %d, %t", key, newest, takes)
				}
			}
			if !slices.Equal(b.Lacks, want) {
				t.Errorf("lacks %v, want %v", b.Lacks, want)
			}
		})
	}
}

// TestReachTLS: the certificate is the one that the broker showed.
func TestReachTLS(t *testing.T) {
	w, s := secureWorld(t, func(s *secrets) []kfake.Opt {
		return []kfake.Opt{kfake.TLS(s.server(time.Hour, "localhost", "127.0.0.1"))}
	})
	i, err := OpenInspector(Cluster{Brokers: w.kafka.ListenAddrs(), TLS: &TLS{CAFile: s.path("ca")}})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	b, err := i.Reach(t.Context(), w.kafka.ListenAddrs()[0])
	if err != nil || b.Certificate == nil || !slices.Contains(b.Certificate.DNSNames, "localhost") {
		t.Errorf("certificate %v, %v", b.Certificate, err)
	}
}

// TestReachFails: the error names the address, and comes at once or after the timeout.
func TestReachFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(kfake.VirtualNetwork)
		answering(t, network, "", false)
		const timeout = 7 * time.Second
		i, err := OpenInspector(Cluster{Brokers: []string{"127.0.0.1:9092"}, Dial: network.DialContext, Timeout: timeout})
		if err != nil {
			t.Fatal(err)
		}
		defer i.Close()
		begun := time.Now()
		_, err = i.Reach(t.Context(), "127.0.0.1:9092")
		if e, ok := errors.AsType[*Error](err); !ok || e.Category != Timeout || e.Op != "reach 127.0.0.1:9092" || !strings.Contains(e.Error(), "no answer within 7s") || time.Since(begun) != timeout {
			t.Errorf("who does not answer: %v after %v", err, time.Since(begun))
		}
		_, err = i.Reach(t.Context(), "127.0.0.1:9093")
		if e, ok := errors.AsType[*Error](err); !ok || e.Category != Connection || time.Since(begun) != timeout {
			t.Errorf("where nobody listens: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err = i.Reach(ctx, "127.0.0.1:9092")
		if e, ok := errors.AsType[*Error](err); !ok || e.Category != Canceled || time.Since(begun) != timeout+time.Second {
			t.Errorf("canceled: %v", err)
		}
	})
}

// TestAdvertised: all brokers, sorted, whichever is asked.
func TestAdvertised(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		want := slices.Sorted(slices.Values(w.kafka.ListenAddrs()))
		for _, only := range want {
			got, err := w.inspector(func(to *Cluster) { to.Brokers = []string{only} }).Advertised(t.Context())
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %v, %v", only, got, err)
			}
		}
	})
}

// TestAnywhere asks the brokers one after the other, and from then on first the one that answered.
func TestAnywhere(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		brokers := w.kafka.ListenAddrs()
		d := &dialled{dial: w.network.DialContext, down: brokers[:1]}
		i := w.inspector(func(to *Cluster) { to.Dial = d.DialContext })
		for _, c := range []struct {
			down []string
			want []string
		}{
			{brokers[:1], brokers[:2]},
			{brokers[:1], brokers[1:2]},
			{brokers[:2], []string{brokers[1], brokers[0], brokers[1], brokers[2]}},
			{nil, brokers[2:]},
			{brokers, []string{brokers[2], brokers[0], brokers[1], brokers[2]}},
		} {
			d.down = c.down
			_, err := i.Advertised(t.Context())
			if asked := d.since(); !slices.Equal(asked, c.want) {
				t.Errorf("down are %v: asked %v, want %v", c.down, asked, c.want)
			}
			e, failed := errors.AsType[*Error](err)
			if failed != (len(c.down) == len(brokers)) || failed && (e.Category != Connection || e.Op != "list brokers") {
				t.Errorf("down are %v: %v", c.down, err)
			}
		}
	})
}

// TestAnswersOfOneBroker: an answer that another broker would give as well is not asked for again.
func TestAnswersOfOneBroker(t *testing.T) {
	for err, want := range map[error]bool{
		errBroken: true, context.DeadlineExceeded: true, silence(time.Second): true, &peerError{category: Protocol}: true, &peerError{category: Encryption}: true,
		&peerError{category: Login}: true, kafka.TopicAuthorizationFailed: false, kafka.GroupCoordinatorNotAvailable: false, kafka.LeaderNotAvailable: false,
		kafka.InvalidTopic: false, kafka.UnsupportedVersion: false, context.Canceled: false,
	} {
		if unreached(err) != want {
			t.Errorf("%v: asks another broker: %t", err, !want)
		}
	}
}

// TestPatiently: asked again is only what the cluster will know soon.
func TestPatiently(t *testing.T) {
	for _, c := range []struct {
		err      error
		again    bool
		category Category
	}{
		{kafka.GroupLoadInProgress, true, Coordinator},
		{kafka.NotCoordinatorForGroup, true, Coordinator},
		{kafka.LeaderNotAvailable, true, Leader},
		{kafka.NotController, true, Leader},
		{kafka.TransactionCoordinatorFenced, false, Coordinator},
		{kafka.TopicAuthorizationFailed, false, Denied},
		{kafka.RequestTimedOut, false, Timeout},
		{errBroken, false, Connection},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			i, begun, asked := &Inspector{}, time.Now(), 0
			err := i.patiently(ctx, "ask", func() error { asked++; return c.err })
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Category != c.category || e.Op != "ask" || !errors.Is(err, c.err) || asked > 1 != c.again {
				t.Errorf("%v: asked %d times, then %v", c.err, asked, err)
			}
			if ended := errors.Is(err, context.DeadlineExceeded); ended != c.again || c.again && (time.Since(begun) != time.Minute || asked > 130) {
				t.Errorf("%v: asked %d times in %v, then %v", c.err, asked, time.Since(begun), err)
			}
			left := 3
			err = i.patiently(t.Context(), "ask", func() error {
				if left--; left == 0 {
					return nil
				}
				return c.err
			})
			if (err == nil) != c.again {
				t.Errorf("%v, and then no error: %v", c.err, err)
			}
		})
	}
}

// TestInspectorCloses: Close ends the request under way and those that come later.
func TestInspectorCloses(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.kafka.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, nil, true })
		i, ended := w.inspector(), make(chan error)
		go func() { _, err := i.Advertised(t.Context()); ended <- err }()
		synctest.Wait()
		begun := time.Now()
		i.Close()
		if err := <-ended; err == nil || time.Since(begun) > 0 {
			t.Errorf("the request under way: %v after %v", err, time.Since(begun))
		}
		if _, err := i.Reach(t.Context(), w.kafka.ListenAddrs()[0]); !errors.Is(err, errClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// TestController: the topics are tried where they would be created, and it is waited for a controller.
func TestController(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		i := w.inspector()
		states, err := i.MayCreate(t.Context(), []Topic{{Name: voice, Partitions: 6}})
		if err != nil || states[voice].Err != nil { // any other broker answers NOT_CONTROLLER
			t.Errorf("%+v, %v", states, err)
		}
		w.answeringWith(kmsg.Metadata, func(r kmsg.Response) { r.(*kmsg.MetadataResponse).ControllerID = -1 })
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begun := time.Now()
		_, err = i.MayCreate(ctx, nil)
		if e, ok := errors.AsType[*Error](err); !ok || e.Category != Leader || e.Op != "find the controller" || time.Since(begun) != 5*time.Second {
			t.Errorf("without a controller: %v after %v", err, time.Since(begun))
		}
	})
}
