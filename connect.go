package wirepost

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unique"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/user"
	"github.com/wirepost/wirepost/internal/wire"
)

// wish is what a client asks for when it connects.
type wish struct {
	identity *Identity
	session  Session
	address  address
	mode     codec.Mode
	protocol uint8 // as in session

	connection names.ConnectionID
	channels   []string
	after      map[string]uint64 // by channel: where to begin
	position   *position         // the same, and it acknowledges; nil when there is none
	hello      bool
	forgot     bool // another device was forgotten for this one
	now        time.Time
}

// newSession makes the session of a user whose state is pinned. It takes over the
// reference to the user and the connection's share of the limits; the caller
// attaches it or gives it back by abandon.
func (s *Server) newSession(u *user.User, w *wish) *session {
	ses := &session{
		loop: s.pickLoop(), user: u, device: w.session.Device, mode: w.mode, protocol: w.protocol,
		connection: w.connection, address: w.address,
		agent: unique.Make(w.session.Agent), since: w.session.Since,
	}
	ses.timer.Owner = ses
	ses.issued = user.IssuedAt(w.identity.Issued)
	ses.assume(w.identity)
	s.unreleased.Add(1)
	return ses
}

// register makes a session one of its user's, if limits and revocations allow it:
// from here on it counts as online.
func (s *Server) register(ses *session, w *wish) error {
	if err := s.users.Connect(ses.user, ses, s.opts.MaxUserConnections); err != nil {
		return err
	}
	return ses.user.CheckRevoked(user.IssuedAt(w.identity.Issued))
}

// connect makes the subscriptions of a session that is registered and accepted.
func (s *Server) connect(ses *session, w *wish) (hello []byte, err error) {
	if err := s.Ready(); err != nil {
		return nil, err // OnConnect took longer than Shutdown
	}
	u := ses.user
	w.forgot, err = u.ConnectDevice(ses.device, w.now, s.opts.MaxDevices)
	if err == nil {
		err = s.users.MakeKnown(u)
	}
	if err == nil {
		err = s.subscribeAll(ses, w)
	}
	if err == nil {
		s.saveStart(u)
	}
	if err == nil && w.hello {
		hello, err = s.hello(ses)
	}
	if err == nil {
		err = s.Ready() // Shutdown may have looked at the user's sessions before this one was there
	}
	if err == nil {
		err = u.CheckRevoked(user.IssuedAt(w.identity.Issued)) // OnConnect may have taken long
	}
	return hello, err
}

// assume takes over the rights of an identity. A plain client has no use for its
// lists, except for the memberships.
func (s *session) assume(id *Identity) {
	s.identity, s.expires = id, 0
	if s.mode == codec.Plain && len(id.Channels) == 0 {
		s.identity = nil
	}
	if !id.Expires.IsZero() {
		s.expires = id.Expires.UnixMilli()
	}
}

// expiresIn is how long the identity is still good for, in ms; 0: for ever. A client
// whose clock is wrong can go by it.
func (s *session) expiresIn() int64 {
	if s.expires == 0 {
		return 0
	}
	return max(1, s.lifetime().Milliseconds())
}

// tokenGrants says whether the identity makes the user a member of a channel.
func (s *session) tokenGrants(channel string) bool {
	return s.identity != nil && slices.Contains(s.identity.Channels, channel)
}

// subscribeAll makes the subscriptions that a session starts with: the inbox, All,
// the memberships and what the client asks for.
func (s *Server) subscribeAll(ses *session, w *wish) error {
	u := ses.user
	granted := append([]string{u.Inbox(), All}, u.Memberships()...)
	granted = append(granted, w.identity.Channels...)
	for _, channel := range granted {
		if err := ses.begin(channel, true, w); err != nil {
			return err
		}
	}
	for _, channel := range w.channels {
		if len(ses.subs) >= s.opts.MaxSubscriptions && ses.subscription(channel) == nil {
			return Errorf(RateLimited, "a session has at most %d subscriptions", s.opts.MaxSubscriptions)
		}
		if err := ses.begin(channel, false, w); err != nil {
			return err
		}
	}
	for channel := range w.after {
		if ses.subscription(channel) == nil {
			return fieldError("after", "this session is not subscribed to %q", channel)
		}
	}
	return nil
}

// saveStart stores that a session has begun: at once when it made a first starting
// point, or another one did and is not done, because a device gets nothing before
// its starting points are stored.
func (s *Server) saveStart(u *user.User) {
	if u.StartStored() {
		s.users.SaveLater(u)
		return
	}
	if err := s.users.Save(u, false); err != nil {
		// It stays queued. Until it is saved a crash makes the device begin anew.
		s.logger.Warn("a device's start is not stored yet", "user", u.Name(), "error", err)
	}
}

