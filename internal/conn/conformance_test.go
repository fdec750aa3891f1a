package conn

import (
	"testing"
)

// conformance is what every kind of connection has to pass.
var conformance = []struct {
	name string
	cfg  Config
	test func(*env)
}{
	{"Echo", Config{MaxMessage: 1 << 20}, testEcho},
	{"PeerCloses", Config{}, testPeerCloses},
	{"WeClose", Config{}, testWeClose},
}

// runConformance runs the suite over one kind of connection. With fake, time is
// synctest's, so the pair must live in memory.
func runConformance(t *testing.T, pair pairFunc, fake bool) {
	for _, c := range conformance {
		t.Run(c.name, func(t *testing.T) { inEnv(t, pair, fake, c.cfg, c.test) })
	}
}

func TestPipe(t *testing.T) { t.Parallel(); runConformance(t, pipePair, true) }
func TestTCP(t *testing.T)  { t.Parallel(); runConformance(t, tcpPair, false) }
func TestTLS(t *testing.T)  { t.Parallel(); runConformance(t, tlsPair, false) }
