//go:build !race

package pebble

const stride = 1
