package pebble

import "time"

// A slow machine is not a stalled disk: the tests of a stall set their own time.
func init() { stallAfter = time.Hour }

// Patience limits in tests what only takes long if it fails.
const Patience = 3 * time.Minute

// CompareReplicas reports how the answers and the stores of two replicas differ.
var CompareReplicas = compareReplicas
