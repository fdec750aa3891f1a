//go:build race

package pebble

// stride is for tests that open a store many times over, one after the other: the
// race detector makes that ten times slower, and finds nothing by the last time that
// it did not by the first.
const stride = 25
