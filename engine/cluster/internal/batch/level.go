package batch

import "errors"

// Level is the level of the operations that this program knows. A change to what a
// batch can say gets the next level. Nodes report theirs to the log, and an operation is
// proposed only when all members have its level, so nodes can be upgraded one by one.
//
//	1  entries, trims, updates, reports
//	2  entries that forget an ID (engine.Entry.Forgets)
//	3  entries with timers (engine.Timer)
//	4  updates with Web Push subscriptions
//	5  entries with a trace context (engine.Entry.Trace), which is dropped below that level
const Level = LevelTraces

// LevelTraces is the level of trace contexts.
const LevelTraces = 5

// errLevel says that this program is older than that of another node.
var errLevel = errors.New("this node must be upgraded first")
