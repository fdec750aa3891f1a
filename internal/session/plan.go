package session

import (
	"context"
	"slices"
	"time"
	"unique"

	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/cursor"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/user"
	"github.com/wirepost/wirepost/internal/wire"
)

// Plan is the settled result of a connect request: the user, the mode, and the start of
// each channel. It is passed on, so that nothing is looked up twice.
type Plan struct {
	Identity   *access.Identity
	Device     string
	Agent      string // User-Agent
	Address    Address
	Connection names.ConnectionID
	Mode       codec.Mode
	Protocol   uint8 // 1 more than its index in Config.Subprotocols; 0 for none

	Requested []string          // channels other than those of every session of the user
	After     map[string]uint64 // by channel: where to begin
	MinSeq    map[string]uint64 // by channel: what the node is to have applied
	Cursor    *cursor.Cursor    // likewise, and it acknowledges; may be nil
	Hello     bool
	Now       time.Time
	Values    context.Context // of the request: its values are passed to callbacks
	Receiver  Receiver        // of a plain session's messages; nil: Hooks.Message

	forgot   bool      // another device was forgotten for this one
	patience time.Time // see Host.CatchUp: when to stop waiting

	// refreshes is set by New: once the session is registered, only its loop reads work.
	refreshes bool
}

// Info describes the planned session.
func (p *Plan) Info(h *Host) Info {
	return Info{
		Connection: p.Connection.String(), User: p.Identity.User, Device: p.Device, Since: p.Now.UnixMilli(),
		Address: p.Address.String(), Agent: p.Agent, Mode: p.Mode.Codec().Name(), Protocol: h.Subprotocol(p.Protocol), Data: p.Identity.Data,
	}
}

// New makes the session of a user whose state is pinned. It takes over the reference to
// the user and the connection's share of the limits; the caller attaches the session or
// calls Abandon.
func New(l *Loop, u *user.User, p *Plan) *Session {
	s := &Session{
		loop: l, user: u, device: p.Device, mode: p.Mode, protocol: p.Protocol,
		connection: p.Connection, address: p.Address,
		agent: unique.Make(p.Agent), since: p.Now.UnixMilli(),
		issued: user.IssuedAt(p.Identity.Issued),
	}
	s.timer.Owner = s
	s.assume(p.Identity)
	if p.Receiver != nil {
		s.theWork().reception = &reception{Receiver: p.Receiver}
	}
	s.keepValues(p.Values)
	p.refreshes = s.work != nil && s.work.refreshAt != 0
	l.host.Unreleased.Add(1)
	return s
}

// CheckRequested refuses a session that requests a channel that neither the token nor a
// policy allows, and that is not a membership. The user's state is pinned.
func (s *Session) CheckRequested(ctx context.Context, p *Plan) error {
	h, current := s.loop.host, false
	for _, channel := range p.Requested {
		refusal := h.Policies.MaySubscribe(p.Identity, channel)
		if refusal == nil {
			continue
		}
		if !s.isMember(p, channel) && !current {
			// Another node of a cluster may have just made the user a member.
			if err := h.Users.CatchUp(ctx, s.user.Name()); err != nil {
				return err
			}
			current = true
		}
		if !s.isMember(p, channel) {
			return refusal
		}
		s.identity.Store(p.Identity) // needed, in plain mode too, when the membership ends: see mayKeep
	}
	return nil
}

func (s *Session) isMember(p *Plan, channel string) bool {
	return p.Identity.Grants(channel) || s.user.IsMember(channel)
}

// Register adds the session to its user, if limits and revocations allow it: from then
// on the user counts as online.
func (s *Session) Register() error {
	if err := s.loop.host.Users.Connect(s.user, s, s.loop.host.MaxConnections); err != nil {
		return err
	}
	return s.CheckRevoked()
}

// CheckRevoked refuses a session whose token was revoked. The user's state is pinned.
func (s *Session) CheckRevoked() error { return s.user.CheckRevoked(s.issued) }

// Accept records that the application has accepted the session: OnDisconnect will be
// called.
func (s *Session) Accept() { s.accepted = true }

// Admit records that nothing refuses the session any more.
func (s *Session) Admit() {
	if h := s.loop.host; h.Hooks.Began != nil {
		s.admitted = true
		h.Hooks.Began(s.summary())
	}
}

