package wirepost

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"reflect"
	"runtime"
	"strings"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/internal/origin"
	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/wire"
)

// Options configures a Server. One of Authenticate and VerifyToken is required; the zero
// value of every other field works.
type Options struct {
	// Engine stores the durable channels. It serves one Server at a time. Shutdown does
	// not close it. Nil means an engine in memory, which loses everything with the
	// process.
	Engine engine.Engine

	// Authenticate identifies the user of a request, by a cookie, a header or in any
	// other way. An *Error determines the response: Errorf(CodeUnauthorized, …) is a
	// 401, and so are an Identity without a user and http.ErrNoCookie. Any other error
	// is logged, and the response is a 503 without its text.
	Authenticate func(*http.Request) (Identity, error)
	// VerifyToken identifies the user of a token. Without Authenticate, the server takes
	// the token of a request from the Authorization header, ?token=, the cookie
	// wirepost_token or a subprotocol entry bearer.<token>. VerifyToken also verifies
	// the tokens of auth frames, which are refused without it. Errors have the effect
	// that they have in Authenticate.
	VerifyToken func(ctx context.Context, token string) (Identity, error)

	// Refresh returns the next identity of a session whose Identity has Refresh set. It is
	// called after 80 to 90 percent of the identity's time. An *Error, or an identity of
	// another user or device, closes the connection with 4401. Any other error, and one
	// with CodeUnavailable, CodeRateLimited or CodeInternal, is an outage: the call is
	// repeated until the identity expires. OnSubscribe is called again for the
	// subscriptions that it has allowed. Calls come one at a time, in order with those of
	// OnMessage.
	Refresh func(ctx context.Context, s Session) (Identity, error)

	// AllowOrigins lists the origins that pages may connect from, besides the
	// server's own: "https://example.com", with * for labels of the host as in
	// "https://*.example.com". "*" alone allows every page. Behind a trusted proxy that
	// terminates TLS, set URL.Scheme of the request to https.
	AllowOrigins []string

	// Channels are the policies. The first one that matches a channel applies, so
	// narrow patterns come before wide ones, and "*" comes last.
	Channels []Policy

	// The contexts of the callbacks below have the values of the context of the connect
	// request, as middleware left it. If any callback gets a Session after the handshake,
	// these values and about 0.6 KB of net/http's stay in memory as long as the session,
	// unless NoRequestValues is set.
	// The contexts are canceled when the session is closed; those of OnAck, OnRead,
	// OnPublish and OnDisconnect when the server is shut down.

	// OnConnect is called before a connection is accepted, after all limits. An *Error
	// refuses the connection with its status. Any other error is logged, and the
	// response is a 503.
	OnConnect func(*http.Request, Session) error
	// OnDisconnect is called exactly once for each time that OnConnect returned nil, even
	// if the connection broke before the upgrade. It is called when the session begins
	// to close and every other callback for it has returned, without waiting for the
	// client's close frame.
	OnDisconnect func(context.Context, Session, CloseInfo)
	// OnMessage is called for what plain-mode clients send (except to Handle), and for
	// the message frames of wirepost.v1, one message at a time for each session. A reply
	// with Data is sent to that connection only, and is not stored. A CloseInfo as the
	// error closes the connection with its code and reason, as Server.CloseConnection
	// does; of the other callbacks, only OnCall and the function of Handle may do so. An
	// *Error closes a plain connection with the close code of its Code; in wirepost.v1 it
	// is sent as an error frame. Any other error is logged, and the client gets "internal
	// error" (in plain mode 1011).
	OnMessage func(context.Context, Session, Frame) (reply Frame, err error)
	// OnSubscribe is called when a client requests a channel whose policy has Subscribe:
	// AccessHook, in its connect request or by a command. Nil allows the subscription
	// until the client sends a new token or Refresh returns a new identity; then
	// OnSubscribe is called again. Each poll is
	// a connect request. An *Error refuses the subscription with its code. Any other
	// error is logged, and the client gets CodeUnavailable (503), after which it tries
	// again. Calls for one session come one at a time, in order with those of OnMessage,
	// OnCall and OnPublish. In a connect request they come after OnConnect, with the
	// context of the request.
	OnSubscribe func(ctx context.Context, s Session, channel string) error
	// OnPublish is called when a client publishes to a channel whose policy has Publish:
	// AccessHook. It may change all fields except To and ID. Errors have the effect that
	// they have in OnSubscribe, and so has a Push that the server would not store.
	OnPublish func(ctx context.Context, s Session, p *Push) error
	// OnAck is called when a device has acknowledged the messages of its inbox or of a
	// membership up to a sequence: in order for each connection, and once for each
	// message, except after a crash.
	OnAck func(ctx context.Context, s Session, channel string, seq uint64)
	// OnRead is called when a user's read mark in the inbox or in a membership has
	// moved to a sequence, by a client or by a backend.
	OnRead func(ctx context.Context, userID, channel string, seq uint64)
	// OnEvent is called with the events that Events.Types and Events.Channels select, one at
	// a time and in order, each at least once: an error is logged, and the event is tried
	// again, at first within a second and then after up to a minute. The position in the
	// log is stored. In a cluster one node at a time calls it; all of them have to set it.
	OnEvent func(ctx context.Context, e Event) error
	// Events says what is written to the log of events. Nothing is by default.
	Events EventOptions
	// WebPush turns Web Push on. It is off by default.
	WebPush WebPushOptions

	// OnCall is called for the call frames of wirepost.v1. Its result is sent as JSON. A
	// CloseInfo as the error closes the connection, as one of OnMessage does. An *Error is
	// sent with its code. Any other error is logged, and sent as CodeInternal
	// without its text.
	OnCall func(ctx context.Context, s Session, method string, data json.RawMessage) (any, error)

	// NoRequestValues keeps the values of the connect requests' contexts from the callbacks
	// that get a Session after the handshake.
	NoRequestValues bool

	// Subprotocols are the application's own subprotocols (Sec-WebSocket-Protocol) for
	// plain mode. The server selects the first one that a client offers and that is
	// listed. At most 255.
	Subprotocols []string

	MaxMessage       int           // bytes of data in a push, and of a client's message; 0: 64 KiB
	Heartbeat        time.Duration // 0: 25 s; at least 100 ms
	Window           int           // unacknowledged messages per session; 0: 256
	WindowBytes      int           // and their bytes; 0: 1 MiB
	AckDelay         time.Duration // between the cursor pings of a connection in plain mode; 0: 1 s
	MaxDevices       int           // per user; 0: 32
	MaxSubscriptions int           // per session; 0: 100
	TailMemory       int           // bytes of recent messages in memory for sessions that lag little; 0: 256 MiB
	// PageMemory is the largest number of bytes of older messages that are read from the
	// engine for lagging sessions and not yet sent. As it fills, reads become smaller.
	// 0: 64 MiB.
	PageMemory int
	// ChannelMemory is the largest number of bytes of messages in all channels with a
	// NonDurable policy. Beyond it the oldest messages are removed. 0: 256 MiB. An engine
	// that the nodes of a cluster share has a limit of its own instead.
	ChannelMemory int

	// Limits for clients; 0 is no limit. Connections above a limit are refused with 503
	// (MaxConnections) or 429, sessions above a rate are closed with 4429. Both are
	// counted in wirepost_refused_total. An address is an IPv4 address or an IPv6 /64.
	MaxConnections        int
	MaxUserConnections    int     // per user, on all nodes of a cluster; a node that died counts for 3 s
	MaxAddressConnections int     // per address
	HandshakeRate         float64 // new connections a second, per address
	MessageRate           float64 // messages and commands a second, per session
	ByteRate              int     // bytes of those a second, per session

	// ReconnectRate is how many sessions Shutdown closes per second, and how many per
	// second it asks to reconnect: as many as the other nodes can accept. 0: it closes
	// all at once, and they reconnect over some seconds.
	ReconnectRate float64
	Loops         int // event loops; 0: one per core

	// Compress enables permessage-deflate (RFC 7692) for clients that offer it. It trades
	// CPU for bandwidth. A message is compressed once for all clients.
	Compress bool

	// Tracer records spans of pushes. Nil: there are none, and no push keeps a trace context.
	Tracer Tracer

	Logger *slog.Logger // nil: slog.Default()
	// LogRefusals logs each refused connect request, and each command that a client may not
	// give, with the reason at level info instead of debug; and once, at level warn, a push
	// to a channel without subscribers whose name looks like a user's ID. It is for
	// development.
	LogRefusals bool
}

