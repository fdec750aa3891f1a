//go:build race

package enginetest

// modelRounds is how many random runs the model test makes. Each is one goroutine at the
// engine, so the race detector, under which they take ten times longer, finds nothing by
// the last that it did not by the first.
const modelRounds = 2
