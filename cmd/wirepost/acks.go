package main

import (
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/wirepost/wirepost/internal/wire"
)

// acks collects what is to be acknowledged on one connection. An acknowledgement
// holds for everything before it, so one per channel is enough.
type acks struct {
	upTo  map[string]uint64
	count int
	bytes int
}

// add reports whether this was the first since the last send.
func (a *acks) add(channel string, seq uint64, bytes int) bool {
	if a.upTo == nil {
		a.upTo = map[string]uint64{}
	}
	a.upTo[channel] = max(a.upTo[channel], seq)
	a.count++
	a.bytes += bytes
	return a.count == 1
}

func (a *acks) full() bool { return a.count >= ackCount || a.bytes >= ackBytes }

func (a *acks) send(conn *websocket.Conn) error {
	for channel, seq := range a.upTo {
		frame := wire.Encode(struct {
			Type    string `json:"type"`
			Channel string `json:"channel"`
			Seq     uint64 `json:"seq"`
		}{"ack", channel, seq})
		if err := send(conn, string(frame)); err != nil {
			return err
		}
	}
	*a = acks{}
	return nil
}

// watchdog cuts a connection on which nothing came for too long. It is safe for
// concurrent use.
type watchdog struct {
	mu    sync.Mutex
	limit time.Duration
	timer *time.Timer // nil: no connection yet, or stopped
}

// firstLimit holds until the server's hello names its heartbeat.
const firstLimit = 30 * time.Second

func newWatchdog() *watchdog { return &watchdog{limit: firstLimit} }

func (w *watchdog) guard(conn *websocket.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.limit, func() { conn.CloseNow() }) //nolint:errcheck // reading tells
}

// expect sets the limit from the server's heartbeat; 2.4 of it, as the server
// waits for the client.
func (w *watchdog) expect(heartbeat time.Duration) {
	if heartbeat <= 0 {
		return
	}
	w.mu.Lock()
	w.limit = heartbeat * 12 / 5
	w.mu.Unlock()
	w.feed()
}

// feed says that something came.
func (w *watchdog) feed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Reset(w.limit)
	}
}

func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
}
