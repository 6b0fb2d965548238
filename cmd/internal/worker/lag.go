package worker

import (
	"context"
	"time"
)

// lagEvery is how often it is looked how far the last stable offset of our own topics is behind: whoever scrapes the metric asks the
// brokers nothing. It is no part of a minute: these questions do not go out in step with those that are.
const lagEvery = 29 * time.Second

// watchLag keeps the metric of the last stable offset up to date until stop is called. What is read of state and progress ends at
// that offset: while somebody's open transaction holds it back, no session gets beyond its start, and no consumer sees what is
// new. A session that is held up so watches, too.
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
				s.lookAtLag(ctx, topic, id)
			}
		}
	}()
	return func() {
		cancel()
		<-ended
		s.worker.metrics.stableLag.Reset() // nobody looks until the next session does
	}
}

// lookAtLag asks once. Where the brokers do not answer there is nothing to show, and others tell of it.
func (s *session) lookAtLag(ctx context.Context, topic string, id int) {
	lag, err := s.worker.producer.StableLag(ctx, topic, id)
	if err != nil {
		s.worker.metrics.stableLag.DeleteLabelValues(topic)
		return
	}
	s.worker.metrics.stableLag.WithLabelValues(topic).Set(float64(lag))
}
