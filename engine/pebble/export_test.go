package pebble

// CompareReplicas reports how the answers and the stores of two replicas differ.
var CompareReplicas = compareReplicas
