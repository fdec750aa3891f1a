//go:build unix

package hooks_test

import (
	"context"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/hooks"
)

// BenchmarkConnect connects and closes WebSockets, 16 at a time: with a token, which is
// only looked up, and with a hook that a backend in the same process answers at once. cpu-µs/op
// is the processor time of the process: client, server and backend.
func BenchmarkConnect(b *testing.B) {
	for _, by := range []string{"token", "hook"} {
		b.Run(by, func(b *testing.B) {
			backend := newBackend(b)
			backend.quiet = true
			s := newServer(b, backend, func(h *hooks.Options, o *wirepost.Options) {
				h.Secrets = h.Secrets[1:]
				o.VerifyToken = func(context.Context, string) (wirepost.Identity, error) { return wirepost.Identity{User: "42"}, nil }
				o.Loops = 0
			})
			header := http.Header{"Cookie": {"session=8f2c5a0b9d"}}
			if by == "token" {
				header = http.Header{"Cookie": {"wirepost_token=8f2c5a0b9d"}}
			}
			b.ReportAllocs()
			b.SetParallelism(8)
			begun := cpu()
			b.RunParallel(func(pb *testing.PB) {
				var d websocket.Dialer
				for pb.Next() {
					c, _, err := d.Dial("ws://"+s.host+"/ws", header)
					if err != nil {
						b.Error(err)
						return
					}
					c.Close()
				}
			})
			b.ReportMetric(float64((cpu()-begun).Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
		})
	}
}

// cpu is the processor time of this process.
func cpu() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r) //nolint:errcheck // it cannot fail
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
