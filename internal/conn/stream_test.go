package conn

import (
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/ws"
)

// TestIdleHoldsNoBuffer: after a burst a waiting reader has returned its buffer, even
// if the burst ended exactly at the end of the buffer.
func TestIdleHoldsNoBuffer(t *testing.T) {
	inEnv(t, pipePair, true, Config{}, func(e *env) {
		r, c := e.attach()
		s := r.Conn.(*stream)
		head := len(s.read.small)
		for _, extra := range []int{0, 1, 16 << 10, 16<<10 + 1} {
			c.send(binaryFrame(strings.Repeat("x", head-8+extra)))
			r.next()
			time.Sleep(2 * burstWait)
			e.settle()
			if s.read.big != nil {
				t.Errorf("a buffer is held with %d bytes more than the small one holds", extra)
			}
			if s.parser != (ws.Parser{}) || !s.out.empty() || s.send.batch != nil || s.end != nil {
				t.Errorf("an idle connection holds %+v", s)
			}
		}
	})
}

// oddConn has no deadlines and returns unusual errors.
type oddConn struct {
	net.Conn
	readErr, writeErr error
}

func (o *oddConn) SetReadDeadline(time.Time) error { return errors.ErrUnsupported }

func (o *oddConn) Read(b []byte) (int, error) {
	n, err := o.Conn.Read(b)
	if err == nil {
		err = o.readErr
	}
	return n, err
}

func (o *oddConn) Write(b []byte) (int, error) {
	if o.writeErr != nil {
		return 0, o.writeErr
	}
	return o.Conn.Write(b)
}

func oddPair(o oddConn) pairFunc {
	return func(testing.TB) (server, client net.Conn) {
		o := o
		o.Conn, client = net.Pipe()
		return &o, client
	}
}

var errOdd = errors.New("odd")

func TestNoDeadlines(t *testing.T) {
	inEnv(t, oddPair(oddConn{}), true, Config{}, testBursts)
}

// TestReadErrorWithBytes: input returned together with an error is delivered.
func TestReadErrorWithBytes(t *testing.T) {
	inEnv(t, oddPair(oddConn{readErr: errOdd}), true, Config{}, func(e *env) {
		r, c := e.attach()
		c.send(frames(textFrame("a"), textFrame("b")))
		r.expect(`text "a"`, `text "b"`, `closed 1006 "" peer`)
		r.isError(errOdd)
	})
}

func TestWriteError(t *testing.T) {
	inEnv(t, oddPair(oddConn{writeErr: errOdd}), true, Config{}, func(e *env) {
		r, _ := e.attach()
		e.on(func() { r.Conn.Write(serverText("a"), serverText("b")) })
		r.expect(`closed 1006 "" peer`)
		r.isError(errOdd)

		// The peer's close frame arrived: failing to send the echo is not an error.
		r, c := e.attach()
		c.send(closeFrame(1000, ""))
		r.expect(`closed 1000 "" peer`)
		r.noError()
	})
}

// TestJoinedWrites: many frames are joined into few writes where there is no writev.
func TestJoinedWrites(t *testing.T) {
	counter := &countWrites{}
	pair := func(testing.TB) (server, client net.Conn) {
		counter.Conn, client = net.Pipe()
		return counter, client
	}
	inEnv(t, pair, true, Config{}, func(e *env) {
		r, c := e.attach()
		frame := serverText(strings.Repeat("x", 1000))
		e.on(func() {
			for range 20 {
				r.Conn.Write(frame, frame)
			}
		})
		for range 40 {
			c.frame()
		}
		r.expect("drained")
		if counter.writes != 3 { // 40 KB by 16 KB
			t.Errorf("%d writes", counter.writes)
		}
	})
}

type countWrites struct {
	net.Conn
	writes int
}

func (c *countWrites) Write(b []byte) (int, error) {
	c.writes++
	return c.Conn.Write(b)
}

// TestSlowReadersShareMemory is not parallel: it measures the heap. 10 GB are pending,
// in the memory of one frame.
func TestSlowReadersShareMemory(t *testing.T) {
	const conns, frames = 50, 200
	loop := NewLoop(Config{})
	defer loop.Close()
	e := &env{TB: t, loop: loop, pair: tcpPair}
	var rs []*recorder
	for range conns {
		r, _ := e.attach()
		rs = append(rs, r)
	}
	shared := ws.AppendFrame(nil, ws.OpBinary, make([]byte, 1<<20))
	before := heap()
	for range frames / 10 {
		e.on(func() {
			for _, r := range rs {
				for range 10 {
					r.Conn.Write(shared)
				}
			}
		})
	}
	waiting := 0
	e.on(func() {
		for _, r := range rs {
			waiting += r.Conn.Unsent()
		}
	})
	more := int(heap() - before)
	t.Logf("%d MB are pending in %d KB", waiting>>20, more>>10)
	if waiting < conns*frames/2<<20 {
		t.Error("the sockets took too much for this test")
	}
	if more > 2<<20 {
		t.Errorf("%d bytes of memory", more)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestWriteAllocs(t *testing.T) {
	dst := make([]byte, 0, 1000)
	payload := make([]byte, 300)
	if n := testing.AllocsPerRun(100, func() { ws.AppendFrame(dst, ws.OpText, payload) }); n != 0 {
		t.Errorf("ws.AppendFrame: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { ws.AppendClose(dst, 1000, "bye") }); n != 0 {
		t.Errorf("ws.AppendClose: %v allocations", n)
	}
}
