//go:build race

package pebble

// Stride is for tests that open a store many times over, or make many random runs, one
// after the other: the race detector makes them ten times slower, and finds nothing by
// the last time that it did not by the first.
const Stride = 25
