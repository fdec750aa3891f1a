//go:build race

package postgres_test

// modelRounds is 0, because a round takes minutes.
const modelRounds = "0"
