package kraft

import (
	"context"
	"os"
	"testing"
	"time"
)

// Wanted is the environment variable that says what tests make of a machine that cannot run Kafka: "required" fails them,
// "off" skips them everywhere, and by default they are skipped where Java or Maven is missing.
const Wanted = "CONVSTREAM_REAL_KAFKA"

// Skip skips the test, or fails it, where Kafka cannot be run.
func Skip(t testing.TB) {
	t.Helper()
	wanted, missing := os.Getenv(Wanted), Missing()
	switch {
	case wanted == "required" && missing != "":
		t.Fatalf("needs Java and Maven, and %s=required: %s missing. Install default-jdk-headless and maven", Wanted, missing)
	case wanted == "required":
	case wanted == "off":
		t.Skipf("SKIPPED, %s=off: %s", Wanted, t.Name())
	case missing != "":
		t.Skipf("SKIPPED, needs Java and Maven: %s (%s missing)", t.Name(), missing)
	case testing.Short():
		t.Skipf("SKIPPED, runs Apache Kafka: %s", t.Name())
	}
}

// ForTest starts a cluster that ends with the test.
func ForTest(t testing.TB, cfg Config) *Cluster {
	t.Helper()
	Skip(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cfg.Tied = true
	c, err := Start(ctx, t.TempDir(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}
