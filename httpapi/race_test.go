//go:build race

package httpapi

// raceEnabled reports that the race detector is on, which changes allocations.
const raceEnabled = true
