//go:build !race

package httpapi

// raceEnabled says that the race detector is on, which changes allocations.
const raceEnabled = false
