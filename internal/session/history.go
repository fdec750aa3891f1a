package session

import (
	"context"
	"encoding/json"
	"math"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/wire"
)

// The limits of a page of a channel's history. Its data counts as one batch.
const (
	defaultHistory = 100
	maxHistory     = 1000
)

// historyPage is the page that a command asks for.
type historyPage struct {
	channel string
	log     engine.Log
	read    reader
	from    uint64 // where it begins
	named   bool   // the command says from where; then an empty page ends there, too
	limit   int
	marked  bool // the user has a read mark in the channel
}

// onHistory reads a page of a channel's log. No cursor moves.
func (s *Session) onHistory(c *wire.Command) {
	ask, err := s.mayRead(c.Channel)
	if err == nil {
		err = checkHistory(c)
	}
	if err != nil {
		s.refuse(c.Ref, err)
		return
	}
	ref, page := c.Ref, s.historyPage(c)
	s.Job(func() {
		if err := ask(); err != nil {
			s.reply(ref, nil, err)
			return
		}
		list, err := s.readHistory(page)
		list.Ref = ref
		s.reply(ref, list, err)
	})
}

// mayRead checks whether the client may read a channel, and returns what asks the
// application about that, in a job.
func (s *Session) mayRead(channel string) (ask func() error, err error) {
	if err := names.CheckChannel(channel); err != nil {
		return nil, err
	}
	if s.subscription(channel) != nil {
		return func() error { return nil }, nil
	}
	return s.question(channel), s.maySubscribe(channel)
}

func checkHistory(c *wire.Command) error {
	switch {
	case c.Before != nil && c.After != nil:
		return fault.Field("before", "a page begins after a sequence or before one, not both")
	case c.Limit != nil && (*c.Limit < 1 || *c.Limit > maxHistory):
		return fault.Field("limit", "%d is not from 1 to %d", *c.Limit, maxHistory)
	}
	return nil
}

// reader is one of the two ways to read a log.
type reader = func(engine.Log, context.Context, string, uint64, int, int) (engine.Page, error)

// historyPage returns the page that a checked command asks for. On the loop.
func (s *Session) historyPage(c *wire.Command) historyPage {
	sub := s.subscription(c.Channel)
	p := historyPage{
		channel: c.Channel, log: s.loop.host.Feeds.LogOf(c.Channel),
		read: engine.Log.ReadBefore, from: math.MaxUint64, limit: defaultHistory,
		named: c.Before != nil || c.After != nil, marked: sub != nil && sub.stored,
	}
	switch {
	case c.After != nil:
		p.read, p.from = engine.Log.Read, *c.After
	case c.Before != nil:
		p.from = *c.Before
	}
	if c.Limit != nil {
		p.limit = int(*c.Limit)
	}
	return p
}

// readHistory reads a page, and the read mark. In a job.
func (s *Session) readHistory(p historyPage) (wire.History, error) {
	h := s.loop.host
	list := wire.History{Type: "ok", Messages: []json.RawMessage{}}
	if p.named {
		list.Next = p.from
	}
	if err := p.readMessages(h.Base, &list); err != nil {
		h.ReadFailed(h.Base, p.channel, err)
		return list, err
	}
	if !p.marked {
		return list, nil
	}
	var mark uint64
	err := h.Users.Pinned(h.Base, s.user, func() { mark = s.user.Read(p.channel) })
	list.Read = &mark
	return list, err
}

// readMessages collects messages, without revocations.
func (p historyPage) readMessages(ctx context.Context, list *wire.History) error {
	size := 0
	for len(list.Messages) < p.limit && size < batchBytes {
		page, err := p.read(p.log, ctx, p.channel, p.from, p.limit-len(list.Messages), batchBytes)
		if err != nil {
			return err
		}
		for _, r := range page.Records {
			if r.Revokes == 0 {
				list.Messages = append(list.Messages, codec.AppendObject(nil, p.channel, r))
				list.Next = r.Seq
				size += len(r.Data)
			}
		}
		if len(page.Records) == 0 || page.Next == p.from {
			break
		}
		p.from = page.Next
	}
	return nil
}