// Identity is the user of a client and the client's rights. Without any lists, a client
// may only receive its own inbox and All.
type Identity struct {
	User   string
	Device string // "": the client chooses one
	// Channels are memberships that last as long as the identity is valid.
	Channels []string
	// Subscribe and Publish list the channels, or patterns with *, that the client
	// may subscribe to and publish to. A leading * does not match inboxes or All.
	Subscribe []string
	Publish   []string
	Expires   time.Time // the connection is closed then, unless the client sends a new token; zero: never
	// Issued is the time of issue of the token, for RevokeTokens. Zero means long ago
	// from VerifyToken, and from Authenticate that there is no token.
	Issued time.Time
	// Refresh makes the server call Options.Refresh before Expires, so that the client
	// need not send a new token.
	Refresh bool
	// Data is the application's. Callbacks get it in Session.Data. A new token replaces
	// it.
	Data any
	// Info is what other clients are told of the user where a policy has Presence, such as
	// a name and a picture: JSON of at most 1 KiB without white space. See CheckInfo.
	Info json.RawMessage
}

// Frame is a message that is not stored: one from a plain client, or a reply to one.
type Frame struct {
	Binary bool
	Data   []byte
	// ContentType is that of a message frame of wirepost.v1: application/json unless the
	// frame has another one. It is empty in plain mode, and ignored in a reply.
	ContentType string
}

// DefaultMaxMessage is Options.MaxMessage unless it is set.
const DefaultMaxMessage = 64 << 10