// begin makes one of the subscriptions that a session starts with.
func (s *session) begin(channel string, granted bool, w *wish) error {
	if sub := s.subscription(channel); sub != nil {
		sub.requested = sub.requested || !granted // it stays when the membership ends
		return nil
	}
	f, err := s.loop.srv.feeds.Subscribe(channel)
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
	s.subs = append(s.subs, sub) // which is released, whatever happens
	if sub.cursor, err = f.Clamp(sub.cursor); err != nil {
		return err
	}
	stored := sub.cursor
	seq, ok := w.after[channel]
	if ok {
		if sub.cursor, err = f.Clamp(seq); err != nil {
			return err
		}
	}
	if w.position != nil {
		acknowledged, err := s.goOn(sub, w.position, ok)
		if err != nil {
			return err
		}
		stored = max(stored, acknowledged)
	}
	sub.moved = sub.cursor != stored
	if w.forgot && sub.stored && sub.cursor > 0 && !ok && w.position == nil {
		// This device may have been forgotten, too, with what it had not got.
		sub.theNews().missed = true
	}
	return nil
}

// goOn lets a subscription go on where the client's position says, and returns what
// that acknowledges. If it says nothing, the subscription begins as any other; where
// no cursor is stored, messages may then be missing.
func (s *session) goOn(sub *subscription, p *position, after bool) (acknowledged uint64, err error) {
	seq, ok := p.of(sub.Feed.Channel())
	switch {
	case ok:
		if sub.cursor, err = sub.Feed.Clamp(seq); err != nil {
			return 0, err
		}
		if sub.stored {
			s.user.Acknowledge(s.device, sub.Feed.Channel(), sub.cursor) // saved with the rest
			return sub.cursor, nil
		}
	case p.partial && !sub.stored && !after:
		sub.lose(0)
	}
	return 0, nil
}

// resumes says whether everything after the cursor is still there. A memory-only
// channel has lost what it had before the start; 0 stands for whatever it has.
func (sub *subscription) resumes(b engine.Bounds, memoryBase uint64) bool {
	return sub.cursor >= b.Lost || sub.cursor == 0 && sub.Feed.MemoryOnly() && b.Lost == memoryBase
}

// hello describes where the session stands.
func (s *Server) hello(ses *session) ([]byte, error) {
	h := &wire.Hello{
		Type: "hello", Connection: ses.connection.String(), User: ses.user.Name(), Device: ses.device,
		Epoch: s.engine.Epoch(), Expires: ses.expires, ExpiresInMS: ses.expiresIn(), HeartbeatMS: s.opts.Heartbeat.Milliseconds(),
		Channels: make(map[string]wire.Place, len(ses.subs)),
	}
	for _, sub := range ses.subs {
		channel := sub.Feed.Channel()
		bounds, err := sub.Feed.Log().Bounds(channel)
		if err != nil {
			return nil, err
		}
		p := wire.Place{Seq: bounds.Head, Oldest: bounds.Oldest, Resumed: sub.resumes(bounds, s.memoryBase) && !sub.missing()}
		if sub.stored {
			if p.Read, p.Unread, err = s.users.Unread(ses.user, channel); err != nil {
				return nil, err
			}
		}
		h.Channels[channel] = p
	}
	return wire.Encode(h), nil
}

// parseChannels reads ?channels=, a comma-separated list.
func parseChannels(list string) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	channels := strings.Split(list, ",")
	for _, c := range channels {
		if err := CheckChannel(c); err != nil {
			return nil, fieldError("channels", "%s", AsError(err).Message)
		}
	}
	slices.Sort(channels)
	return slices.Compact(channels), nil
}

// parseAfter reads ?after=: a sequence for the inbox, or channel=seq,… where the
// last = of an entry splits it.
func parseAfter(list, inbox string) (map[string]uint64, error) {
	if list == "" {
		return nil, nil
	}
	after := map[string]uint64{}
	for _, entry := range strings.Split(list, ",") {
		channel, number := inbox, entry
		if i := strings.LastIndexByte(entry, '='); i >= 0 {
			channel, number = entry[:i], entry[i+1:]
		}
		seq, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return nil, fieldError("after", "%q is no sequence", number)
		}
		if _, twice := after[channel]; twice {
			return nil, fieldError("after", "%q is named twice", channel)
		}
		after[channel] = seq
	}
	return after, nil
}
