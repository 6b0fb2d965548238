package fleet

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

var scrapesFile = flag.String("scrapes", "", "file into which TestScrapes writes what it scraped")

// scraper scrapes the replicas of a world, as the pods of a job.
type scraper struct {
	*world
	pods []*replica
	out  bytes.Buffer // "# " and the Unix time of a scrape, then its series and their values
	now  int
	told map[string]bool // series that were 1 at some time
}

// scrape is one minute.
func (p *scraper) scrape() {
	p.t.Helper()
	fmt.Fprintf(&p.out, "# %d\n", time.Now().Unix())
	for _, pod := range p.pods {
		_, body := p.getFrom(pod.addr, "/metrics")
		for line := range strings.Lines(body) {
			if !strings.HasPrefix(line, "convstream_") {
				continue
			}
			at := strings.LastIndexByte(line, ' ')
			name, labels, _ := strings.Cut(strings.TrimSuffix(line[:at], "}"), "{")
			series := fmt.Sprintf("%s{%s}", name, strings.TrimPrefix(labels+fmt.Sprintf(`,job="c/convstream",pod=%q`, pod.addr), ","))
			fmt.Fprintf(&p.out, "%s %s", series, line[at+1:])
			if line[at:] == " 1\n" {
				p.told[name] = true
			}
		}
	}
	p.now++
}

// until works on to a minute.
func (p *scraper) until(minute int) {
	p.t.Helper()
	for p.now < minute {
		time.Sleep(time.Minute)
		p.scrape()
	}
}

func (p *scraper) come() { p.pods = append(p.pods, p.replica()) }

// leave drains the oldest pod.
func (p *scraper) leave() {
	p.must(p.pods[0].stop())
	p.pods = slices.Delete(p.pods, 0, 1)
}

// on does something to the network of all pods.
func (p *scraper) on(do func(*wire)) {
	for _, pod := range p.pods {
		do(pod.wire)
	}
}

// TestScrapes plays what alerts are for, and scrapes two replicas every minute: a rolling update, the service away for half an hour, the
// brokers for twenty minutes, a row that is not a conversation, nobody there. What it scraped is what deploy/test evaluates the alerts on,
// which knows the minutes.
func TestScrapes(t *testing.T) {
	t.Parallel()
	long(t)
	at := bubble.Add(165 * time.Minute).Format("2006-01-02T15:04:05")
	c := simulator.Config{History: 10 * time.Minute, PerMinute: 0.5, Extra: []json.RawMessage{fmt.Appendf(nil, `{"channel":"voice","sessionStartTime":%q,"sessionEndTime":%q}`, at, at)}}
	inWorld(t, c, map[string]string{"START_FROM": "10m", "REREAD": "30m:10m", "TOPIC_PARTITIONS": "1"}, func(w *world) {
		p := &scraper{world: w, told: map[string]bool{}}
		p.come()
		p.come()
		for minute := 20; minute < 24; minute += 2 { // a rolling update
			p.until(minute)
			p.come()
			p.until(minute + 1)
			p.leave()
		}
		p.until(60)
		p.on(func(on *wire) { on.Cut(serviceAddr) })
		p.until(90)
		p.on((*wire).Mend)
		p.until(120)
		p.on((*wire).CutBrokers)
		p.until(140)
		p.on((*wire).Mend)
		p.until(200)
		gone := p.pods
		for range gone {
			p.leave()
		}
		p.until(215)
		p.come()
		p.come()
		p.until(250)
		p.leave()
		p.leave()
		for _, name := range []string{"convstream_active", "convstream_service_trouble", "convstream_kafka_trouble"} {
			if !p.told[name] {
				t.Errorf("%s was never 1", name)
			}
		}
		p.settled()
		if *scrapesFile != "" {
			p.must(os.WriteFile(*scrapesFile, p.out.Bytes(), 0o600))
		}
	})
}
