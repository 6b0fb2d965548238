package worker

import (
	"context"
	"time"
)

// lagEvery is how often the lag of the last stable offset is requested: a scrape sends no request to the brokers. It does not divide a
// minute, so that these requests do not coincide with those that are sent each minute.
const lagEvery = 29 * time.Second

// watchLag keeps the metric of the last stable offset up to date until stop is called. Readers of state and progress stop at
// that offset: while an open transaction holds it back, no session gets beyond its recovery, and consumers see nothing
// new. A session in recovery watches it, too.
func (s *session) watchLag(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	partitions := map[string]int{s.memory.topic: s.memory.partition, s.worker.cfg.Topics().Progress(): 0}
	go func() {
		defer close(ended)
		for tick := time.NewTicker(lagEvery); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
			for topic, id := range partitions {
				s.updateLag(ctx, topic, id)
			}
		}
	}()
	return func() {
		cancel()
		<-ended
		s.worker.metrics.stableLag.Reset() // no value until the next session
	}
}

// updateLag sets the metric of one topic; if the brokers do not answer it has no value. The outage is logged elsewhere.
func (s *session) updateLag(ctx context.Context, topic string, id int) {
	lag, err := s.worker.producer.StableLag(ctx, topic, id)
	if err != nil {
		s.worker.metrics.stableLag.DeleteLabelValues(topic)
		return
	}
	s.worker.metrics.stableLag.WithLabelValues(topic).Set(float64(lag))
}
