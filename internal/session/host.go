// Package session implements one connected client: its subscriptions and cursors, its
// unacknowledged messages, its commands, and the application's callbacks about it. A
// session belongs to one event loop, and its codec determines the form of its output.
// Package gateway creates sessions from requests.
package session

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/callback"
	"github.com/wirepost/wirepost/internal/clock"
	"github.com/wirepost/wirepost/internal/count"
	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/presence"
	"github.com/wirepost/wirepost/internal/trace"
	"github.com/wirepost/wirepost/internal/user"
	"github.com/wirepost/wirepost/internal/ws"
)

// Host is shared by all sessions of a server.
type Host struct {
	Config
	Users    *user.Users
	Feeds    *feed.Feeds
	Presence *presence.Presence
	Pages    *feed.Readers
	Policies access.Policies
	Clock    *clock.Clock
	Counters *count.Counters
	Logger   *slog.Logger
	Hooks    Hooks
	// Tracer records the deliveries of messages that are traced; nil: none.
	Tracer trace.Tracer
	// Limits count closing connections.
	Limits Limits
	// Epoch is the store's epoch.
	Epoch string
	// VAPIDKey returns the public key with which browsers subscribe to Web Push, or "".
	VAPIDKey func() string
	// Current is set on a node of a cluster. It returns an error if the node may not have
	// everything of a channel. It waits for the log. See CatchUp.
	Current func(ctx context.Context, channel string) error
	// DevicesElsewhere lists the devices of a user that are connected to other nodes. Nil if
	// there are no other nodes. It waits for them.
	DevicesElsewhere func(ctx context.Context, user string) ([]string, error)
	// CursorsElsewhere returns what a device has acknowledged on other nodes, by channel, which
	// may not be in the log yet. Nil if there are no other nodes. It may wait for them.
	CursorsElsewhere func(ctx context.Context, user, device string) map[string]uint64
	// Base is the parent of the contexts of callbacks. It is canceled when the server
	// shuts down.
	Base context.Context

	// Attached counts the sessions that have a connection, or will get one; Jobs the
	// goroutines that run commands and callbacks, also those of connect requests;
	// Unreleased the sessions that hold resources, including those that have left.
	Attached, Jobs, Unreleased atomic.Int64

	returns returns
}

// Config is the server's options for sessions.
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
	Subprotocols     []string // of the application
	LogRefusals      bool     // at level info
}

// Limits count connections.
type Limits interface {
	// Leave is called when a connection starts to close, and Close when its socket is
	// closed.
	Leave(Address)
	Close(Address)
}

// Hooks are functions of the server and the application that sessions call. A hook that
// may be nil is optional.
type Hooks struct {
	// Values reports whether there are callbacks that need the values of the connect
	// request's context.
	Values bool
	// Publish stores what a client publishes.
	Publish func(context.Context, Describer, *access.Identity, Publication) (Published, error)
	// Subscribe decides about subscriptions where a policy says so. Nil if no policy
	// does.
	Subscribe func(ctx context.Context, s Info, channel string) error
	// Verify returns the identity of a token that a session of the user sent. Nil if
	// tokens cannot be refreshed.
	Verify func(ctx context.Context, user, token string) (*access.Identity, error)
	// Refresh returns the next identity of a session whose identity asks for it. Nil if
	// none does.
	Refresh func(context.Context, Info) (*access.Identity, error)
	// Message handles a client's message. May be nil.
	Message func(context.Context, Info, Frame) (Frame, error)
	// Acknowledged is called when a device's stored cursor has moved. May be nil.
	Acknowledged func(ctx context.Context, s Info, channel string, seq uint64)
	// Read is called when a user's read mark has moved. May be nil.
	Read func(ctx context.Context, user, channel string, seq uint64)
	// WebPush stores a Web Push subscription of a client, as the browser has it; or, if that
	// is nil, removes the one with an endpoint. Nil if Web Push is off.
	WebPush func(ctx context.Context, user, device string, subscription json.RawMessage, endpoint string) error
	// Call handles a call. May be nil.
	Call func(ctx context.Context, s Info, method string, data json.RawMessage) (any, error)
	// Disconnected is called once for each session that was accepted. May be nil.
	Disconnected func(context.Context, Info, CloseInfo)
	// Began is called when a session has been admitted, and Ended when such a session
	// leaves. They must not block. May be nil, both or none.
	Began func(Summary)
	Ended func(Summary, CloseInfo)
}

// Summary is what identifies a session in events.
type Summary struct {
	Connection names.ConnectionID
	User       string
	Device     string
	Since      int64 // ms since the epoch
}

// Describer is a session, described on demand for callbacks.
type Describer interface{ Info() Info }

// Publication is a client's publish request.
type Publication struct {
	Channel, ID, Key, ContentType string
	Data                          []byte
}

// Published is the result of a Publication.
type Published struct {
	ID        string
	Seq       uint64
	Duplicate bool
}

// Frame is a message that is not in a log.
type Frame struct {
	Binary      bool
	Data        []byte
	ContentType string // of a message frame of wirepost.v1
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

// Encode returns the WebSocket frame.
func (f Frame) Encode() []byte {
	op := ws.OpText
	if f.Binary {
		op = ws.OpBinary
	}
	return ws.AppendFrame(nil, op, f.Data)
}

// Subprotocol is the name of a negotiated subprotocol, numbered as in Plan.
func (c *Config) Subprotocol(n uint8) string {
	if n == 0 {
		return ""
	}
	return c.Subprotocols[n-1]
}

// CloseInfo says how a session closed.
type CloseInfo struct {
	Code   int
	Reason string
}

// Error makes CloseInfo the error of a write to a closed session.
func (e CloseInfo) Error() string {
	return strings.TrimSuffix("closed: "+strconv.Itoa(e.Code)+" "+e.Reason, " ")
}

// ReadFailed counts and logs a failed read of messages, unless the read's context was
// canceled. Damage is logged at a lower level: the engine logs it once, and clients
// that reconnect and retry would fill the log.
func (h *Host) ReadFailed(ctx context.Context, channel string, err error) {
	if ctx.Err() != nil {
		return
	}
	h.Counters.ReadErrors.Add(1)
	level := slog.LevelError
	if errors.Is(err, engine.ErrDamaged) {
		level = slog.LevelDebug
	}
	h.Logger.Log(ctx, level, "a channel cannot be read", "channel", channel, "error", err)
}

func (h *Host) readMoved(ctx context.Context, user, channel string, seq uint64) {
	if h.Hooks.Read != nil {
		callback.Guard(h.Logger, "OnRead", user, func() { h.Hooks.Read(ctx, user, channel, seq) }) //nolint:errcheck // it is logged
	}
}

// ReadMoved calls the application's callback for a read mark that has moved.
func (h *Host) ReadMoved(user, channel string, seq uint64) { h.readMoved(h.Base, user, channel, seq) }