// The least values of Options.Heartbeat and Options.AckDelay. The server closes a connection
// without a response for 2.4 heartbeats.
const (
	MinHeartbeat = 100 * time.Millisecond
	MinAckDelay  = time.Millisecond
)

// complete checks the options and fills in the defaults.
func (o *Options) complete() error {
	if o.Authenticate == nil && o.VerifyToken == nil {
		return optionError("Authenticate", "one of Authenticate and VerifyToken is required")
	}
	for _, n := range []struct {
		field string
		value *int
		zero  int
	}{
		{"MaxMessage", &o.MaxMessage, DefaultMaxMessage},
		{"Window", &o.Window, 256},
		{"WindowBytes", &o.WindowBytes, 1 << 20},
		{"MaxDevices", &o.MaxDevices, 32},
		{"MaxSubscriptions", &o.MaxSubscriptions, 100},
		{"TailMemory", &o.TailMemory, 256 << 20},
		{"PageMemory", &o.PageMemory, 64 << 20},
		{"ChannelMemory", &o.ChannelMemory, memory.DefaultMaxBytes},
		{"MaxConnections", &o.MaxConnections, 0},
		{"MaxUserConnections", &o.MaxUserConnections, 0},
		{"MaxAddressConnections", &o.MaxAddressConnections, 0},
		{"ByteRate", &o.ByteRate, 0},
		{"Loops", &o.Loops, runtime.GOMAXPROCS(0)},
	} {
		if *n.value < 0 {
			return optionError(n.field, "%d is negative", *n.value)
		}
		if *n.value == 0 {
			*n.value = n.zero
		}
	}
	for _, r := range []struct {
		field string
		value float64
	}{
		{"HandshakeRate", o.HandshakeRate},
		{"MessageRate", o.MessageRate},
		{"ReconnectRate", o.ReconnectRate},
	} {
		if r.value < 0 || math.IsNaN(r.value) || math.IsInf(r.value, 0) {
			return optionError(r.field, "%v is not a rate", r.value)
		}
	}
	for _, d := range []struct {
		field       string
		value       *time.Duration
		zero, least time.Duration
	}{
		{"Heartbeat", &o.Heartbeat, 25 * time.Second, MinHeartbeat},
		{"AckDelay", &o.AckDelay, time.Second, MinAckDelay},
	} {
		if *d.value < 0 {
			return optionError(d.field, "%s is negative", *d.value)
		}
		if *d.value == 0 {
			*d.value = d.zero
		}
		if *d.value < d.least {
			return optionError(d.field, "%s is less than %s", *d.value, d.least)
		}
	}
	if err := checkSubprotocols(o.Subprotocols); err != nil {
		return err
	}
	if err := o.Events.check(); err != nil {
		return err
	}
	if _, err := o.WebPush.check(); err != nil {
		return err
	}
	for i, pattern := range o.AllowOrigins {
		if _, err := origin.ParsePattern(pattern); err != nil {
			return optionError("AllowOrigins", "entry %d, %q, is not an origin: %s", i, pattern, err)
		}
	}
	if isNilPointer(o.Engine) {
		return optionError("Engine", "nil pointer of type %T: check the error of its constructor", o.Engine)
	}
	if o.Engine == nil {
		o.Engine = memory.New(memory.Options{})
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}

// OptionError is the error of New for an option that is missing or invalid.
type OptionError struct {
	Option  string // the field of Options
	Message string
}

func (e *OptionError) Error() string { return "wirepost: Options." + e.Option + ": " + e.Message }

func optionError(option, format string, args ...any) *OptionError {
	return &OptionError{Option: option, Message: fmt.Sprintf(format, args...)}
}

// isNilPointer reports whether an interface holds a nil pointer, which is not a nil
// interface.
func isNilPointer(e engine.Engine) bool {
	v := reflect.ValueOf(e)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// checkSubprotocols checks that they are tokens, as the header requires (RFC 6455 §4.1,
// RFC 9110 §5.6.2).
func checkSubprotocols(names []string) error {
	if len(names) > 255 {
		return optionError("Subprotocols", "%d entries, at most 255 are allowed", len(names))
	}
	for _, p := range names {
		switch {
		case !isToken(p):
			return optionError("Subprotocols", "%q is not a valid subprotocol name", p)
		case p == wire.ProtocolV1, p == wire.ProtocolPlain, strings.HasPrefix(p, wire.BearerPrefix):
			return optionError("Subprotocols", "%q is reserved", p)
		}
	}
	return nil
}

func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?={}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// session returns the options of sessions.
func (o *Options) session() session.Config {
	return session.Config{
		MaxMessage: o.MaxMessage, Heartbeat: o.Heartbeat, Window: o.Window, WindowBytes: o.WindowBytes,
		AckDelay: o.AckDelay, MaxSubscriptions: o.MaxSubscriptions, MaxConnections: o.MaxUserConnections,
		MaxDevices: o.MaxDevices, MessageRate: o.MessageRate, ByteRate: o.ByteRate, Subprotocols: o.Subprotocols,
		LogRefusals: o.LogRefusals,
	}
}
