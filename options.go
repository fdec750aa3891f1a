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

// Options configures a Server. Only one of Authenticate and VerifyToken has to be
// set; every other zero value works.
type Options struct {
	// Engine stores the durable channels. It serves one Server at a time, which does
	// not close it: do so after Shutdown. Nil means an engine in memory, which loses
	// everything with the process.
	Engine engine.Engine

	// Authenticate says who sends a request, by cookie, header or whatever the
	// program uses. An *Error decides the answer: Errorf(CodeUnauthorized, …) is a 401,
	// and so are an Identity without a user and http.ErrNoCookie. Any other error is
	// an outage: it is logged, and the client is answered 503 without its text.
	Authenticate func(*http.Request) (Identity, error)
	// VerifyToken says whose token it is. Without Authenticate the server takes
	// the token of a request from the Authorization header, ?token=, the cookie
	// wirepost_token or a subprotocol entry bearer.<token>. It is also what
	// verifies the tokens of auth frames; without it they are refused. Its errors
	// are those of Authenticate.
	VerifyToken func(ctx context.Context, token string) (Identity, error)

	// AllowOrigins lists the origins that pages may connect from, besides the
	// server's own: "https://example.com", with * for labels of the host as in
	// "https://*.example.com". "*" alone allows every page. To tell that a request
	// came by https to a proxy in front, which is trusted, set its URL.Scheme.
	AllowOrigins []string

	// Channels are the policies; for a channel the first that matches counts.
	Channels []Policy

	// The contexts of the callbacks below have the values of the context of the request
	// that began the session, as middleware left it. What those values refer to, and
	// about 0.6 KB of net/http's, therefore stays in memory as long as the session does,
	// if there is any callback that gets a Session after the handshake. The contexts end
	// with the session; those of OnAck, OnRead, OnPublish and OnDisconnect end with
	// the server.

	// OnConnect is called before a connection is accepted, when no limit refuses it.
	// An *Error refuses it with its status; any other error is logged and answered
	// 503.
	OnConnect func(*http.Request, Session) error
	// OnDisconnect is called exactly once for each time that OnConnect returned nil,
	// also when the connection broke before it was upgraded: when the end of the
	// session has begun and every other callback for it has returned. It does not
	// wait for the client to answer the close frame.
	OnDisconnect func(context.Context, Session, CloseInfo)
	// OnMessage gets what a plain-mode client sends (outside of Handle), and the message frames of
	// wirepost.v1, one message at a time for each session. A reply with Data is
	// sent to that connection alone, past all logs. An error ends a plain
	// connection; in wirepost.v1 it is the answer. One that is not an *Error is
	// logged, and says "internal error" to the client.
	OnMessage func(context.Context, Session, Frame) (reply Frame, err error)
	// OnSubscribe is asked when a client requests a channel whose policy has Subscribe:
	// AccessHook, at its connect request or by a command. Nil allows the subscription
	// until the client brings a new token, when it is asked again; each poll is a connect
	// request. An *Error refuses it with its code. Any other error is logged, and the
	// client is told to try again (CodeUnavailable, 503). Calls for one session come one
	// at a time, in order with those of OnMessage, OnCall and OnPublish; at a connect
	// request they come after OnConnect, and ctx is the request's.
	OnSubscribe func(ctx context.Context, s Session, channel string) error
	// OnPublish is asked when a client publishes to a channel whose policy has Publish:
	// AccessHook, and may change the data and what describes it; To and ID stay. Errors
	// are those of OnSubscribe.
	OnPublish func(ctx context.Context, s Session, p *Push) error
	// OnAck is called when a device has acknowledged the messages of its inbox or of
	// a membership up to a sequence: in order for each connection, and for each
	// message once, except after a crash.
	OnAck func(ctx context.Context, s Session, channel string, seq uint64)
	// OnRead is called when a user's read mark in the inbox or in a membership has
	// moved to a sequence, whoever moved it.
	OnRead func(ctx context.Context, user, channel string, seq uint64)
	// OnCall answers the call frames of wirepost.v1. What it returns is sent as
	// JSON; an *Error is sent with its code, any other error is logged, and sent as
	// internal without its text.
	OnCall func(ctx context.Context, s Session, method string, data json.RawMessage) (any, error)

	// Subprotocols are the application's own (Sec-WebSocket-Protocol), for plain
	// mode: the first one that a client offers and that is listed is agreed on. At
	// most 255.
	Subprotocols []string

	MaxMessage       int           // bytes of data in a push, and of a client's message; 0: 64 KiB
	Heartbeat        time.Duration // 0: 25 s; at least 100 ms
	Window           int           // unacknowledged messages per session; 0: 256
	WindowBytes      int           // and their bytes; 0: 1 MiB
	AckDelay         time.Duration // of the cursor ping in plain mode; 0: 1 s
	MaxDevices       int           // per user; 0: 32
	MaxSubscriptions int           // per session; 0: 100
	TailMemory       int           // bytes of recent messages kept at hand for sessions that are nearly caught up; 0: 256 MiB
	// PageMemory is how many bytes of older messages, read from the engine for
	// sessions that are not caught up, may be in memory until clients take them.
	// When much of it is used, less is read at a time. 0: 64 MiB.
	PageMemory int
	// ChannelMemory is how many bytes of messages the channels with a MemoryOnly
	// policy keep, together; then the oldest go. 0: 256 MiB.
	ChannelMemory int

	// Limits against clients that take too much. 0 is no limit. Connections over
	// one are refused with 503 (MaxConnections) or 429, sessions over a rate are
	// closed with 4429; wirepost_refused_total counts both. An address is an IPv4
	// address or an IPv6 /64.
	MaxConnections        int
	MaxUserConnections    int     // per user
	MaxAddressConnections int     // per address
	HandshakeRate         float64 // new connections a second, per address
	MessageRate           float64 // messages and commands a second, per session
	ByteRate              int     // bytes of those a second, per session

	// ReconnectRate is how many sessions a second Shutdown sends away, and asks to
	// come back: what the nodes that take them over can bear. 0: all at once, to
	// come back within some seconds.
	ReconnectRate float64
	Loops         int // event loops; 0: one per core

	// Compress lets clients that offer permessage-deflate (RFC 7692) have it. It
	// trades CPU for bandwidth; a message is compressed once for all of them.
	Compress bool

	Logger *slog.Logger // nil: slog.Default()
	// LogRefusals logs each request for a connection that is refused, with its
	// reason, at level info, as wirepost dev does; else that is at level debug.
	LogRefusals bool
}

