package fleet

import (
	"context"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/poller/simulator"
)

// allTopics are the suffixes of every topic of an account.
var allTopics = []string{"voice", "rtm", "agentassist", "other", "progress", "dead-letter", "state"}

// create makes a topic before the worker can.
func (w *world) create(suffix string, partitions int32, configs map[string]string) {
	w.t.Helper()
	if err := w.cluster.CreateTopic("conversations."+suffix, partitions, configs); err != nil {
		w.t.Fatal(err)
	}
}

// gaveUp is the error with which a worker ended by itself, as the operator is told of it.
func (w *world) gaveUp() string {
	w.t.Helper()
	stop := w.start()
	time.Sleep(5 * time.Minute) // virtual
	err := stop()
	if err == nil {
		w.t.Fatalf("the worker went on\n%s", w.log.tail())
	}
	if text := w.log.String(); strings.Contains(text, "draining") || strings.Contains(text, "nothing can be committed") {
		w.t.Errorf("the worker tried for long before it gave up:\n%s", w.log.tail())
	}
	if n := w.service.Stats().Requests; n != 0 {
		w.t.Errorf("%d requests to the service before the topics are right", n)
	}
	return worker.Explain(err)
}

// says fails the test where a text lacks something.
func (w *world) says(text string, wants ...string) {
	w.t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			w.t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

// TestMissingTopicsAreAllNamed: where the worker may not create topics, one start says which are missing, and doing what
// it says, word for word, is enough.
func TestMissingTopicsAreAllNamed(t *testing.T) {
	env := map[string]string{"TOPIC_CREATE": "false", "START_FROM": "1h", "TOPIC_PARTITIONS": "4", "TOPIC_RETENTION": "72h"}
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, env, func(w *world) {
		w.create("rtm", 2, nil)
		told := w.gaveUp()
		w.says(told, "TOPIC_CREATE=true")
		if strings.Contains(told, "conversations.rtm") {
			t.Errorf("names a topic that is there:\n%s", told)
		}
		commands := regexp.MustCompile(`--create --topic conversations\.(\S+) --partitions (\d+)((?: --config [^ )]+)*)`).FindAllStringSubmatch(told, -1)
		for _, c := range commands {
			configs := map[string]string{}
			for _, setting := range strings.Split(c[3], " --config ")[1:] {
				name, value, _ := strings.Cut(setting, "=")
				configs[name] = value
			}
			n, _ := strconv.Atoi(c[2])
			w.create(c[1], int32(n), configs)
		}
		for _, suffix := range allTopics {
			w.says(told+" conversations.rtm: does not exist", "conversations."+suffix+": does not exist")
			if w.cluster.TopicInfo("conversations."+suffix) == nil {
				t.Fatalf("the remedy does not create %s:\n%s", suffix, told)
			}
		}
		w.made("", 4, "259200000", "rtm")
		w.run(time.Hour)
		w.fresh(w.verify(w.complete))
	})
}

// TestUnusableTopics: topics that would break what they are for are refused, with their names and what to do.
func TestUnusableTopics(t *testing.T) {
	for name, c := range map[string]struct {
		suffix     string
		partitions int32
		configs    map[string]string
		wants      []string
	}{
		"state that deletes": {"state", 1, nil, []string{"cleanup.policy=delete", "needs exactly compact",
			"kafka-configs.sh --alter --entity-type topics --entity-name conversations.state --add-config cleanup.policy=compact"}},
		"state that compacts and deletes": {"state", 1, map[string]string{"cleanup.policy": "compact,delete"},
			[]string{"cleanup.policy=compact,delete", "needs exactly compact", "kafka-configs.sh"}},
		"progress in 2 partitions": {"progress", 2, nil, []string{"has 2 partitions, needs exactly 1", "delete the topic", "TOPIC_PREFIX"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, nil, func(w *world) {
				w.create(c.suffix, c.partitions, c.configs)
				told := w.gaveUp()
				w.says(told, append(c.wants, "conversations."+c.suffix)...)
				for _, suffix := range allTopics {
					if suffix != c.suffix && strings.Contains(told, "conversations."+suffix) {
						t.Errorf("names %s, which is right:\n%s", suffix, told)
					}
				}
			})
		})
	}
}

// TestStateOfManyPartitions: all that is known of an account lies in one of them, and is read from there.
func TestStateOfManyPartitions(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
		w.create("state", 7, map[string]string{"cleanup.policy": "compact"})
		for range 3 {
			w.run(10 * time.Minute)
		}
		in := map[int32]int{}
		for _, r := range w.consume(stateName) {
			in[r.Partition]++
		}
		if want := (kafka.Murmur2Balancer{Consistent: true}).Balance(kafka.Message{Key: []byte(accountID)}, 0, 1, 2, 3, 4, 5, 6); len(in) != 1 || in[int32(want)] == 0 || want == 0 {
			t.Errorf("records by partition: %v, all should be in %d, and not for want of a choice", in, want)
		}
		w.settled()
	})
}

