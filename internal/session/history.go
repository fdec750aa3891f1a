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
	sub := s.subscription(c.Channel)
	stored := sub != nil && sub.stored
	ref, channel, h := c.Ref, c.Channel, s.loop.host
	from, read, limit := historyFrom(c)
	log := h.Feeds.LogOf(channel)
	s.Job(func() {
		if err := ask(); err != nil {
			s.reply(ref, nil, err)
			return
		}
		list := wire.History{Type: "ok", Ref: ref, Messages: []json.RawMessage{}}
		if c.Before != nil || c.After != nil {
			list.Next = from
		}
		err := s.readHistory(&list, channel, from, limit, func(from uint64, n int) (engine.Page, error) {
			return read(log, h.Base, channel, from, n, batchBytes)
		})
		if err != nil {
			h.ReadFailed(h.Base, channel, err)
		} else if stored {
			var mark uint64
			if err = h.Users.Pinned(h.Base, s.user, func() { mark = s.user.Read(channel) }); err == nil {
				list.Read = &mark
			}
		}
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

// historyFrom is where a page begins, in which direction it goes, and its limit.
func historyFrom(c *wire.Command) (from uint64, read reader, limit int) {
	from, read, limit = math.MaxUint64, engine.Log.ReadBefore, defaultHistory
	switch {
	case c.After != nil:
		from, read = *c.After, engine.Log.Read
	case c.Before != nil:
		from = *c.Before
	}
	if c.Limit != nil {
		limit = int(*c.Limit)
	}
	return from, read, limit
}

// readHistory collects messages, without revocations.
func (s *Session) readHistory(list *wire.History, channel string, from uint64, limit int, read func(from uint64, n int) (engine.Page, error)) error {
	size := 0
	for len(list.Messages) < limit && size < batchBytes {
		page, err := read(from, limit-len(list.Messages))
		if err != nil {
			return err
		}
		for _, r := range page.Records {
			if r.Revokes == 0 {
				list.Messages = append(list.Messages, codec.AppendObject(nil, channel, r))
				list.Next = r.Seq
				size += len(r.Data)
			}
		}
		if len(page.Records) == 0 || page.Next == from {
			break
		}
		from = page.Next
	}
	return nil
}
