package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/dial"
	"github.com/wirepost/wirepost/internal/wire"
)

// link is one connection of a client, and the commands on it that wait for a
// response.
type link struct {
	// Owned by run; conn, began and named are static once dialed.
	conn       *dial.Conn
	began      time.Time
	named      map[string]uint64 // the positions that it began at
	retryAfter time.Duration     // as its bye or refusal said
	helloBy    *time.Timer
	wg         sync.WaitGroup // of its goroutines

	broken chan struct{} // closed when the connection has ended

	greeted bool // there was a hello; written under Client.mu

	// Held after Client.mu, if both are.
	mu struct {
		sync.Mutex
		ref     uint64                       // of the last command
		pending map[uint64]func(*wire.Frame) // by ref, called with nil at the end; nil when ended
	}
}

func newLink() *link {
	l := &link{broken: make(chan struct{})}
	l.mu.pending = map[uint64]func(*wire.Frame){}
	return l
}

// ask sends a command and waits for its response; ErrInterrupted if the connection
// ends before. OnOK is called with an ok, before any later frame is read.
func (l *link) ask(ctx context.Context, r wire.Request, onOK func(*wire.Frame)) (*wire.Frame, error) {
	responses := make(chan *wire.Frame, 1)
	text, ok := l.register(&r, func(f *wire.Frame) {
		if f != nil && f.Type == "ok" && onOK != nil {
			onOK(f)
		}
		responses <- f
	})
	if !ok {
		return nil, ErrInterrupted
	}
	if err := l.conn.Write(ctx, false, text); err != nil && err != net.ErrClosed {
		l.withdraw(r.Ref)
		return nil, err
	}
	select {
	case f := <-responses:
		switch {
		case f == nil:
			return nil, ErrInterrupted
		case f.Type == "error":
			return nil, commandError(f)
		}
		return f, nil
	case <-ctx.Done():
		l.withdraw(r.Ref)
		return nil, ctx.Err()
	}
}

// tryAsk sends a command unless that would wait; done gets the response, or nil when
// the connection has ended.
func (l *link) tryAsk(r *wire.Request, done func(*wire.Frame)) {
	if text, ok := l.register(r, done); ok {
		l.conn.TryWrite(text)
	}
}

// register gives a command its ref and encodes it. False means that the connection
// has ended.
func (l *link) register(r *wire.Request, done func(*wire.Frame)) (text []byte, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.pending == nil {
		return nil, false
	}
	l.mu.ref++
	r.Ref = l.mu.ref
	l.mu.pending[r.Ref] = done
	return wire.Encode(r), true
}

// withdraw removes a command whose response nobody waits for any more.
func (l *link) withdraw(ref uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.mu.pending, ref)
}

// respond hands a response to its command. False means that it is the response to
// none with a ref.
func (l *link) respond(f *wire.Frame) bool {
	var ref uint64
	if json.Unmarshal(f.Ref, &ref) != nil {
		return false
	}
	l.mu.Lock()
	done := l.mu.pending[ref]
	delete(l.mu.pending, ref)
	l.mu.Unlock()
	if done != nil {
		done(f)
	}
	return true
}

// interrupt ends the commands that have no response.
func (l *link) interrupt() {
	l.mu.Lock()
	pending := l.mu.pending
	l.mu.pending = nil
	l.mu.Unlock()
	for _, done := range pending {
		done(nil)
	}
}

// refuse closes a connection to a server that does not keep to the protocol.
func (l *link) refuse(why error) error {
	l.leave(wire.CloseUnsupported, "no frame of "+wire.ProtocolV1)
	return fmt.Errorf("%w: %w", ErrProtocol, why)
}

// leave does the closing handshake; it is called by the goroutine that reads.
func (l *link) leave(code int, reason string) {
	l.wg.Go(func() { l.conn.Close(code, reason) }) //nolint:errcheck // it is closed either way
	for err := error(nil); err == nil; {
		_, _, err = l.conn.Read()
	}
}
