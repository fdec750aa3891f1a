// Package enginetest is the conformance suite of the engine contract. An engine's tests
// call Run.
package enginetest

import (
	"testing"

	"github.com/wirepost/wirepost/engine"
)

// Run checks an engine against the contract. Its tests run in parallel, and neither sleep
// nor read the real time.
func Run(t *testing.T, make New) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, e engine.Engine, c *Clock)
	}{
		{"Append/Order", testOrder},
		{"Append/Batch", testBatch},
		{"Append/Fields", testFields},
		{"Append/SimilarNames", testSimilarNames},
		{"Append/Concurrent", testConcurrent},
		{"Clock/JumpsBack", testClockJumpsBack},
		{"Clock/JumpsForwardAndBack", testClockJumpsForwardAndBack},
		{"Clock/StaysAhead", testClockStaysAhead},
		{"Read/Pages", testPages},
		{"Read/Bytes", testBytes},
		{"Read/Before", testPagesBefore},
		{"Read/BeforeBytes", testBytesBefore},
		{"Read/BeforeLost", testLostBefore},
		{"Read/Unknown", testUnknown},
		{"Retain/Age", testAge},
		{"Retain/Count", testCount},
		{"Retain/CountWithHoles", testCountWithHoles},
		{"Retain/CountAfterExpiry", testCountAfterExpiry},
		{"Retain/TimeToLive", testTimeToLive},
		{"Retain/TimeToLiveOrAge", testTimeToLiveOrAge},
		{"Retain/ShorterAge", testShorterAge},
		{"Retain/LossBeforeRevocations", testLossBeforeRevocations},
		{"Retain/Trim", testTrim},
		{"Collapse/Replaces", testCollapse},
		{"Collapse/Gone", testCollapseGone},
		{"Revoke/Message", testRevoke},
		{"Revoke/Missing", testRevokeMissing},
		{"Revoke/SameBatch", testRevokeSameBatch},
		{"Idempotent/Repeat", testRepeat},
		{"Idempotent/SameBatch", testRepeatSameBatch},
		{"Idempotent/Concurrent", testRepeatConcurrent},
		{"Idempotent/Window", testRepeatWindow},
		{"Idempotent/Forgets", testForgets},
		{"Idempotent/ForgetsConcurrent", testForgetsConcurrent},
		{"Timers/Once", testTimerOnce},
		{"Timers/Repeat", testTimerRepeat},
		{"Timers/Ends", testTimerEnds},
		{"Timers/Moves", testTimerMoves},
		{"Timers/Order", testTimerOrder},
		{"Timers/List", testListTimers},
		{"Timers/Concurrent", testTimerConcurrent},
		{"Watch/Boundary", testWatchBoundary},
		{"Watch/Several", testWatchSeveral},
		{"Watch/UnwatchEnds", testUnwatch},
		{"Users/Update", testUpdate},
		{"Users/Merge", testMerge},
		{"Users/PushSubscriptions", testPushSubscriptions},
		{"Users/MembershipsAreOperations", testMembershipsAreOperations},
		{"List/Users", testListUsers},
		{"List/Channels", testListChannels},
		{"Users/SimilarNames", testSimilarUsers},
		{"Users/Members", testMembers},
		{"Users/Concurrent", testSaveConcurrent},
		{"Context/Done", testDoneContext},
		{"Close", testClose},
		{"Epoch", testEpoch},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := NewClock()
			e := make(t, c)
			t.Cleanup(func() { _ = e.Close() })
			test.run(t, e, c)
		})
	}
	t.Run("Model", func(t *testing.T) { testModel(t, make) })
}
