//go:build unix

package http1

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// used is the processor time of this process.
func used() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u) //nolint:errcheck // it cannot fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const pushed = `{"messages":[{"to":"user:42","id":"62g90240cb8w2vgm","seq":1,"online":0}]}`

// respond does what the API does around a push.
func respond(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	rc.SetWriteDeadline(time.Now().Add(patience)) //nolint:errcheck // it can
	rc.SetReadDeadline(time.Now().Add(patience))  //nolint:errcheck // it can
	var body [512]byte
	io.ReadFull(r.Body, body[:])    //nolint:errcheck // it is shorter
	rc.SetReadDeadline(time.Time{}) //nolint:errcheck // it can
	w.Header()["Content-Type"] = []string{"application/json"}
	w.WriteHeader(http.StatusCreated)
	io.WriteString(w, pushed) //nolint:errcheck // the client is gone
}

// Benchmark compares a request that is served here with one that net/http serves. The
// client is the same, and included.
func Benchmark(b *testing.B) {
	for name, small := range map[string]bool{"served": true, "nethttp": false} {
		b.Run(name, func(b *testing.B) {
			s := newTestServer(b, small, respond)
			b.ReportAllocs()
			before := used()
			b.RunParallel(func(pb *testing.PB) {
				c, err := net.Dial("tcp", s.address)
				if err != nil {
					b.Error(err)
					return
				}
				defer c.Close()
				in := bufio.NewReader(c)
				for pb.Next() {
					c.Write(pushRequest) //nolint:errcheck // the response says so
					for line := []byte("-"); len(line) > 2; {
						if line, err = in.ReadSlice('\n'); err != nil {
							b.Error(err)
							return
						}
					}
					in.Discard(len(pushed)) //nolint:errcheck // likewise
				}
			})
			b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkHandshake compares a handshake that is served here with one that net/http serves,
// each on a connection of its own. The client is the same, and included.
func BenchmarkHandshake(b *testing.B) {
	const response = "HTTP/1.1 101 Switching Protocols\r\n\r\n"
	for name, small := range map[string]bool{"served": true, "nethttp": false} {
		b.Run(name, func(b *testing.B) {
			s := newTestServer(b, small, func(w http.ResponseWriter, r *http.Request) {
				c, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					b.Error(err)
					return
				}
				io.WriteString(c, response) //nolint:errcheck // the client sees it
				c.Close()
			})
			b.ReportAllocs()
			before := used()
			b.RunParallel(func(pb *testing.PB) {
				in := make([]byte, len(response))
				for pb.Next() {
					c, err := net.Dial("tcp", s.address)
					if err != nil {
						b.Error(err)
						return
					}
					io.WriteString(c, handshake("")) //nolint:errcheck // the response says so
					if _, err := io.ReadFull(c, in); err != nil {
						b.Error(err)
					}
					c.Close()
				}
			})
			b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op")
		})
	}
}
