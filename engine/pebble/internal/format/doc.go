// Package format owns the bytes of the store: its keys (keys.go) and their values, how
// values are merged, and how a Pebble reader is scanned for them.
package format
