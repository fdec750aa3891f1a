package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/wirepost/wirepost/internal/wire"
)

const (
	// What was shown is acknowledged after ackDelay, or at half of the server's
	// usual window, whichever comes first.
	ackDelay = 100 * time.Millisecond
	ackCount = 128
	ackBytes = 512 << 10

	// A frame is a message and its envelope; the data may be in base64.
	maxFrame = 64 << 20
)

// follower shows one user's messages over as many connections as it takes.
type follower struct {
	*listenCommand
	terminal *terminal
	http     *http.Client // nil: the default one
	place    place
	backoff  backoff

	// of the connection there is
	retryAfter time.Duration // as its bye or refusal said
	acks       acks
}

// finalError is one that connecting again would not change.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

var errInterrupted = errors.New("interrupted")

// errEpoch says that the server has another store now.
var errEpoch = errors.New("the server's data are new: beginning anew")

// follow connects again and again until it is interrupted or refused.
func (f *follower) follow(ctx context.Context) error {
	for {
		f.retryAfter = 0
		err := f.connect(ctx)
		final, isFinal := errors.AsType[finalError](err)
		switch {
		case errors.Is(err, errInterrupted):
			return nil
		case isFinal:
			return final.error
		}
		wait := f.retryAfter
		if wait == 0 && !errors.Is(err, errEpoch) {
			wait = f.backoff.next(rand.Float64())
		}
		f.terminal.warnf("%v; connecting again in %s", err, wait.Round(time.Millisecond))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// connect follows over one connection and says why it ended.
func (f *follower) connect(ctx context.Context) error {
	watchdog := newWatchdog()
	defer watchdog.stop()
	conn, err := dial(ctx, f.address(f.place.from()), &websocket.DialOptions{
		HTTPClient:   f.http,
		Subprotocols: []string{wire.ProtocolV1},
		HTTPHeader:   f.header(),
		// Heartbeats are the only life sign of an idle server.
		OnPingReceived: func(context.Context, []byte) bool { watchdog.feed(); return true },
	})
	if err != nil {
		return f.wordRefusal(ctx, err)
	}
	defer conn.CloseNow() //nolint:errcheck // closed already, unless something failed
	if conn.Subprotocol() != wire.ProtocolV1 {
		return finalError{fmt.Errorf("the server at %s does not speak %s", f.Server.String(), wire.ProtocolV1)}
	}
	conn.SetReadLimit(maxFrame)
	watchdog.guard(conn)
	f.acks = acks{}
	return f.read(ctx, conn, watchdog)
}

func (f *follower) wordRefusal(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	refused, ok := errors.AsType[*refusal](err)
	if !ok {
		return err
	}
	f.retryAfter = refused.retryAfter
	if !refused.final() {
		return err
	}
	if refused.status == http.StatusUnauthorized && f.Token == "" {
		err = fmt.Errorf("%w (--user is for servers in dev mode; others need --token)", err)
	}
	return finalError{err}
}

// read takes frames until the connection ends, and acknowledges them between.
func (f *follower) read(ctx context.Context, conn *websocket.Conn, w *watchdog) error {
	frames := make(chan []byte)
	broken := make(chan error, 1)
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			_, frame, err := conn.Read(context.Background())
			if err != nil {
				broken <- err
				return
			}
			select {
			case frames <- frame:
			case <-done:
				return
			}
		}
	}()
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case frame := <-frames:
			w.feed()
			if err := f.take(conn, frame, timer, w); err != nil {
				return err
			}
		case <-timer.C:
			if err := f.acks.send(conn); err != nil {
				return f.wordEnd(err)
			}
		case err := <-broken:
			return f.wordEnd(err)
		case <-ctx.Done():
			if err := f.acks.send(conn); err == nil {
				conn.Close(websocket.StatusNormalClosure, "") //nolint:errcheck // it is over either way
			}
			return errInterrupted
		}
	}
}

// take handles one frame. What it does not know it ignores, as the protocol asks.
func (f *follower) take(conn *websocket.Conn, frame []byte, timer *time.Timer, w *watchdog) error {
	var e event
	if err := json.Unmarshal(frame, &struct {
		Type *string `json:"type"`
	}{&e.Type}); err != nil {
		return finalError{fmt.Errorf("the server sent what is no frame of %s: %w", wire.ProtocolV1, err)}
	}
	switch e.Type {
	case "hello":
		return f.hello(frame, w)
	case "bye":
		var bye wire.Bye
		if json.Unmarshal(frame, &bye) == nil {
			f.retryAfter = time.Duration(bye.RetryAfterMS) * time.Millisecond
		}
		return nil
	case "message", "revoke", "gap":
		if err := json.Unmarshal(frame, &e); err != nil {
			return finalError{fmt.Errorf("the server sent a %s that makes no sense: %w", e.Type, err)}
		}
	default:
		return nil
	}
	if e.Type == "gap" || f.place.advance(e.Channel, e.Seq) {
		if err := f.show(f.terminal, &e, bytes.TrimSpace(frame)); err != nil {
			return finalError{err} // not shown, so not acknowledged
		}
	}
	if e.Type == "gap" {
		return nil
	}
	if f.acks.add(e.Channel, e.Seq, len(frame)) {
		timer.Reset(ackDelay)
	}
	if f.acks.full() {
		timer.Stop()
		if err := f.acks.send(conn); err != nil {
			return f.wordEnd(err)
		}
	}
	return nil
}

func (f *follower) hello(frame []byte, w *watchdog) error {
	var h wire.Hello
	if err := json.Unmarshal(frame, &h); err != nil {
		return finalError{fmt.Errorf("the server's hello makes no sense: %w", err)}
	}
	if !f.place.resume(&h) {
		return errEpoch
	}
	f.backoff.attempt = 0
	w.expect(time.Duration(h.HeartbeatMS) * time.Millisecond)
	unread := 0
	for _, at := range h.Channels {
		unread += at.Unread
	}
	f.terminal.warnf("connected as %s, %d unread", printable(h.User), unread)
	return nil
}

// wordEnd says why a connection ended, and whether that is the end of all.
func (f *follower) wordEnd(err error) error {
	worded := wordEnding(err)
	if code, _ := closeCode(err); !wire.MayReconnect(code) {
		return finalError{worded}
	}
	return worded
}
