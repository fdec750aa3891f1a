package wirepost_test

import (
	"context"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// TestNoDescriptorIsLeaked connects and disconnects in every possible way, and counts
// the descriptors afterwards. WIREPOST_CHURN sets the number of connections.
func TestNoDescriptorIsLeaked(t *testing.T) {
	connections := 2000
	if n, err := strconv.Atoi(os.Getenv("WIREPOST_CHURN")); err == nil {
		connections = n
	}
	n := newNode(t, func(o *wirepost.Options) { o.AckDelay = time.Millisecond })
	churn(t, n, 200) // warm-up: opens descriptors that stay open
	n.wait(t)
	before := descriptors(t)
	churn(t, n, connections)
	n.wait(t)
	eventually(t, "all descriptors are closed", func() bool { return descriptors(t) <= before+8 })
}

func (n *node) wait(t *testing.T) {
	eventually(t, "everybody left", func() bool { return n.Stats().Connections == 0 && n.Feeds() == 0 })
}

func descriptors(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func churn(t *testing.T, n *node, connections int) {
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < connections; i += 8 {
				if err := n.comeAndGo(i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// comeAndGo closes with a close frame, by a reset, by hanging up, or in the handshake.
func (n *node) comeAndGo(i int) error {
	user := "u" + strconv.Itoa(i%50)
	if i%5 == 4 {
		c, err := net.Dial("tcp", n.host)
		if err != nil {
			return err
		}
		c.Write([]byte("GET /ws?user=" + user + " HTTP/1.1\r\nHost: x\r\nUpgr"))
		return c.Close()
	}
	c, err := rawDial(n.host, user, "")
	if err != nil {
		return err
	}
	switch i % 5 {
	case 0:
		n.Disconnect(context.Background(), user, "")
	case 1:
		c.(*net.TCPConn).SetLinger(0)
	case 2:
		n.Push(n.t.Context(), wirepost.Push{To: wirepost.InboxOf(user), Data: []byte("1"), TTL: time.Second})
	}
	return c.Close()
}
