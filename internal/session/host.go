// Package session is one connected client: its subscriptions and cursors, what it was
// sent and has not acknowledged, its commands, and the application's callbacks about
// it. A session belongs to one event loop, and what it sends is in the form of its
// codec. How a client came to be connected is not its matter.
package session

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/callback"
	"github.com/wirepost/wirepost/internal/clock"
	"github.com/wirepost/wirepost/internal/count"
	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/user"
	"github.com/wirepost/wirepost/internal/ws"
)

// Host is what all sessions of a server share.
type Host struct {
	Config
	Users    *user.Users
	Feeds    *feed.Feeds
	Pages    *feed.Readers
	Policies access.Policies
	Clock    *clock.Clock
	Counters *count.Counters
	Logger   *slog.Logger
	Hooks    Hooks
	// Limits count connections that end.
	Limits Limits
	// Epoch is that of the store.
	Epoch string
	// MemoryBase is what the sequences of memory-only channels come after.
	MemoryBase uint64
	// Base is what the contexts of callbacks are derived from. It ends with the server.
	Base context.Context

	// Attached counts the sessions that were accepted and have a connection still, or
	// are to get one; Jobs the goroutines that run commands and callbacks of sessions;
	// Unreleased the sessions that hold something, also those that have left.
	Attached, Jobs, Unreleased atomic.Int64
}

// Config is what the server's options say of sessions.
type Config struct {
	MaxMessage       int
	Heartbeat        time.Duration
	Window           int
	WindowBytes      int
	AckDelay         time.Duration
	MaxSubscriptions int
	MaxConnections   int // of one user; 0: any number
	MaxDevices       int // of one user
	MessageRate      float64
	ByteRate         int
	Subprotocols     []string // the application's own
}

// Limits count the connections that are there.
type Limits interface {
	// Leave is called when the end of a connection begins, and Close when its socket
	// is closed.
	Leave(Address)
	Close(Address)
}

// Hooks are the server's and the application's functions that sessions call. Those
// that may be nil are not there.
type Hooks struct {
	// Values says that there are callbacks to which the values of the connect request's
	// context matter.
	Values bool
	// Publish stores what a client publishes.
	Publish func(context.Context, Describer, *access.Identity, Publication) (Published, error)
	// Subscribe is asked about subscriptions where a policy says so. Nil: none does.
	Subscribe func(ctx context.Context, s Info, channel string) error
	// Verify says whose token it is. Nil: tokens are not renewed.
	Verify func(ctx context.Context, token string) (*access.Identity, error)
	// Message answers a client's message. May be nil.
	Message func(context.Context, Info, Frame) (Frame, error)
	// Acknowledged is called when a device's stored cursor has moved. May be nil.
	Acknowledged func(ctx context.Context, s Info, channel string, seq uint64)
	// Read is called when a user's read mark has moved. May be nil.
	Read func(ctx context.Context, user, channel string, seq uint64)
	// Call answers a call. May be nil.
	Call func(ctx context.Context, s Info, method string, data json.RawMessage) (any, error)
	// Disconnected is called once for each session that was accepted. May be nil.
	Disconnected func(context.Context, Info, CloseInfo)
}

// Describer is a session as callbacks see it.
type Describer interface{ Info() Info }

// Publication is what a client publishes.
type Publication struct {
	Channel, ID, Key, ContentType string
	Data                          []byte
}

// Published is what became of a Publication.
type Published struct {
	ID        string
	Seq       uint64
	Duplicate bool
}

// Frame is a message without a log.
type Frame struct {
	Binary bool
	Data   []byte
}

// Info describes a session.
type Info struct {
	Connection string
	User       string
	Device     string
	Since      int64 // ms since the epoch
	Address    string
	Agent      string
	Mode       string
	Protocol   string
	NoAcks     bool
	Data       any // of the identity
}

// Encode is the frame for a WebSocket.
func (f Frame) Encode() []byte {
	op := ws.OpText
	if f.Binary {
		op = ws.OpBinary
	}
	return ws.AppendFrame(nil, op, f.Data)
}

// Subprotocol is the name of an agreed subprotocol, as in Plan.
func (c *Config) Subprotocol(n uint8) string {
	if n == 0 {
		return ""
	}
	return c.Subprotocols[n-1]
}

// CloseInfo is how a session ended.
type CloseInfo struct {
	Code   int
	Reason string
}

// Error makes it the error of a write to a session that has ended.
func (e CloseInfo) Error() string { return "closed: " + strconv.Itoa(e.Code) + " " + e.Reason }

// ReadFailed counts and logs that messages could not be read, unless it is because the
// context of the read has ended. Clients come back and try
// again, so damage, which the engine logs once, would fill the log.
func (h *Host) ReadFailed(ctx context.Context, channel string, err error) {
	if ctx.Err() != nil {
		return
	}
	h.Counters.ReadErrors.Add(1)
	level := slog.LevelError
	if errors.Is(err, engine.ErrDamaged) {
		level = slog.LevelDebug
	}
	h.Logger.Log(ctx, level, "reading a channel", "channel", channel, "error", err)
}

func (h *Host) readMoved(ctx context.Context, user, channel string, seq uint64) {
	if h.Hooks.Read != nil {
		callback.Guard(h.Logger, "OnRead", func() { h.Hooks.Read(ctx, user, channel, seq) }) //nolint:errcheck // it is logged
	}
}

// ReadMoved calls the application's callback: a read mark has moved.
func (h *Host) ReadMoved(user, channel string, seq uint64) { h.readMoved(h.Base, user, channel, seq) }