// Identity is who a client is and what it may do. The zero value of each list
// allows nothing but the user's own inbox and All.
type Identity struct {
	User   string
	Device string // "": the client picks one
	// Channels the user is a member of as long as the identity lives.
	Channels []string
	// Subscribe and Publish list the channels, or patterns with *, that the client
	// may use by itself. A leading * does not reach inboxes or All.
	Subscribe []string
	Publish   []string
	Expires   time.Time // when the connection must be refreshed or end; zero: never
	// Issued is when the token was made, which RevokeTokens goes by. Zero, from
	// VerifyToken, counts as long ago; from Authenticate it means that there is no
	// token.
	Issued time.Time
	// Data is the application's: callbacks find it in their Session. A token that the
	// client renews brings its own.
	Data any
}

// Frame is a message without a log: what a plain client sent, or a reply to it.
type Frame struct {
	Binary bool
	Data   []byte
}

// CloseInfo says how a session ended: the close code (RFC 6455 §7.4, or one from
// 4000 on) and the reason given with it. It is the error of a Conn whose session has
// ended.
type CloseInfo struct {
	Code   int
	Reason string
}

func (e CloseInfo) Error() string { return "wirepost: " + session.CloseInfo(e).Error() }

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
		{"MaxMessage", &o.MaxMessage, 64 << 10},
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
		{"Heartbeat", &o.Heartbeat, 25 * time.Second, minHeartbeat},
		{"AckDelay", &o.AckDelay, time.Second, time.Millisecond},
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

// minHeartbeat is the shortest heartbeat: clients that answer later than 2.4 of them
// are cut off.
const minHeartbeat = 100 * time.Millisecond

// isNilPointer tells a nil pointer in an interface, which is not a nil interface.
func isNilPointer(e engine.Engine) bool {
	v := reflect.ValueOf(e)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// checkSubprotocols holds them to what the header can carry (RFC 6455 §4.1, and
// the tokens of RFC 9110 §5.6.2).
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

// session is what the options say of sessions.
func (o *Options) session() session.Config {
	return session.Config{
		MaxMessage: o.MaxMessage, Heartbeat: o.Heartbeat, Window: o.Window, WindowBytes: o.WindowBytes,
		AckDelay: o.AckDelay, MaxSubscriptions: o.MaxSubscriptions, MaxConnections: o.MaxUserConnections,
		MaxDevices: o.MaxDevices, MessageRate: o.MessageRate, ByteRate: o.ByteRate, Subprotocols: o.Subprotocols,
	}
}
