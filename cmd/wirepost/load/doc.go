// Package load puts load on a Wirepost server and measures what it does. Idle,
// Fanout, Push and Latency are the benchmarks; the Run of each gives a report.
//
// Every message carries the run's name, its number and the time of its push, so
// that what is lost, repeated, out of order or spoilt is found, and fails the run.
// A run ends by itself, and early when its context ends: then it reports what
// there was until then.
package load
