//go:build !race

package enginetest

const modelRounds = 8
