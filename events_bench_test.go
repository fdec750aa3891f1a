//go:build unix

package wirepost_test

import (
	"bufio"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// BenchmarkEvents measures what events cost, with a store on disk: a connection that is
// made and closed, of a user of its own, and a push to a user that is not connected, without
// events and with events of all types. A connection makes four events, which are written when
// the time stops: cpu-µs/op includes them, and the client. Several runs with -count are made
// one after the other.
func BenchmarkEvents(b *testing.B) {
	for _, events := range []string{"off", "on"} {
		open := func(b *testing.B) *node {
			return newNode(b, onDisk(b), func(o *wirepost.Options) {
				if events == "on" {
					writing("*")(o)
					o.Events.Grace = 10 * time.Millisecond
				}
			})
		}
		b.Run("connect/events="+events, func(b *testing.B) { connects(b, open(b), 64) })
		b.Run("push/events="+events, func(b *testing.B) { push(b, open(b), 64) })
	}
}

func connects(b *testing.B, n *node, clients int) {
	var next atomic.Int64
	var running sync.WaitGroup
	b.ResetTimer()
	begun := cpu()
	for range clients {
		running.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				if err := connectOnce(n, fmt.Sprint("u", i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	for n.EventsWritten() && n.EventStats(b.Context(), false).Written < 4*uint64(b.N) {
		time.Sleep(time.Millisecond)
	}
	b.ReportMetric(float64((cpu()-begun).Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
}

// connectOnce makes and closes a connection with as little work in the client as possible.
func connectOnce(n *node, user string) error {
	c, err := net.Dial("tcp", n.host)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = fmt.Fprintf(c, "GET /ws?user=%s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", user, n.host)
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(c, 512)
	for line := ""; line != "\r\n"; {
		if line, err = in.ReadString('\n'); err != nil {
			return err
		}
	}
	return nil
}
