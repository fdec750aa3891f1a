package session

import (
	"cmp"
	"context"
	"encoding/json"

	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/callback"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/user"
	"github.com/wirepost/wirepost/internal/wire"
)

// command executes a wirepost.v1 client's command. Acknowledgements are handled at
// once; everything that may wait is a job. On the loop.
func (s *Session) command(frame []byte) {
	c, err := wire.ParseCommand(frame)
	if err != nil {
		s.refuse(c.Ref, fault.Errorf(fault.BadRequest, "%s", err))
		return
	}
	switch c.Type {
	case "ack":
		s.onAck(&c)
	case "read":
		s.onRead(&c)
	case "state":
		s.onState(&c)
	case "subscribe":
		s.onSubscribe(&c)
	case "unsubscribe":
		s.onUnsubscribe(&c)
	case "history":
		s.onHistory(&c)
	case "publish":
		s.onPublish(&c)
	case "call":
		s.onCall(&c)
	case "message":
		s.onData(&c)
	case "auth":
		s.onAuth(&c)
	case "webpush":
		s.onWebPush(&c)
	}
}

func (s *Session) onAck(c *wire.Command) {
	sub := s.subscription(c.Channel)
	if sub == nil {
		s.refuse(c.Ref, fault.Errorf(fault.NotFound, "ack: no subscription to %q", c.Channel))
		return
	}
	s.acknowledge(sub, c.Seq)
}

func (s *Session) onRead(c *wire.Command) {
	sub := s.subscription(c.Channel)
	if sub == nil || !sub.stored {
		s.refuse(c.Ref, fault.Errorf(fault.NotFound, "read: %q is not your inbox or a membership", c.Channel))
		return
	}
	channel, seq := c.Channel, min(c.Seq, max(sub.cursor, sub.Feed.Head()))
	s.withState(func() { s.read(channel, seq) })
}

// onState sends the client the read mark and the number of unread messages: with the ref
// of the command, or as a read that moved the mark does.
func (s *Session) onState(c *wire.Command) {
	sub := s.subscription(c.Channel)
	if sub == nil || !sub.stored {
		s.refuse(c.Ref, fault.Errorf(fault.NotFound, "state: %q is not your inbox or a membership", c.Channel))
		return
	}
	ref, channel, h := c.Ref, c.Channel, s.loop.host
	s.Job(func() {
		state := wire.State{Type: "state", Ref: ref, Channel: channel}
		err := h.Users.Pin(h.Base, s.user)
		if err == nil {
			state.Seq, state.Read, state.Unread, err = h.Users.UnreadAt(h.Base, s.user, channel)
			s.user.Unpin()
		}
		if err == nil && ref == nil {
			s.do(func() { s.setState(channel, state.Seq, state.Read, state.Unread) })
			return
		}
		s.reply(ref, state, err)
	})
}

func (s *Session) onPublish(c *wire.Command) {
	data, contentType, err := c.Payload()
	if err != nil {
		s.refuse(c.Ref, fault.Errorf(fault.BadRequest, "%s", err))
		return
	}
	p := Publication{Channel: c.To, Data: data, ContentType: contentType, ID: c.ID, Key: c.Key}
	identity, ref := s.identity.Load(), c.Ref
	s.Job(func() {
		pushed, err := s.loop.host.Hooks.Publish(s.lastingContext(), s, identity, p)
		s.reply(ref, wire.OK{Type: "ok", Ref: ref, ID: pushed.ID, Seq: &pushed.Seq, Duplicate: pushed.Duplicate}, err)
	})
}

func (s *Session) onCall(c *wire.Command) {
	if s.loop.host.Hooks.Call == nil {
		s.refuse(c.Ref, fault.Errorf(fault.NotFound, "no handler for calls"))
		return
	}
	ctx, ref, method, data := s.theWork().context(s), c.Ref, c.Method, c.Data
	s.Job(func() {
		var result any
		var err error
		if p := callback.Guard(s.loop.host.Logger, "OnCall", s.user.Name(), func() { result, err = s.loop.host.Hooks.Call(ctx, s.Info(), method, data) }); p != nil {
			err = p
		}
		var body []byte
		if err == nil {
			body, err = json.Marshal(result)
		}
		s.reply(ref, wire.Reply{Type: "reply", Ref: ref, Data: body}, err)
	})
}

