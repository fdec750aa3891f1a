//go:build !race

package pebble

// Stride is 1 without the race detector: every round runs.
const Stride = 1
