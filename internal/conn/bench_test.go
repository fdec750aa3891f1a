package conn

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/ws"
)

func BenchmarkPost(b *testing.B) {
	l := NewLoop(Config{})
	defer l.Close()
	task := new(countTask)
	b.ReportAllocs()
	for b.Loop() {
		l.Post(task)
	}
}

func BenchmarkTimer(b *testing.B) {
	b.Run("later", func(b *testing.B) {
		var w wheel
		var t Timer
		for i := uint32(0); b.Loop(); i++ {
			w.arm(&t, 100+i%100)
		}
	})
	b.Run("arm+disarm", func(b *testing.B) {
		var w wheel
		var t Timer
		for b.Loop() {
			w.arm(&t, 250)
			w.disarm(&t)
		}
	})
}

// BenchmarkWrite sends bursts of 8 frames of 256 bytes to one client and waits until
// the kernel has taken them.
func BenchmarkWrite(b *testing.B) {
	for _, kind := range []struct {
		name string
		pair pairFunc
	}{{"pipe", pipePair}, {"tcp", tcpPair}, {"tls", tlsPair}} {
		b.Run(kind.name, func(b *testing.B) {
			fan := newFan(b, 1, kind.pair)
			burst := make([][]byte, 8)
			for i := range burst {
				burst[i] = ws.AppendFrame(nil, ws.OpText, make([]byte, 256))
			}
			b.ReportAllocs()
			for b.Loop() {
				fan.write(burst...)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(8*b.N), "ns/frame")
		})
	}
}

// BenchmarkFanOut sends one shared frame of 256 bytes to many clients; ns/delivery is
// wall time, on all cores, and includes the clients' reads.
func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{100, 1000} {
		for _, frames := range []int{1, 8} {
			b.Run(fmt.Sprintf("conns=%d/frames=%d", n, frames), func(b *testing.B) {
				fan := newFan(b, n, tcpPair)
				burst := make([][]byte, frames)
				for i := range burst {
					burst[i] = ws.AppendFrame(nil, ws.OpText, make([]byte, 256))
				}
				b.ReportAllocs()
				for b.Loop() {
					fan.write(burst...)
				}
				deliveries := float64(n * frames * b.N)
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/deliveries, "ns/delivery")
			})
		}
	}
}

// fan is many connections of one loop, with clients that discard their input.
type fan struct {
	loop  *Loop
	conns []*drainCounter
	left  int // owned by the loop: connections that are not drained yet
	done  chan struct{}
}

type drainCounter struct {
	c   Conn
	fan *fan
}

func (d *drainCounter) Message(bool, []byte) {}
func (d *drainCounter) Ping([]byte)          {}
func (d *drainCounter) Pong([]byte)          {}
func (d *drainCounter) Closing(CloseInfo)    {}
func (d *drainCounter) Closed(CloseInfo)     {}
func (d *drainCounter) Drained() {
	if d.fan.left--; d.fan.left == 0 {
		d.fan.done <- struct{}{}
	}
}

func newFan(b *testing.B, n int, pair pairFunc) *fan {
	f := &fan{loop: NewLoop(Config{}), done: make(chan struct{}, 1)}
	for range n {
		server, client := pair(b)
		go io.Copy(io.Discard, plain{client})
		d := &drainCounter{fan: f}
		f.loop.Attach(server, Handshake{}, func(c Conn) Handler { d.c = c; return d })
		f.conns = append(f.conns, d)
	}
	b.Cleanup(f.loop.Close)
	return f
}

// plain hides a connection's WriteTo and ReadFrom.
type plain struct{ io.Reader }

// write sends frames to all clients and waits until they are sent.
func (f *fan) write(frames ...[]byte) {
	f.loop.Post(Func(func() {
		f.left = len(f.conns)
		for _, d := range f.conns {
			if d.c.Write(frames...) {
				d.Drained()
			}
		}
	}))
	<-f.done
}

// BenchmarkEcho measures one message at a time, to the server and back.
func BenchmarkEcho(b *testing.B) {
	for _, kind := range []struct {
		name string
		pair pairFunc
	}{{"pipe", pipePair}, {"tcp", tcpPair}, {"tls", tlsPair}} {
		b.Run(kind.name, func(b *testing.B) {
			server, client := kind.pair(b)
			l := NewLoop(Config{})
			defer l.Close()
			e := &echo{frame: serverText("hello")}
			l.Attach(server, Handshake{}, func(c Conn) Handler { e.c = c; return e })
			in := textFrame("hello")
			buf := make([]byte, 100)
			b.ReportAllocs()
			for b.Loop() {
				client.Write(in)
				if _, err := io.ReadFull(client, buf[:len(e.frame)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type echo struct {
	c     Conn
	frame []byte
}

func (e *echo) Message(bool, []byte) { e.c.Write(e.frame) }
func (e *echo) Ping([]byte)          {}
func (e *echo) Pong([]byte)          {}
func (e *echo) Drained()             {}
func (e *echo) Closing(CloseInfo)    {}
func (e *echo) Closed(CloseInfo)     {}

// BenchmarkIdle reports the memory of a waiting connection, including its goroutine,
// without the memory of the kernel and of the client's side.
func BenchmarkIdle(b *testing.B) {
	const n = 2000
	var servers, clients []net.Conn
	for range n {
		s, c := tcpPair(b)
		servers, clients = append(servers, s), append(clients, c)
	}
	l := NewLoop(Config{})
	defer l.Close()
	before := memory()
	for _, s := range servers {
		l.Attach(s, Handshake{}, func(c Conn) Handler { return &echo{c: c} })
	}
	for _, c := range clients {
		c.Write(controlFrame(ws.OpPong, "x"))
	}
	time.Sleep(200 * time.Millisecond)
	held := float64(memory()-before) / n
	for b.Loop() {
	}
	b.ReportMetric(held, "B/conn")
	runtime.KeepAlive(servers)
}

func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
