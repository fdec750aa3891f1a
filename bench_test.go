//go:build unix

package wirepost_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// cpu is the processor time of this process.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPush measures Server.Push in process, with a number of concurrent
// publishers, 128 B to as many inboxes, with no user connected.
func BenchmarkPush(b *testing.B) {
	for _, publishers := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("memory/publishers=%d", publishers), func(b *testing.B) {
			push(b, makeNode(b, nil), publishers)
		})
		b.Run(fmt.Sprintf("pebble/publishers=%d", publishers), func(b *testing.B) {
			push(b, makeNode(b, []func(*wirepost.Options){onDisk(b)}), publishers)
		})
	}
}

func push(b *testing.B, n *node, publishers int) {
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
}

// BenchmarkFanOut pushes 128 B to a channel with a number of plain sessions on loopback
// TCP and of messages in flight. One operation is one delivery. The clients are another
// process, so the CPU time is the server's alone.
func BenchmarkFanOut(b *testing.B) {
	for _, sessions := range []int{1000, 10_000} {
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
	crowd := newCrowd(b, strings.TrimPrefix(hs.URL, "http://"), sessions, "channels=news")
	const size = 128
	message := []byte(strings.Repeat("x", size))
	frame := size + 4 // a header of two bytes, and two of length
	rounds := max(1, b.N/(sessions*inFlight))
	b.ResetTimer()
	begun := cpu()
	for range rounds {
		for range inFlight {
			n.push(wirepost.Push{To: "news", Data: message, ContentType: "text/plain"})
		}
		crowd.wait(inFlight * sessions * frame)
	}
	deliveries := float64(rounds * inFlight * sessions)
	b.ReportMetric(float64((cpu()-begun).Nanoseconds())/deliveries, "cpu-ns/delivery")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/deliveries, "ns/op")
}

// BenchmarkIdle connects 15 000 plain users, each with an inbox, and reports the cost
// of an idle user: live heap and stacks after a collection, and resident memory. With a
// callback about sessions, the values of their requests are kept.
func BenchmarkIdle(b *testing.B) {
	b.Run("callbacks=no", func(b *testing.B) { idle(b) })
	b.Run("callbacks=yes", func(b *testing.B) {
		idle(b, func(o *wirepost.Options) {
			o.OnMessage = func(context.Context, wirepost.Session, wirepost.Frame) (wirepost.Frame, error) {
				return wirepost.Frame{}, nil
			}
		})
	})
}

func idle(b *testing.B, change ...func(*wirepost.Options)) {
	const users = 15_000
	n := makeNode(b, append(change, onDisk(b)))
	hs := httptest.NewServer(n)
	b.Cleanup(hs.Close)
	b.Cleanup(n.stop)
	newCrowd(b, strings.TrimPrefix(hs.URL, "http://"), 100, "") // warm-up: one-time costs are not per user
	liveBefore, rssBefore := footprint()
	newCrowd(b, strings.TrimPrefix(hs.URL, "http://"), users, "")
	b.StopTimer()
	time.Sleep(12 * time.Second) // the state loaded by the handshakes is evicted
	live, rss := footprint()
	b.ReportMetric(float64(live-liveBefore)/users, "live-B/user")
	b.ReportMetric(float64(rss-rssBefore)/users, "rss-B/user")
	b.ReportMetric(users/b.Elapsed().Seconds(), "connects/s")
}

// footprint returns the live heap with the stacks, and the resident memory, in bytes.
func footprint() (live, resident int64) {
	for range 3 { // finalizers and pools need more than one
		debug.FreeOSMemory()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var pages int64
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		fmt.Sscan(strings.Fields(string(statm))[1], &pages)
	}
	return int64(m.HeapInuse + m.StackInuse), pages * int64(os.Getpagesize())
}

// crowd is a child process that holds connections and counts the bytes received.
type crowd struct {
	b   *testing.B
	in  io.Writer
	out *bufio.Reader
}

const crowdVariable = "WIREPOST_BENCH_CROWD"

// The query is appended to the user's name, as in "channels=news".
func newCrowd(b *testing.B, host string, sessions int, query string) *crowd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", crowdVariable, host, sessions, query))
	cmd.Stderr = os.Stderr
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	c := &crowd{b: b, in: in, out: bufio.NewReader(out)}
	c.response() // all are connected
	return c
}

// wait returns when that many more bytes have been received.
func (c *crowd) wait(bytes int) {
	fmt.Fprintln(c.in, bytes)
	c.response()
}

func (c *crowd) response() {
	if line, err := c.out.ReadString('\n'); err != nil || line != "ok\n" {
		c.b.Fatalf("the clients' process: %q, %v", line, err)
	}
}

// runCrowd is the main function of the child process.
func runCrowd(host string, sessions int, query string) {
	received := make(chan int, 1024)
	for i := range sessions {
		c, err := rawDial(host, fmt.Sprintf("u%d", i), query)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		go func() {
			buf := make([]byte, 4096)
			for {
				k, err := c.Read(buf)
				received <- k
				if err != nil {
					return
				}
			}
		}()
	}
	fmt.Println("ok")
	total := 0
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var more int
		fmt.Sscan(lines.Text(), &more)
		for total -= more; total < 0; {
			total += <-received
		}
		fmt.Println("ok")
	}
}

// rawDial upgrades a TCP connection and leaves the frames to the caller.
func rawDial(host, user, query string) (net.Conn, error) {
	c, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(c, "GET /ws?user=%s&%s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", user, query, host)
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if line == "\r\n" {
			return c, nil
		}
	}
}

func init() {
	if spec := os.Getenv(crowdVariable); spec != "" {
		var host, query string
		var sessions int
		fmt.Sscan(spec, &host, &sessions, &query)
		runCrowd(host, sessions, query)
		os.Exit(0)
	}
}
