//go:build race

package ws

// raceEnabled reports that the race detector is on, which changes allocations.
const raceEnabled = true
