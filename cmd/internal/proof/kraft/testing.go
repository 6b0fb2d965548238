package kraft

import (
	"context"
	"os"
	"testing"
	"time"
)

// Wanted is the environment variable that, with the value "required", has the tests run that need Apache Kafka, and fail
// where Java or Maven is missing. Without it they are skipped, by name: together they take longer than the ten minutes that
// `go test ./...` gives a package on a busy machine.
const Wanted = "CONVSTREAM_REAL_KAFKA"

// Skip skips the test unless Apache Kafka is wanted, and fails it where that cannot be run.
func Skip(t testing.TB) {
	t.Helper()
	if os.Getenv(Wanted) != "required" {
		t.Skipf("SKIPPED, needs Java and Maven, and %s=required: %s", Wanted, t.Name())
	}
	if missing := Missing(); missing != "" {
		t.Fatalf("%s=required, and %s missing: install default-jdk-headless and maven", Wanted, missing)
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
