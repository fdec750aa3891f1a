//go:build !race

package ws

// raceEnabled says that allocations are not those of an ordinary program.
const raceEnabled = false
