//go:build race

package enginetest

// modelRounds is how many random runs the model test makes. Each run uses the engine from
// one goroutine and takes ten times longer under the race detector, which would find
// nothing new in further runs.
const modelRounds = 2
