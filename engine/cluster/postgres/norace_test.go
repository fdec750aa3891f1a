//go:build !race

package postgres_test

// modelRounds is how often the conformance suite compares the engine with its model. Every
// change waits for the disk.
const modelRounds = "1"
