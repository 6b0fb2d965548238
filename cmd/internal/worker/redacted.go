package worker

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/convstream/convstream/poller/smartassist"
)

// redacted counts the values that each pointer of REDACT has led to. The pointers are the operator's own, and few.
func (m *metrics) redacted(r *smartassist.Redaction) {
	for _, pointer := range r.Pointers() {
		m.labelled.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: "convstream", Name: "redacted_values_total", Help: "Values that REDACT dropped or hashed, by pointer, at each read.",
			ConstLabels: prometheus.Labels{"pointer": pointer},
		}, func() float64 { return float64(r.Count(pointer)) }))
	}
}

// enoughRows is after how many rows a pointer that has led to nothing is told of.
const enoughRows = 1000

// pointerCheck tells once of pointers of REDACT that have led to nothing: one that is misspelt hides nothing. It is used by one
// goroutine, the poller's.
type pointerCheck struct {
	redaction *smartassist.Redaction
	log       zerolog.Logger
	rows      int
}

// note notes that so many rows were read.
func (c *pointerCheck) note(rows int) {
	before := c.rows
	c.rows += rows
	if before >= enoughRows || c.rows < enoughRows {
		return
	}
	var idle []string
	for _, pointer := range c.redaction.Pointers() {
		if c.redaction.Count(pointer) == 0 {
			idle = append(idle, pointer)
		}
	}
	if len(idle) > 0 {
		c.log.Warn().Strs("pointers", idle).Int("rows", c.rows).Msg("pointers of REDACT have led to no value yet: are they spelt as in the rows?")
	}
}
