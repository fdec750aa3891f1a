package conn

import "testing"

// conformance is the test suite that every kind of connection must pass.
var conformance = []struct {
	name string
	cfg  Config
	test func(*env)
}{
	{"Echo", Config{MaxMessage: 1 << 20}, testEcho},
	{"Fragments", Config{}, testFragments},
	{"SplitAnywhere", Config{}, testSplitAnywhere},
	{"EarlyBytes", Config{}, testEarlyBytes},
	{"Bursts", Config{}, testBursts},
	{"BigMessage", Config{MaxMessage: 1 << 20}, testBigMessage},
	{"Ping", Config{}, testPing},
	{"PingBurst", Config{}, testPingBurst},
	{"PingFlood", Config{}, testPingFlood},
	{"PauseRead", Config{}, testPauseRead},
	{"PauseInHandler", Config{}, testPauseInHandler},
	{"PauseAndResume", Config{}, testPauseAndResume},
	{"LastRead", Config{}, testLastRead},
	{"Touch", Config{}, testTouch},

	{"Deflated", Config{MaxMessage: testMax}, testDeflated},
	{"DeflatedFragments", Config{}, testDeflatedFragments},
	{"DeflatedEarly", Config{}, testDeflatedEarly},
	{"DeflatedViolations", Config{MaxMessage: testMax}, testDeflatedViolations},
	{"DeflatedUnasked", Config{}, testDeflatedUnasked},
	{"DeflatedIdle", Config{}, testDeflatedIdle},
	{"DeflatedWindows", Config{MaxMessage: 1 << 20}, testDeflatedWindows},
	{"DeflatedTurns", Config{}, testDeflatedTurns},
	{"DeflatedGorilla", Config{MaxMessage: 1 << 20}, testDeflatedGorilla},
	{"DeflatedCoder", Config{MaxMessage: 1 << 20}, testDeflatedCoder},

	{"WriteOrder", Config{}, testWriteOrder},
	{"WriteNothing", Config{}, testWriteNothing},
	{"WriteInAttach", Config{}, testWriteInAttach},
	{"Drained", Config{}, testDrained},
	{"SlowReader", Config{}, testSlowReader},

	{"PeerCloses", Config{}, testPeerCloses},
	{"PeerClosesWithoutCode", Config{}, testPeerClosesWithoutCode},
	{"PeerClosesWithOutputPending", Config{}, testPeerClosesWithOutputPending},
	{"PeerClosesAndSends", Config{}, testPeerClosesAndSends},
	{"PeerClosesAndHangsUp", Config{}, testPeerClosesAndHangsUp},
	{"PeerVanishes", Config{}, testPeerVanishes},
	{"PeerVanishesInMessage", Config{}, testPeerVanishesInMessage},
	{"WeClose", Config{}, testWeClose},
	{"WeCloseTwice", Config{}, testWeCloseTwice},
	{"WeCloseInMessage", Config{}, testWeCloseInMessage},
	{"WeCloseInAttach", Config{}, testWeCloseInAttach},
	{"WeCloseWhilePaused", Config{}, testWeCloseWhilePaused},
	{"WeCloseOddCodes", Config{}, testWeCloseOddCodes},
	{"PongAfterClose", Config{}, testPongAfterClose},
	{"CloseUnanswered", Config{}, testCloseUnanswered},
	{"CloseUnread", Config{}, testCloseUnread},
	{"CloseAndPeerVanishes", Config{}, testCloseAndPeerVanishes},
	{"HalfClosed", Config{}, testHalfClosed},
	{"BothClose", Config{}, testBothClose},
	{"Violations", Config{MaxMessage: testMax}, testViolations},
	{"ViolationWhileClosing", Config{}, testViolationWhileClosing},
	{"GorillaCloses", Config{}, testGorillaCloses},
	{"GorillaIsClosed", Config{}, testGorillaIsClosed},

	{"RFC6455", Config{MaxMessage: testMax}, testRFC},

	{"Abort", Config{}, testAbort},
	{"AbortEverywhere", Config{}, testAbortEverywhere},
	{"AbortWhileStuck", Config{}, testAbortWhileStuck},
	{"AbortWhileClosing", Config{}, testAbortWhileClosing},
	{"AbortInFlush", Config{}, testAbortInFlush},
	{"LoopClose", Config{}, testLoopClose},
	{"AttachWhileClosing", Config{}, testAttachWhileClosing},
	{"Stress", Config{}, testStress},
}

// runConformance runs the suite over one kind of connection. With fake, time is that of
// synctest, so the pair must be in memory.
func runConformance(t *testing.T, pair pairFunc, fake, portable bool) {
	for _, c := range conformance {
		c.cfg.Portable = portable
		t.Run(c.name, func(t *testing.T) { inEnv(t, pair, fake, c.cfg, c.test) })
	}
}

func TestPipe(t *testing.T) { t.Parallel(); runConformance(t, pipePair, true, false) }
func TestTCP(t *testing.T)  { t.Parallel(); runConformance(t, tcpPair, false, false) }
func TestUnix(t *testing.T) { t.Parallel(); runConformance(t, unixPair, false, false) }
func TestTLS(t *testing.T)  { t.Parallel(); runConformance(t, tlsPair, false, false) }

// TestPortableTCP is TestTCP as on systems without event-driven sockets.
func TestPortableTCP(t *testing.T) { t.Parallel(); runConformance(t, tcpPair, false, true) }
