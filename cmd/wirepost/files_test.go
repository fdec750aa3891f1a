package main

import (
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestDivideFiles(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]files{
		64: {64, 21, 0}, 80: {80, 26, 0}, 1024: {1024, 341, 0}, 20_000: {20_000, 1000, 0}, 1 << 30: {1 << 30, 1000, 0},
	} {
		got, err := divideFiles(limit, true)
		if err != nil || got != want || got.sockets() < limit/3 {
			t.Errorf("%d: %+v (%d sockets), %v; want %+v", limit, got, got.sockets(), err, want)
		}
	}
	for limit, want := range map[int]int{0: 0, 64: 16, 1024: 256, 20_000: 256} {
		got, err := divideFiles(limit, limit > 0)
		got.reserve(256)
		if err != nil || got.hooks != want || limit > 0 && got.sockets() < limit/8 {
			t.Errorf("%d with hooks: %+v (%d sockets), %v", limit, got, got.sockets(), err)
		}
	}
	if _, err := divideFiles(63, true); err == nil || !strings.Contains(err.Error(), "at least 64") {
		t.Errorf("63: %v", err)
	}
	if got, err := divideFiles(0, false); err != nil || got.limit != 0 {
		t.Errorf("without a limit: %+v, %v", got, err)
	}
}

// endless is a listener that always has a new connection, a thousand times.
type endless struct {
	net.Listener
	accepted, closed int
}

type stranger struct {
	net.Conn
	of *endless
}

func (e *endless) Accept() (net.Conn, error) {
	if e.accepted++; e.accepted > 1000 {
		return nil, net.ErrClosed
	}
	return stranger{of: e}, nil
}

func (s stranger) Close() error { s.of.closed++; return nil }

// Connections are closed while the descriptors in use would leave too few for the
// store, and accepted again when others are closed.
func TestGuardedListener(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, err := divideFiles(100, true) // 33 for the store, 51 for sockets
		if err != nil {
			t.Fatal(err)
		}
		e := &endless{}
		base, held, refused := 10, 0, 0
		l := &guardedListener{
			Listener: e, files: f, log: slog.New(slog.DiscardHandler),
			open:    func() (int, bool) { return base + held + 1, true }, // with the new one
			refused: func() { refused++ },
		}
		take := func() error {
			_, err := l.Accept()
			if err == nil {
				held++
			}
			return err
		}
		for range 51 - base {
			if err := take(); err != nil || refused > 0 {
				t.Fatalf("%d held, %d refused: %v", held, refused, err)
			}
		}
		time.Sleep(time.Second)
		held -= 5
		for range 5 {
			if err := take(); err != nil || refused > 0 {
				t.Fatalf("%d held, %d refused: %v", held, refused, err)
			}
		}
		time.Sleep(time.Second)
		if err := take(); !errors.Is(err, net.ErrClosed) || refused == 0 || refused != e.closed || held != 51-base {
			t.Errorf("%d held, %d refused, %d closed: %v", held, refused, e.closed, err)
		}
	})
}

func TestOpenFiles(t *testing.T) {
	before, ok := openFiles()
	if !ok {
		t.Skip("the system does not say it")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if after, _ := openFiles(); before < 3 || after <= before-1 || after > before+8 {
		t.Errorf("%d, then %d", before, after)
	}
}
