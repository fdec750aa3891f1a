package wirepost

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/origin"
	"github.com/wirepost/wirepost/internal/user"
	"github.com/wirepost/wirepost/internal/wire"
)

// TokenCookie is the cookie that may carry a client's token.
const TokenCookie = "wirepost_token"

// maxAgent bounds what is kept of a User-Agent header, in bytes.
const maxAgent = 200

// ServeHTTP upgrades a request to a client connection, which then speaks as
// docs/protocol.md says. Every refusal is a plain HTTP error, before the upgrade.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mode := codec.Plain
	if offers(r, wire.ProtocolV1) {
		mode = codec.V1
	}
	var ses *session
	var hello []byte
	err := s.checkUpgrade(w, r)
	if err == nil {
		ses, hello, err = s.admit(r, mode)
	}
	if err != nil {
		s.refuseUpgrade(w, r, err)
		return
	}
	err = errNotUpgraded // unless upgrade returns, which it does not when a wrapper of w panics
	defer func() {
		if err != nil {
			ses.abandon(err)
		}
	}()
	err = s.upgrade(w, r, ses.protocolName(r), ses.loop, func(c conn.Conn) conn.Handler {
		ses.attach(c, hello)
		return ses
	})
}

var errNotUpgraded = Errorf(Internal, "the connection was not upgraded")

// admit makes the session that a request asks for, or says why not. Its steps are
// called one after the other from here, and not from each other, so that the
// application's callbacks find most of a small stack still free.
func (s *Server) admit(r *http.Request, m codec.Mode) (*session, []byte, error) {
	from := parseAddress(r.RemoteAddr)
	if err := s.limits.enter(from); err != nil {
		return nil, nil, err // before a token is verified, or anything read
	}
	var query url.Values
	var identity *Identity
	var req *wish
	var u *user.User
	err := s.Ready()
	if err == nil {
		query, err = parseQuery(r)
	}
	if err == nil {
		identity, err = s.authenticate(r, query)
	}
	if err == nil {
		req, err = s.readWish(r, m, query, identity)
	}
	if err == nil {
		u, err = s.users.Acquire(identity.User)
	}
	if err != nil {
		s.limits.leave(from)
		s.limits.close(from)
		return nil, nil, err
	}
	req.address = from
	// From here on the session holds all of it, and gives it back when it ends.
	ses := s.newSession(u, req)
	var hello []byte
	err = s.register(ses, req)
	if err == nil && s.opts.OnConnect != nil {
		err = s.askApplication(r, req.session)
	}
	if err == nil {
		ses.accepted = true
		s.attached.Add(1)
		hello, err = s.connect(ses, req)
	}
	if err != nil {
		ses.abandon(err)
		ses = nil
	}
	u.Unpin() // the session has the reference, and no need of the state while it is idle
	return ses, hello, err
}

// readWish checks the rest of what can be checked without the store.
func (s *Server) readWish(r *http.Request, m codec.Mode, query url.Values, identity *Identity) (*wish, error) {
	// The name may be a part of the request's text, which is not to stay for it.
	identity.Device = strings.Clone(identity.Device)
	req := &wish{identity: identity, mode: m, now: s.clock.Now()}
	if err := s.readQuery(req, query); err != nil {
		return nil, err
	}
	if err := s.readPosition(req, r, query); err != nil {
		return nil, err
	}
	s.describe(req, r)
	return req, nil
}

// parseQuery is not a part of its caller because there the map would be on the
// stack, and make it grow.
//
//go:noinline
func parseQuery(r *http.Request) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fieldError("query", "the query does not parse")
	}
	for _, name := range [...]string{"token", "device", "channels", "after", "last_event_id", "wait"} {
		if len(query[name]) > 1 {
			return nil, fieldError(name, "it is given twice")
		}
	}
	return query, nil
}

// describe fills in what the application is told of a session.
func (s *Server) describe(req *wish, r *http.Request) {
	req.connection = names.NewConnectionID()
	if req.mode == codec.Plain {
		req.protocol = s.chooseSubprotocol(r)
	}
	agent := r.UserAgent()
	info := &req.session
	info.Agent = strings.ToValidUTF8(agent[:min(len(agent), maxAgent)], "")
	info.Connection = req.connection.String()
	info.User = req.identity.User
	info.Since = req.now.UnixMilli()
	info.Address = r.RemoteAddr
	info.Mode = req.mode.Codec().Name()
	info.Protocol = s.subprotocol(req.protocol)
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
	req.hello = req.mode == codec.V1 || req.mode.Codec().Objects() && query.Get("hello") == "1"
	return nil
}

// readPosition reads where the session is to begin, if the client says it.
func (s *Server) readPosition(req *wish, r *http.Request, query url.Values) (err error) {
	after, inbox := query.Get("after"), InboxOf(req.identity.User)
	if req.mode == codec.Poll {
		if _, err := parseWait(query.Get("wait")); err != nil {
			return err
		}
		req.position, err = s.parsePosition("after", after, inbox)
		return err
	}
	if after != "" {
		req.after, err = parseAfter(after, inbox)
	}
	if err != nil || req.mode != codec.SSE {
		return err
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		req.position, err = s.parsePosition("Last-Event-ID", id, inbox)
		return err
	}
	// As this client sends it, or as polyfills do.
	for _, name := range []string{"last_event_id", "lastEventId", "lastEventID"} {
		if id := query.Get(name); id != "" {
			req.position, err = s.parsePosition(name, id, inbox)
			return err
		}
	}
	return nil
}

// askApplication asks whether a session may begin. When it says yes, the session
// leaves by OnDisconnect, whatever comes.
func (s *Server) askApplication(r *http.Request, info Session) (err error) {
	if p := s.guard("OnConnect", func() { err = s.opts.OnConnect(r, info) }); p != nil {
		return p
	}
	return s.speakable("OnConnect", err)
}

