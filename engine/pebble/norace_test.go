//go:build !race

package pebble

// Stride is 1 without the race detector: nothing is left out.
const Stride = 1