// TestTooFewBrokersForTheReplication: the error names the setting.
func TestTooFewBrokersForTheReplication(t *testing.T) {
	env := map[string]string{"TOPIC_REPLICATION": "3"}
	inWorld(t, simulator.Config{}, env, func(w *world) {
		w.says(w.gaveUp(), "conversations.voice", "conversations.state", "TOPIC_REPLICATION is 3")
	})
}

// TestExistingTopicsAreUsedAsTheyAre: who made the topics has decided on their partitions, and each key goes to the one
// that the Java client would choose.
func TestExistingTopicsAreUsedAsTheyAre(t *testing.T) {
	counts := map[string]int32{"voice": 3, "rtm": 1, "agentassist": 12, "dead-letter": 2}
	c := simulator.Config{History: 2 * time.Hour, PerMinute: 3}
	c.Faults.Poison = 0.1
	inWorld(t, c, map[string]string{"START_FROM": "2h"}, func(w *world) {
		for suffix, n := range counts {
			w.create(suffix, n, map[string]string{"retention.ms": "7777777"})
		}
		w.run(time.Hour)
		w.fresh(w.verify(w.complete))
		for suffix, n := range counts {
			name := "conversations." + suffix
			if got := len(w.cluster.PartitionInfos(name)); got != int(n) {
				t.Errorf("%s has %d partitions now, had %d", name, got, n)
			}
			if got := w.setting(name, "retention.ms"); got != "7777777" {
				t.Errorf("%s: retention.ms is %q now", name, got)
			}
			if got := w.setting(name, "max.message.bytes"); got != "" {
				t.Errorf("%s: max.message.bytes was set to %s", name, got)
			}
		}
		w.partitioned("voice", 3)
		w.partitioned("agentassist", 12)
		w.partitioned("other", 6)
	})
}

// partitioned fails the test where a key lies elsewhere than the Java client's murmur2 puts it.
func (w *world) partitioned(suffix string, n int) {
	w.t.Helper()
	used, of := map[int32]bool{}, kgo.StickyKeyPartitioner(nil).ForTopic("")
	for _, r := range w.consume("conversations." + suffix) {
		used[r.Partition] = true
		if want := of.Partition(&kgo.Record{Key: r.Key}, n); int(r.Partition) != want {
			w.t.Errorf("%s: key %s is in partition %d of %d, want %d", suffix, r.Key, r.Partition, n, want)
		}
	}
	if len(used) < 2 {
		w.t.Errorf("%s: records in %d of %d partitions show nothing", suffix, len(used), n)
	}
}

// consume reads what is committed in a topic.
func (w *world) consume(topics ...string) []*kgo.Record {
	w.t.Helper()
	records, err := verify.Consume(context.Background(), []string{kafkaAddr}, w.network.DialContext, topics)
	if err != nil {
		w.t.Fatal(err)
	}
	return records
}

// setting is a topic's own setting; "" where it has none.
func (w *world) setting(topic, name string) string {
	if info := w.cluster.TopicInfo(topic); info != nil && info.Configs[name] != nil {
		return *info.Configs[name]
	}
	return ""
}

// TestCreatedTopics: topics are made as documented, and only what was asked for is set.
func TestCreatedTopics(t *testing.T) {
	for name, c := range map[string]struct {
		env        map[string]string
		prefix     string
		partitions int
		retention  string
	}{
		"defaults": {nil, "conversations.", 6, ""},
		"all settings": {map[string]string{"TOPIC_PREFIX": "acme-", "TOPIC_PARTITIONS": "3", "TOPIC_REPLICATION": "1", "TOPIC_RETENTION": "36h"},
			"acme-", 3, "129600000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, c.env, func(w *world) {
				stop := w.start()
				time.Sleep(time.Minute)
				if code, body := w.get("/readyz"); code != http.StatusOK {
					t.Errorf("/readyz: %d %s\n%s", code, body, w.log.tail())
				}
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				w.made(c.prefix, c.partitions, c.retention)
			})
		})
	}
}

// made fails the test where a topic is not as the worker makes it. Prefix "" is the default one.
func (w *world) made(prefix string, partitions int, retention string, except ...string) {
	w.t.Helper()
	if prefix == "" {
		prefix = "conversations."
	}
	for _, suffix := range allTopics {
		if slices.Contains(except, suffix) {
			continue
		}
		n, configs := partitions, map[string]string{"cleanup.policy": "delete"}
		if retention != "" {
			configs["retention.ms"] = retention
		}
		switch suffix {
		case "progress":
			n = 1
		case "dead-letter":
			n, configs["max.message.bytes"] = 1, "10485760"
		case "state":
			n, configs = 1, map[string]string{"cleanup.policy": "compact", "segment.bytes": "67108864"}
		}
		name, got := prefix+suffix, map[string]string{}
		info := w.cluster.TopicInfo(name)
		if info == nil {
			w.t.Errorf("%s does not exist", name)
			continue
		}
		for k, v := range info.Configs {
			if v != nil {
				got[k] = *v
			}
		}
		if !maps.Equal(got, configs) {
			w.t.Errorf("%s has settings %v, want %v", name, got, configs)
		}
		if m := len(w.cluster.PartitionInfos(name)); m != n {
			w.t.Errorf("%s has %d partitions, want %d", name, m, n)
		}
	}
}