func (s *Session) onAuth(c *wire.Command) {
	if s.loop.host.Hooks.Verify == nil {
		s.refuse(c.Ref, fault.Errorf(fault.NotFound, "this server does not refresh tokens"))
		return
	}
	ctx, ref, token := s.theWork().context(s), c.Ref, c.Token
	s.pinnedJob(func() (onLoop, otherwise func()) {
		id, err := s.loop.host.Hooks.Verify(ctx, s.user.Name(), token)
		var refused []string
		if err == nil && id.User == s.user.Name() {
			err = s.user.CheckRevoked(user.IssuedAt(id.Issued))
			if err == nil {
				refused, err = s.askAgain(ctx, id)
			}
		}
		return func() { s.refresh(ref, id, refused, err) }, func() {}
	})
}

// onWebPush stores or removes a Web Push subscription of the client.
func (s *Session) onWebPush(c *wire.Command) {
	store := s.loop.host.Hooks.WebPush
	switch {
	case store == nil:
		s.refuse(c.Ref, fault.Errorf(fault.NotFound, "Web Push is off on this server"))
		return
	case c.Subscription == nil && c.Endpoint == "":
		s.refuse(c.Ref, fault.Errorf(fault.BadRequest, `webpush: a "subscription" is needed, or the "endpoint" of one to be removed`))
		return
	}
	ref, subscription, endpoint := c.Ref, c.Subscription, c.Endpoint
	s.Job(func() {
		err := store(s.loop.host.Base, s.user.Name(), s.device, subscription, endpoint)
		s.reply(ref, wire.OK{Type: "ok", Ref: ref}, err)
	})
}

// refresh applies the rights of a new token; refused are the requested channels that
// the application refuses for it. A token of another user closes the connection. On the
// loop, with the user's state pinned.
func (s *Session) refresh(ref json.RawMessage, id *access.Identity, refused []string, err error) {
	switch {
	case err != nil:
		s.refuse(ref, fault.Unauthorize(err))
		return
	case id.User != s.user.Name():
		s.refuse(ref, fault.Errorf(fault.Forbidden, "the token belongs to another user"))
		s.end(wire.CloseUnauthorized, "the token belongs to another user")
		return
	case id.Device != "" && id.Device != s.device:
		s.refuse(ref, fault.Errorf(fault.Forbidden, "the token is for another device"))
		return
	}
	s.apply(id, refused)
	s.send(s.notice(wire.OK{Type: "ok", Ref: ref, Expires: s.expires, ExpiresInMS: s.expiresIn()}))
	s.reconcile()
}

// onData passes a message of a wirepost.v1 client to the application.
func (s *Session) onData(c *wire.Command) {
	if s.loop.host.Hooks.Message == nil {
		s.refuse(c.Ref, fault.Errorf(fault.NotFound, "no handler for messages"))
		return
	}
	data, contentType, err := c.Payload()
	switch {
	case err != nil:
		s.refuse(c.Ref, fault.Errorf(fault.BadRequest, "%s", err))
		return
	case len(data) > s.loop.host.MaxMessage:
		s.refuse(c.Ref, fault.Errorf(fault.TooLarge, "the data has more than %d bytes", s.loop.host.MaxMessage))
		return
	}
	frame := Frame{Binary: wire.KindOf(contentType) == wire.Binary, Data: data, ContentType: cmp.Or(contentType, wire.JSONType)}
	ctx, ref := s.theWork().context(s), c.Ref
	s.Job(func() {
		reply, err := s.onMessage(ctx, frame)
		if err == nil && reply.Data == nil {
			s.reply(ref, wire.OK{Type: "ok", Ref: ref}, nil)
			return
		}
		s.reply(ref, wire.NewReply(ref, reply.Binary, reply.Data), err)
	})
}

// plainMessage passes a message of a plain client to the application. On the loop.
func (s *Session) plainMessage(binary bool, payload []byte) {
	r := s.reception()
	if r == nil && s.loop.host.Hooks.Message == nil {
		return
	}
	frame := Frame{Binary: binary, Data: append([]byte{}, payload...)} // never nil, so that it can be a reply
	if r != nil {
		s.Job(func() { r.Message(frame) })
		return
	}
	ctx := s.theWork().context(s)
	s.Job(func() {
		reply, err := s.onMessage(ctx, frame)
		s.do(func() {
			switch {
			case s.closedBy(err):
			case err != nil:
				s.logFailure(err)
				e := fault.As(err)
				s.end(e.Code.CloseCode(), e.Message)
			case reply.Data != nil:
				s.send(reply.Encode())
			}
		})
	})
}

// onMessage runs in a job.
func (s *Session) onMessage(ctx context.Context, frame Frame) (reply Frame, err error) {
	p := callback.Guard(s.loop.host.Logger, "OnMessage", s.user.Name(), func() { reply, err = s.loop.host.Hooks.Message(ctx, s.Info(), frame) })
	if p != nil {
		return Frame{}, p
	}
	return reply, err
}
