package httpapi

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if job := os.Getenv(benchClientEnv); job != "" {
		os.Exit(benchClient(job)) // a child of a benchmark
	}
	goleak.VerifyTestMain(m)
}
