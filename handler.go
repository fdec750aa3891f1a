package wirepost

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/glob"
	"github.com/wirepost/wirepost/internal/wire"
)

// TokenCookie is the cookie that may carry a client's token.
const TokenCookie = "wirepost_token"

// maxAgent bounds what is kept of a User-Agent header, in bytes.
const maxAgent = 200

// ServeHTTP upgrades a request to a client connection, which then speaks as
// docs/protocol.md says. Every refusal is a plain HTTP error, before the upgrade.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req, err := s.readWish(r)
	if err != nil {
		refuseUpgrade(w, err)
		return
	}
	ses, hello, err := s.connect(req)
	if err != nil {
		refuseUpgrade(w, err)
		return
	}
	err = s.upgrade(w, r, req.mode.String(), ses.loop, func(c conn.Conn) conn.Handler {
		ses.attach(c, hello)
		return ses
	})
	if err != nil {
		ses.abandon()
	}
}

// readWish checks everything about a request that can be checked without the
// store.
func (s *Server) readWish(r *http.Request) (*wish, error) {
	if err := s.Ready(); err != nil {
		return nil, err
	}
	if err := s.checkUpgrade(r); err != nil {
		return nil, err
	}
	identity, err := s.authenticate(r)
	if err != nil {
		return nil, err
	}
	// The name may be a part of the request's text, which is not to stay for it.
	identity.Device = strings.Clone(identity.Device)
	req := &wish{identity: &identity, mode: modePlain, now: time.Now()}
	if slices.Contains(offeredProtocols(r), wire.ProtocolV1) {
		req.mode = modeV1
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fieldError("query", "the query does not parse")
	}
	if err := s.readQuery(req, query); err != nil {
		return nil, err
	}
	agent := r.UserAgent()
	req.session.Agent = strings.ToValidUTF8(agent[:min(len(agent), maxAgent)], "")
	req.connection = newConnectionID()
	req.session.Connection = req.connection.String()
	req.session.User = identity.User
	req.session.Since = req.now.UnixMilli()
	req.session.Address = r.RemoteAddr
	req.session.Mode = req.mode.String()
	if s.opts.OnConnect != nil {
		if err := s.askApplication(r, req.session); err != nil {
			return nil, err
		}
	}
	return req, nil
}

func (s *Server) readQuery(req *wish, query url.Values) (err error) {
	device := query.Get("device")
	if err := CheckDevice(device); err != nil {
		return err
	}
	id := req.identity
	if id.Device != "" && device != "" && device != id.Device {
		return &Error{Code: Forbidden, Field: "device", Message: "the token is for another device"}
	}
	req.session.Device = strings.Clone(device)
	if id.Device != "" {
		req.session.Device = id.Device
	}
	if req.channels, err = parseChannels(query.Get("channels")); err != nil {
		return err
	}
	for _, c := range req.channels {
		if err := s.maySubscribe(id, c); err != nil {
			return err
		}
	}
	req.after, err = parseAfter(query.Get("after"), InboxOf(id.User))
	return err
}

func (s *Server) askApplication(r *http.Request, info Session) (err error) {
	if p := s.guard("OnConnect", func() { err = s.opts.OnConnect(r, info) }); p != nil {
		return p
	}
	var coded *Error
	if err == nil || errors.As(err, &coded) {
		return err
	}
	return &Error{Code: Forbidden, Message: err.Error(), Err: err}
}

// authenticate says who sends the request.
func (s *Server) authenticate(r *http.Request) (id Identity, err error) {
	if s.opts.Authenticate != nil {
		id, err = s.opts.Authenticate(r)
	} else {
		token := requestToken(r)
		if token == "" {
			return id, Errorf(Unauthorized, "a token is needed: as Authorization: Bearer, ?token=, "+
				"the cookie %s, or the subprotocol entry %s<token>", TokenCookie, wire.BearerPrefix)
		}
		id, err = s.opts.VerifyToken(r.Context(), token)
	}
	if err != nil {
		return id, unauthorized(err)
	}
	if err := CheckUser(id.User); err != nil {
		return id, unauthorized(err)
	}
	if err := CheckDevice(id.Device); err != nil {
		return id, unauthorized(err)
	}
	for _, channel := range id.Channels {
		if err := CheckChannel(channel); err != nil {
			return id, unauthorized(err)
		}
	}
	if !id.Expires.IsZero() && !id.Expires.After(time.Now()) {
		return id, Errorf(Unauthorized, "the token has expired")
	}
	return id, nil
}

