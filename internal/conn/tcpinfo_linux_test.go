package conn

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestAcknowledged: data taken by the kernel is unacknowledged until the peer reads it.
func TestAcknowledged(t *testing.T) {
	for name, c := range map[string]struct {
		pair     pairFunc
		portable bool
	}{
		"event-driven": {tcpPair, false},
		"portable":     {tcpPair, true},
		"TLS":          {tlsPair, false},
	} {
		t.Run(name, func(t *testing.T) {
			inEnv(t, c.pair, false, Config{Portable: c.portable}, func(e *env) {
				r, client := e.attach()
				look := func() (bytes uint64, waiting bool) {
					e.on(func() { bytes, waiting = r.Conn.Acknowledged() })
					return bytes, waiting
				}
				const messages, size = 64, 200 << 10
				e.on(func() {
					for range messages {
						r.Conn.Write(serverText(strings.Repeat("s", size)))
					}
				})
				await := func(what string, is func(bytes uint64, waiting bool) bool) (bytes uint64) {
					for end := time.Now().Add(patience); ; runtime.Gosched() {
						bytes, waiting := look()
						if is(bytes, waiting) {
							return bytes
						}
						if time.Now().After(end) {
							e.Fatalf("%s: %d bytes acknowledged, waiting is %t", what, bytes, waiting)
						}
					}
				}
				before := await("the peer does not read", func(_ uint64, waiting bool) bool { return waiting })
				for range messages {
					client.frame()
				}
				after := await("the peer has read all", func(bytes uint64, waiting bool) bool {
					return !waiting && bytes >= messages*size
				})
				if before >= after {
					e.Errorf("%d bytes acknowledged before, and %d after the peer read all", before, after)
				}
			})
		})
	}
}

// TestAcknowledgedElsewhere: other transports report nothing.
func TestAcknowledgedElsewhere(t *testing.T) {
	for name, pair := range map[string]pairFunc{"pipe": pipePair, "unix": unixPair} {
		server, _ := pair(t)
		if bytes, waiting := acknowledgedBy(server); bytes != 0 || waiting {
			t.Errorf("%s: %d, %t", name, bytes, waiting)
		}
		server.Close()
	}
}