// Begin makes the initial subscriptions of the session: the inbox, All, the memberships
// and the requested channels. The session is registered and accepted, and the user's
// state is pinned.
func (s *Session) Begin(ctx context.Context, p *Plan) (hello []byte, err error) {
	h := s.loop.host
	s.begun = true
	h.Attached.Add(1)
	var busy []string
	s.hearDevice()
	err = s.catchUp(ctx, p)
	if err == nil && h.DevicesElsewhere != nil && s.user.Full(s.device, h.MaxDevices) {
		busy, err = h.DevicesElsewhere(ctx, s.user.Name())
	}
	if err == nil {
		p.forgot, err = s.user.ConnectDevice(s.device, p.Now, h.MaxDevices, busy...)
	}
	if err == nil {
		err = h.Users.MakeKnown(ctx, s.user)
	}
	if err == nil {
		err = s.subscribeAll(ctx, p)
	}
	if err == nil {
		s.traceReturned(p.Cursor)
		s.saveStart(ctx)
	}
	if err == nil && p.Hello {
		hello, err = s.hello(ctx, p.refreshes)
	}
	return hello, err
}

// hearDevice has the loops of the device's other sessions handle what these have received:
// a page that is reloaded may have acknowledged messages the moment before, on a connection
// that nobody has noticed to be closed.
func (s *Session) hearDevice() {
	var heard []*Loop
	for _, other := range In(s.user.Conns()) {
		if other != s && other.device == s.device && !slices.Contains(heard, other.loop) {
			heard = append(heard, other.loop)
			other.loop.HandleInput()
		}
	}
}

// catchUp waits until this node of a cluster knows where the device begins: after what it
// has acknowledged on other nodes, a moment ago included, and not at the head because they
// have only just stored that the user exists.
func (s *Session) catchUp(ctx context.Context, p *Plan) error {
	h := s.loop.host
	if !h.Users.Shared() {
		return nil
	}
	channels := slices.Concat([]string{s.user.Inbox(), names.All}, s.user.Memberships(), p.Identity.Channels)
	err := h.Users.CatchUpToStart(ctx, s.user, s.device, slices.DeleteFunc(channels, h.Policies.MemoryOnly)...)
	if err == nil && p.Cursor == nil && h.CursorsElsewhere != nil {
		s.user.Learn(s.device, h.CursorsElsewhere(ctx, s.user.Name(), s.device))
	}
	return err
}

func (s *Session) subscribeAll(ctx context.Context, p *Plan) error {
	p.patience = time.Now().Add(Patience)
	granted := append([]string{s.user.Inbox(), names.All}, s.user.Memberships()...)
	granted = append(granted, p.Identity.Channels...)
	for _, channel := range granted {
		if err := s.begin(ctx, channel, true, p); err != nil {
			return err
		}
	}
	most := s.loop.host.MaxSubscriptions
	for _, channel := range p.Requested {
		if s.subscription(channel) == nil {
			// The membership that allowed it may have ended since CheckRequested.
			if err := s.loop.host.Policies.MaySubscribe(p.Identity, channel); err != nil {
				return err
			}
		}
		if len(s.subs) >= most && s.subscription(channel) == nil {
			return fault.Errorf(fault.RateLimited, "a session has at most %d subscriptions", most)
		}
		if err := s.begin(ctx, channel, false, p); err != nil {
			return err
		}
	}
	for channel := range p.After {
		if s.subscription(channel) == nil {
			return fault.Field("after", "this session is not subscribed to %q", channel)
		}
	}
	return nil
}

// position is the highest sequence in a channel that the client names.
func (p *Plan) position(channel string) uint64 {
	seq := max(p.After[channel], p.MinSeq[channel])
	if p.Cursor != nil {
		at, _ := p.Cursor.Of(channel)
		seq = max(seq, at)
	}
	return seq
}

// saveStart stores the start of a session: at once if it, or another session that is
// not done yet, made a first starting point, because a device gets nothing before its
// starting points are stored.
func (s *Session) saveStart(ctx context.Context) {
	h := s.loop.host
	if s.user.StartStored() {
		h.Users.SaveLater(s.user)
		return
	}
	if err := h.Users.Save(context.WithoutCancel(ctx), s.user, false); err != nil {
		// It stays queued. A crash before it is saved makes the device start anew.
		h.Logger.Warn("a device's start is not stored yet", "user", s.user.Name(), "error", err)
	}
}

