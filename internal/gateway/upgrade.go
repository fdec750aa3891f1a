package gateway

import (
	"encoding/base64"
	"iter"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/wire"
	"github.com/wirepost/wirepost/internal/ws"
)

// checkUpgrade checks that the request is a WebSocket handshake (RFC 6455 §4.2.1) from
// an allowed origin.
func (g *Gateway) checkUpgrade(w http.ResponseWriter, r *http.Request) error {
	switch {
	case r.Method != http.MethodGet:
		return &fault.Error{Code: fault.BadRequest, Status: http.StatusMethodNotAllowed, Message: "a WebSocket handshake is a GET"}
	case r.ProtoMajor != 1 || r.ProtoMinor < 1: // RFC 9110 §7.8: HTTP/1.0 has no upgrade
		return &fault.Error{Code: fault.BadRequest, Status: http.StatusHTTPVersionNotSupported, Message: "a WebSocket handshake is HTTP/1.1, which a proxy in between has to be set to"}
	case !headerHas(r.Header, "Connection", "upgrade"), !headerHas(r.Header, "Upgrade", "websocket"):
		return &fault.Error{Code: fault.BadRequest, Status: http.StatusUpgradeRequired, Message: noUpgrade(r.Header)}
	}
	if err := g.needs(w, canHijack, "http.Hijacker"); err != nil {
		return err
	}
	if err := noBody(w, r); err != nil { // its bytes would be parsed as frames
		return err
	}
	switch {
	case !headerIs(r.Header, "Sec-Websocket-Version", "13"):
		return &fault.Error{Code: fault.BadRequest, Status: http.StatusUpgradeRequired, Field: "Sec-WebSocket-Version", Message: "only version 13 is supported"}
	case len(r.Header["Sec-Websocket-Key"]) != 1 || !validKey(r.Header.Get("Sec-WebSocket-Key")):
		return fault.Field("Sec-WebSocket-Key", "exactly one key of 16 bytes in base64 is required")
	}
	return g.checkOrigin(r)
}

// noUpgrade says why a request is not a handshake. A key without the headers of an upgrade is
// what remains of one behind a proxy that is not set up for WebSockets.
func noUpgrade(h http.Header) string {
	if h.Get("Sec-WebSocket-Key") == "" {
		return "this is a WebSocket endpoint"
	}
	return "the handshake lacks Upgrade: websocket or Connection: Upgrade, which a proxy in between has to forward"
}

// validKey reports whether a key is valid by RFC 6455 §4.1.
func validKey(key string) bool {
	if len(key) != 24 {
		return false
	}
	var b [18]byte
	n, err := base64.StdEncoding.Decode(b[:], []byte(key))
	return err == nil && n == 16
}

// upgrade takes the connection over from net/http and attaches it to a loop, which
// first sends the 101, with the negotiated subprotocol, if any. If it fails, the
// connection is closed.
func (g *Gateway) upgrade(w http.ResponseWriter, r *http.Request, protocol string, l *session.Loop, h func(conn.Conn) conn.Handler) error {
	response, window := g.acceptUpgrade(r, protocol)
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		err = g.wrapped(w, "http.Hijacker", err)
		g.Refuse(w, r, err)
		return err
	}
	if c, ok := nc.(interface{ Detach() net.Conn }); ok { // of package http1
		nc = c.Detach()
	}
	early, err := rw.Reader.Peek(rw.Reader.Buffered())
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err == nil {
		err = l.Attach(nc, conn.Handshake{Early: early, Window: window, Bare: protocol != wire.ProtocolV1}, func(c conn.Conn) conn.Handler {
			c.Write(response)
			return h(c)
		})
	}
	if err != nil {
		nc.Close() //nolint:errcheck // it failed already
	}
	return err
}

// acceptUpgrade makes the 101 response (RFC 6455 §4.2.2).
func (g *Gateway) acceptUpgrade(r *http.Request, protocol string) (response []byte, window int) {
	response = make([]byte, 0, 256)
	response = append(response, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"...)
	response = append(response, "Sec-WebSocket-Accept: "...)
	response = ws.AppendAccept(response, r.Header.Get("Sec-WebSocket-Key"))
	if protocol != "" {
		response = append(append(response, "\r\nSec-WebSocket-Protocol: "...), protocol...)
	}
	if g.config.Compress {
		var extension string
		if extension, window = ws.NegotiateDeflate(r.Header.Values("Sec-WebSocket-Extensions")); window != 0 {
			response = append(append(response, "\r\nSec-WebSocket-Extensions: "...), extension...)
		}
	}
	return append(response, "\r\n\r\n"...), window
}

func (g *Gateway) refuseUpgrade(w http.ResponseWriter, r *http.Request, err error) {
	switch fault.As(err).Status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodGet)
	case http.StatusUpgradeRequired:
		w.Header().Set("Connection", "Upgrade") // RFC 9110 §7.8
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Sec-WebSocket-Version", "13")
	}
	g.Refuse(w, r, err)
}

// headerIs reports whether a header has exactly one line, with that value (RFC 6455
// §11.3). The name is in canonical form.
func headerIs(h http.Header, name, value string) bool {
	return len(h[name]) == 1 && h[name][0] == value
}

// headerHas reports whether a comma-separated header contains a token.
func headerHas(h http.Header, name, token string) bool {
	for v := range headerList(h, name) {
		if strings.EqualFold(v, token) {
			return true
		}
	}
	return false
}

// protocolName is the subprotocol negotiated with the client, if any.
func (g *Gateway) protocolName(r *http.Request, m codec.Mode, chosen uint8) string {
	switch {
	case m == codec.V1:
		return wire.ProtocolV1
	case chosen != 0:
		return g.host.Subprotocol(chosen)
	}
	return plainProtocol(r)
}

// plainProtocol is the name of plain mode, if the client offers it.
func plainProtocol(r *http.Request) string {
	if offers(r, wire.ProtocolPlain) {
		return wire.ProtocolPlain
	}
	return ""
}

// chooseSubprotocol returns the first of the application's subprotocols that the client
// offers, numbered as in session.Plan.
func (g *Gateway) chooseSubprotocol(r *http.Request) uint8 {
	for p := range offeredProtocols(r) {
		if i := slices.Index(g.host.Subprotocols, p); i >= 0 {
			return uint8(i + 1)
		}
	}
	return 0
}

// offers reports whether the client offers a subprotocol, by its exact name.
func offers(r *http.Request, protocol string) bool {
	for p := range offeredProtocols(r) {
		if p == protocol {
			return true
		}
	}
	return false
}

func offeredProtocols(r *http.Request) iter.Seq[string] {
	return headerList(r.Header, "Sec-WebSocket-Protocol")
}

// headerList returns the elements of a comma-separated header.
func headerList(h http.Header, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range h.Values(name) {
			for v := range strings.SplitSeq(line, ",") {
				if !yield(strings.TrimSpace(v)) {
					return
				}
			}
		}
	}
}
