//go:build race

package pebble

// Stride divides the rounds of tests that open a store many times or make many random
// runs. The race detector makes them ten times slower and finds in the first rounds what
// it would find in the later ones. A child process is killed before the detector reports
// anything, so its rounds are shortened, too.
const Stride = 25