// unauthorized makes an error of an authentication one that says 401, unless it
// says something else by itself.
func unauthorized(err error) error {
	var coded *Error
	if errors.As(err, &coded) && coded.Code != BadRequest {
		return err
	}
	message := err.Error()
	if coded != nil {
		message = coded.Message
	}
	return &Error{Code: Unauthorized, Message: message, Err: err}
}

func requestToken(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	if token := r.URL.Query().Get("token"); token != "" {
		return token
	}
	if c, err := r.Cookie(TokenCookie); err == nil && c.Value != "" {
		return c.Value
	}
	for _, p := range offeredProtocols(r) {
		if token, ok := strings.CutPrefix(p, wire.BearerPrefix); ok {
			return token
		}
	}
	return ""
}

// checkUpgrade says whether the request is a WebSocket handshake (RFC 6455
// §4.2.1) from an origin that may connect.
func (s *Server) checkUpgrade(r *http.Request) error {
	switch {
	case r.Method != http.MethodGet:
		return &Error{Code: BadRequest, Status: http.StatusMethodNotAllowed, Message: "a WebSocket handshake is a GET"}
	case r.ProtoMajor != 1:
		return &Error{Code: BadRequest, Status: http.StatusHTTPVersionNotSupported, Message: "a WebSocket handshake is HTTP/1.1"}
	case !headerHas(r.Header, "Connection", "upgrade"), !headerHas(r.Header, "Upgrade", "websocket"):
		return &Error{Code: BadRequest, Status: http.StatusUpgradeRequired, Message: "this is a WebSocket endpoint"}
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		return &Error{Code: BadRequest, Status: http.StatusUpgradeRequired, Field: "Sec-WebSocket-Version", Message: "only version 13 is spoken here"}
	case len(r.Header.Get("Sec-WebSocket-Key")) != 24:
		return fieldError("Sec-WebSocket-Key", "the key is missing or malformed")
	}
	return s.checkOrigin(r)
}

// checkOrigin refuses pages of other sites: a browser would send them with the
// user's cookies. A request without Origin comes from no page.
func (s *Server) checkOrigin(r *http.Request) error {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	if u, err := url.Parse(origin); err == nil && strings.EqualFold(u.Host, r.Host) {
		return nil
	}
	for _, allowed := range s.opts.AllowOrigins {
		if glob.Match(strings.ToLower(allowed), strings.ToLower(origin)) {
			return nil
		}
	}
	return &Error{Code: Forbidden, Field: "Origin", Message: "pages from this origin may not connect here"}
}

// upgrade answers the handshake and hands the connection to a loop.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, mode string, l *loop, h func(conn.Conn) conn.Handler) error {
	answer, deflate := s.negotiateDeflate(r)
	u := ws.HTTPUpgrader{
		Header:   answer,
		Timeout:  handshakeTimeout,
		Protocol: func(p string) bool { return p == mode || p == wire.ProtocolPlain && mode == "plain" },
	}
	nc, rw, _, err := u.Upgrade(r, w)
	if err != nil {
		if nc != nil {
			nc.Close() //nolint:errcheck // the handshake failed already
		}
		return err
	}
	early, err := rw.Reader.Peek(rw.Reader.Buffered())
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err == nil {
		err = l.Attach(nc, conn.Handshake{Early: early, Deflate: deflate}, h)
	}
	if err != nil {
		nc.Close() //nolint:errcheck // it failed already
	}
	return err
}

// handshakeTimeout bounds the writing of the 101.
const handshakeTimeout = 10 * time.Second

func refuseUpgrade(w http.ResponseWriter, err error) {
	switch AsError(err).Status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodGet)
	case http.StatusUpgradeRequired:
		w.Header().Set("Connection", "Upgrade") // RFC 9110 §7.8
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Sec-WebSocket-Version", "13")
	}
	WriteError(w, err)
}

// headerHas says whether a comma-separated header holds a token.
func headerHas(h http.Header, name, token string) bool {
	return slices.ContainsFunc(headerList(h, name), func(v string) bool { return strings.EqualFold(v, token) })
}

func offeredProtocols(r *http.Request) []string {
	return headerList(r.Header, "Sec-WebSocket-Protocol")
}

func headerList(h http.Header, name string) (list []string) {
	for _, line := range h.Values(name) {
		for _, v := range strings.Split(line, ",") {
			list = append(list, strings.TrimSpace(v))
		}
	}
	return list
}
