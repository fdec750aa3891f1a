//go:build !race

package ws

// raceEnabled says that the race detector is on, which changes allocations.
const raceEnabled = false
