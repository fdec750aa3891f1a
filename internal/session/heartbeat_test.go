package session

import (
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/conn"
)

// slowConn is a connection whose client sends nothing and takes the kernel's output
// slowly, or not at all.
type slowConn struct {
	conn.Conn
	last  time.Time
	now   time.Time
	acked uint64
	more  bool
}

func (c *slowConn) LastRead() time.Time          { return c.last }
func (c *slowConn) Touch()                       { c.last = c.now }
func (c *slowConn) Acknowledged() (uint64, bool) { return c.acked, c.more }
func (c *slowConn) Unsent() int                  { return 0 }
func (c *slowConn) Write(...[]byte) bool         { return true }

// TestSlowTransferInTheKernel: a message that is wholly in the kernel's buffer takes
// many heartbeats to reach a slow client, and the pongs come after it.
func TestSlowTransferInTheKernel(t *testing.T) {
	const interval = 10 * time.Second
	start := time.Unix(1e9, 0)
	l := &Loop{host: &Host{Config: Config{Heartbeat: interval, MaxMessage: 64 << 10}}, epoch: start}
	c := &slowConn{last: start, now: start, more: true}
	s := &Session{loop: l, conn: c, mode: codec.Plain}
	for c.now.Sub(start) < 20*interval {
		c.now = s.nextBeat()
		c.acked = uint64(c.now.Sub(start) / time.Second) // a byte a second
		if !s.heartbeat(c.now) {
			t.Fatalf("lost after %v although it takes its message", c.now.Sub(start))
		}
	}
	for what, stop := range map[string]func(){
		"takes nothing more": func() { c.more = true },
		"has received it all, and sends no pong": func() {
			c.acked += 100
			c.more = false
		},
	} {
		c.Touch()
		touched := c.now
		for c.now.Sub(touched) < DeadAfter(interval)-time.Second {
			c.now = s.nextBeat()
			if c.now.Sub(touched) >= DeadAfter(interval) {
				break
			}
			if !s.heartbeat(c.now) {
				t.Fatalf("a client that %s is lost after %v", what, c.now.Sub(touched))
			}
		}
		stop()
		if s.taking() {
			t.Errorf("a client that %s counts as alive", what)
		}
	}
}