// begin makes one of the initial subscriptions.
func (s *Session) begin(ctx context.Context, channel string, granted bool, p *Plan) error {
	if sub := s.subscription(channel); sub != nil {
		sub.requested = sub.requested || !granted // it is kept when the membership ends
		return nil
	}
	f, err := s.loop.host.Feeds.Subscribe(channel)
	if err != nil {
		return err
	}
	sub := new(subscription)
	if n := len(s.subs); n < len(s.first.subs) {
		sub = &s.first.subs[n]
		s.subs = s.first.list[:n]
	}
	*sub = subscription{
		Subscription: feed.Subscription{Feed: f, Owner: s}, granted: granted, requested: !granted,
		stored: granted && !f.MemoryOnly(),
	}
	sub.cursor = f.Head()
	if granted {
		sub.cursor = s.start(f)
	}
	s.subs = append(s.subs, sub) // so that it is released in any case
	if err := s.loop.host.CatchUp(ctx, p.patience, f, max(sub.cursor, p.position(channel))); err != nil {
		return err
	}
	return s.place(ctx, sub, p)
}

// place moves the cursor of an initial subscription, which is where the user's state has it,
// to where the client wants to continue.
func (s *Session) place(ctx context.Context, sub *subscription, p *Plan) (err error) {
	f := sub.Feed
	if sub.cursor, err = f.Clamp(ctx, sub.cursor); err != nil {
		return err
	}
	stored := sub.cursor
	seq, ok := p.After[f.Channel()]
	if ok {
		if sub.cursor, err = f.Clamp(ctx, seq); err != nil {
			return err
		}
	}
	if p.Cursor != nil {
		acknowledged, err := s.resume(ctx, sub, p.Cursor, ok)
		if err != nil {
			return err
		}
		stored = max(stored, acknowledged)
	}
	sub.moved = sub.cursor != stored
	if p.forgot && sub.stored && sub.cursor > 0 && !ok && p.Cursor == nil {
		// This device may have been forgotten itself, together with its unreceived
		// messages.
		sub.pending().missed = true
	}
	return nil
}

// resume continues a subscription at the client's cursor, and returns the sequence that
// this acknowledges. Without a position in the cursor the subscription begins like any
// other; if it has no stored cursor either, messages may be missing.
func (s *Session) resume(ctx context.Context, sub *subscription, c *cursor.Cursor, after bool) (acknowledged uint64, err error) {
	seq, ok := c.Of(sub.Feed.Channel())
	switch {
	case ok:
		if sub.cursor, err = sub.Feed.Clamp(ctx, seq); err != nil {
			return 0, err
		}
		if sub.stored {
			if s.user.Acknowledge(s.device, sub.Feed.Channel(), sub.cursor) { // saved with the rest
				s.acknowledged(sub.Feed.Channel(), sub.cursor)
			}
			return sub.cursor, nil
		}
	case c.Partial && !sub.stored && !after:
		sub.lose(0)
	}
	return 0, nil
}

// hello describes the state of the session. With refreshes the server asks the application
// for the next identity, so that the client need not send a token.
func (s *Session) hello(ctx context.Context, refreshes bool) ([]byte, error) {
	host := s.loop.host
	h := &wire.Hello{
		Type: "hello", Connection: s.connection.String(), User: s.user.Name(), Device: s.device,
		Epoch: host.Epoch, Expires: s.expires, ExpiresInMS: s.expiresIn(), HeartbeatMS: host.Heartbeat.Milliseconds(),
		VAPID: host.VAPIDKey(), Channels: make(map[string]wire.Position, len(s.subs)),
	}
	if refreshes {
		h.Expires, h.ExpiresInMS = 0, 0 // the client has nothing to do
	}
	for _, sub := range s.subs {
		channel := sub.Feed.Channel()
		bounds, err := sub.Feed.Log().Bounds(ctx, channel)
		if err != nil {
			return nil, err
		}
		p := wire.Position{Seq: bounds.Head, Oldest: bounds.Oldest, After: sub.announced(), Resumed: sub.resumes(bounds) && !sub.missing()}
		if sub.stored {
			if p.Read, p.Unread, err = host.Users.Unread(ctx, s.user, channel); err != nil {
				return nil, err
			}
		}
		h.Channels[channel] = p
	}
	return wire.Encode(h), nil
}