// speakable is what a client is told when a callback about its connection failed:
// an *Error speaks for itself. Anything else is an outage, such as that of the
// application's database, about which the log knows more than a client may; it must
// not read as a refusal, after which a page asks its user to log in again.
func (s *Server) speakable(callback string, err error) error {
	var coded *Error
	if err == nil || errors.As(err, &coded) {
		return err
	}
	level := slog.LevelError
	if errors.Is(err, context.Canceled) {
		level = slog.LevelDebug // the client left
	}
	s.logger.Log(s.ctx, level, "callback failed", "callback", callback, "error", err)
	return &Error{Code: Unavailable, Message: "the server cannot check this connection at the moment: try again later", RetryAfter: 5 * time.Second, Err: err}
}

// authenticate says who sends the request. With an error there is no identity.
func (s *Server) authenticate(r *http.Request, query url.Values) (*Identity, error) {
	if s.opts.Authenticate == nil {
		token, err := requestToken(r, query)
		if err != nil {
			return nil, err
		}
		if token == "" {
			return nil, Errorf(Unauthorized, "a token is needed: as Authorization: Bearer, ?token=, "+
				"the cookie %s, or the subprotocol entry %s<token>", TokenCookie, wire.BearerPrefix)
		}
		return s.verifyToken(r.Context(), token)
	}
	return s.identify("Authenticate", func(id *Identity) (err error) {
		*id, err = s.opts.Authenticate(r)
		return err
	})
}

// verifyToken says whose token it is, and what it allows.
func (s *Server) verifyToken(ctx context.Context, token string) (*Identity, error) {
	return s.identify("VerifyToken", func(id *Identity) (err error) {
		*id, err = s.opts.VerifyToken(ctx, token)
		id.assumeIssued()
		return err
	})
}

// identify asks one of the application's callbacks who somebody is. Identities are
// large: they are handed on by pointer, because the stack of a request's goroutine
// would have to grow for copies of them.
func (s *Server) identify(callback string, ask func(*Identity) error) (*Identity, error) {
	id := new(Identity)
	var err error
	if p := s.guard(callback, func() { err = ask(id) }); p != nil {
		return nil, p
	}
	if errors.Is(err, http.ErrNoCookie) {
		err = &Error{Code: Unauthorized, Message: "the request has no cookie that says who sends it", Err: err}
	}
	if err = s.speakable(callback, err); err == nil {
		err = id.check()
	}
	if err != nil {
		return nil, unauthorized(err)
	}
	return id, nil
}

// check looks for what no identity may have.
func (id *Identity) check() error {
	if err := CheckUser(id.User); err != nil {
		return err
	}
	if err := CheckDevice(id.Device); err != nil {
		return err
	}
	for _, channel := range id.Channels {
		if err := CheckChannel(channel); err != nil {
			return err
		}
		if user, inbox := names.InboxUser(channel); inbox && user != id.User {
			return Errorf(Unauthorized, "nobody is a member of another user's inbox, %q", channel)
		}
	}
	if !id.Expires.IsZero() && !id.Expires.After(time.Now()) {
		return Errorf(Unauthorized, "the token has expired")
	}
	return nil
}

// assumeIssued dates a token that says nothing of it.
func (id *Identity) assumeIssued() {
	if id.Issued.IsZero() {
		id.Issued = time.Unix(1, 0)
	}
}

// unauthorized makes a mistake in an identity, which would be a bad request, a 401.
func unauthorized(err error) error {
	var coded *Error
	if errors.As(err, &coded) && coded.Code == BadRequest {
		return &Error{Code: Unauthorized, Message: coded.Message, Err: err}
	}
	return err
}

// requestToken is the token of a request, or "" if there is none.
func requestToken(r *http.Request, query url.Values) (string, error) {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token), nil
	}
	if token := query.Get("token"); token != "" {
		return token, nil
	}
	if token, err := cookieToken(r); token != "" || err != nil {
		return token, err
	}
	for p := range offeredProtocols(r) {
		if token, ok := strings.CutPrefix(p, wire.BearerPrefix); ok {
			return token, nil
		}
	}
	return "", nil
}

// cookieToken is the token in the cookie. Of several with different values none is
// taken: a browser sends them without saying who set which, and a page of a sibling
// domain may have set one for the whole domain, to have the user connect as
// somebody else.
func cookieToken(r *http.Request) (token string, err error) {
	for _, c := range r.CookiesNamed(TokenCookie) {
		switch {
		case c.Value == "" || c.Value == token:
		case token != "":
			return "", Errorf(Unauthorized, "there are several cookies %s with different values: "+
				"set it for one domain and path only, and delete the others", TokenCookie)
		default:
			token = c.Value
		}
	}
	return token, nil
}

// checkOrigin refuses what pages of other sites make a browser send, with the user's
// cookies. What comes without Origin comes from no page, from a page of the server's
// own origin, or is a link, an image or the like; a browser says in Sec-Fetch-Site
// which of these, and nothing here is meant to be linked to: even a poll that nobody
// can read makes a device of its user known.
func (s *Server) checkOrigin(r *http.Request) error {
	header := strings.Join(r.Header["Origin"], ",") // several are no origin that could be allowed
	if header == "" {
		if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
			return &Error{Code: Forbidden, Field: "Sec-Fetch-Site", Message: "pages of other origins may not link to this or embed it"}
		}
		return nil
	}
	if o, ok := origin.Parse(header); ok && origin.Same(o, r) || s.origins.Match(header) {
		return nil
	}
	return &Error{Code: Forbidden, Field: "Origin", Message: "pages from this origin may not connect here"}
}
