//go:build race

package conn

// raceEnabled says that pools drop some of what they are given.
const raceEnabled = true
