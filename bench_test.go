//go:build unix

package wirepost_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine/pebble"
)

// cpu is the processor time of this process, client side included.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func onDisk(b *testing.B) func(*wirepost.Options) {
	return func(o *wirepost.Options) {
		e, err := pebble.Open(b.TempDir(), pebble.Options{Logger: o.Logger})
		if err != nil {
			b.Fatal(err)
		}
		o.Engine = e
	}
}

// BenchmarkPush is Server.Push in process, by so many publishers at once, 128 B to
// as many inboxes as there are publishers, nobody connected.
func BenchmarkPush(b *testing.B) {
	for _, store := range []string{"memory", "pebble"} {
		for _, publishers := range []int{1, 64, 1024} {
			b.Run(fmt.Sprintf("%s/publishers=%d", store, publishers), func(b *testing.B) {
				n := makeNode(b, nil)
				if store == "pebble" {
					n.stop()
					n = makeNode(b, []func(*wirepost.Options){onDisk(b)})
				}
				b.Cleanup(n.stop)
				data := []byte(`"` + strings.Repeat("x", 126) + `"`)
				var left atomic.Int64
				left.Store(int64(b.N))
				var wg sync.WaitGroup
				b.ResetTimer()
				begun := cpu()
				for p := range publishers {
					wg.Go(func() {
						to := fmt.Sprintf("user:%d", p)
						for left.Add(-1) >= 0 {
							if _, err := n.Push(context.Background(), wirepost.Push{To: to, Data: data}); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64((cpu()-begun).Nanoseconds())/float64(b.N), "cpu-ns/push")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "push/s")
			})
		}
	}
}

// BenchmarkFanOut pushes 128 B to a channel with so many plain sessions on
// loopback TCP, with so many messages in flight. One operation is one delivery;
// the CPU is that of both sides.
func BenchmarkFanOut(b *testing.B) {
	for _, sessions := range []int{1000, 5000} {
		for _, inFlight := range []int{1, 8} {
			b.Run(fmt.Sprintf("sessions=%d/inflight=%d", sessions, inFlight), func(b *testing.B) {
				fanOut(b, sessions, inFlight)
			})
		}
	}
}

func fanOut(b *testing.B, sessions, inFlight int) {
	n := makeNode(b, nil)
	hs := httptest.NewServer(n)
	b.Cleanup(hs.Close)
	b.Cleanup(n.stop)
	const size = 128
	message := []byte(strings.Repeat("x", size))
	frame := int64(size + 4) // 126 as the length, and two bytes of it
	var received atomic.Int64
	for i := range sessions {
		c := rawDial(b, strings.TrimPrefix(hs.URL, "http://"), fmt.Sprintf("u%d", i))
		b.Cleanup(func() { c.Close() })
		go func() {
			buf := make([]byte, 4096)
			for {
				k, err := c.Read(buf)
				received.Add(int64(k))
				if err != nil {
					return
				}
			}
		}()
	}
	rounds := max(1, b.N/(sessions*inFlight))
	b.ResetTimer()
	begun := cpu()
	for r := range rounds {
		for range inFlight {
			n.push(wirepost.Push{To: "news", Data: message, ContentType: "text/plain"})
		}
		want := int64(r+1) * int64(inFlight*sessions) * frame
		for received.Load() < want {
			time.Sleep(50 * time.Microsecond)
		}
	}
	deliveries := float64(rounds * inFlight * sessions)
	b.ReportMetric(float64((cpu()-begun).Nanoseconds())/deliveries, "cpu-ns/delivery")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/deliveries, "ns/delivery")
}

// rawDial upgrades a plain TCP connection and leaves the frames to the caller.
func rawDial(b *testing.B, host, user string) net.Conn {
	c, err := net.Dial("tcp", host)
	if err != nil {
		b.Fatal(err)
	}
	fmt.Fprintf(c, "GET /ws?user=%s&channels=news HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", user, host)
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			b.Fatal(err)
		}
		if line == "\r\n" {
			return c
		}
	}
}
