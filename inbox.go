package wirepost

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/user"
)

// Await waits until the head of a channel is at least a sequence. After a push to one node
// of a cluster, others may lag a few milliseconds: with the sequence of its PushResult, what
// is read after Await includes it. After 5 s the error is ErrUnavailable.
func (s *Server) Await(ctx context.Context, channel string, seq uint64) error {
	if err := checkChannel(ctx, channel); err != nil {
		return err
	}
	bounds, err := s.host.Feeds.LogOf(channel).Bounds(ctx, channel)
	if err != nil || bounds.Head >= seq {
		return public(err)
	}
	f, err := s.host.Feeds.Acquire(channel)
	if err != nil {
		return public(err)
	}
	defer s.host.Feeds.Unref(f)
	waiting, cancel := context.WithTimeout(ctx, session.Patience)
	defer cancel()
	err = f.Await(waiting, seq)
	switch {
	case ctx.Err() != nil:
		return AsError(context.Cause(ctx))
	case err != nil:
		return &Error{
			Code: CodeUnavailable, RetryAfter: time.Second,
			Message: fmt.Sprintf("%q has not reached the sequence %d here within %s; its last one is %d", channel, seq, session.Patience, f.Head()),
		}
	}
	return nil
}

// Messages lists the live messages of a channel after a sequence, oldest first. A limit
// of 0 means DefaultLimit. Next is the sequence to pass for the next page; it equals
// after if there were no messages.
func (s *Server) Messages(ctx context.Context, channel string, after uint64, limit int) (list []Message, next uint64, err error) {
	return s.page(ctx, channel, after, limit, engine.Log.Read)
}

// History is Messages backwards: the live messages before a sequence, newest first. A
// sequence above the head, such as math.MaxUint64, means all of them. Next is the sequence
// to pass for the next page; it equals before if there were no messages.
func (s *Server) History(ctx context.Context, channel string, before uint64, limit int) (list []Message, next uint64, err error) {
	return s.page(ctx, channel, before, limit, engine.Log.ReadBefore)
}

// page collects messages by one of the two ways to read a log.
func (s *Server) page(ctx context.Context, channel string, from uint64, limit int,
	read func(log engine.Log, ctx context.Context, channel string, from uint64, maxRecords, maxBytes int) (engine.Page, error),
) (list []Message, next uint64, err error) {
	if err := checkChannel(ctx, channel); err != nil {
		return nil, 0, err
	}
	if limit, err = pageLimit(limit); err != nil {
		return nil, 0, err
	}
	log := s.host.Feeds.LogOf(channel)
	for next = from; len(list) < limit; {
		page, err := read(log, ctx, channel, next, limit-len(list), listBytes)
		if err != nil {
			s.host.ReadFailed(ctx, channel, err)
			return nil, 0, err
		}
		for _, r := range page.Records {
			if r.Revokes == 0 {
				list = append(list, newMessage(channel, r))
			}
		}
		if len(page.Records) == 0 || page.Next == next || listSize(list) >= listBytes {
			break
		}
		next = page.Next
	}
	if len(list) == 0 {
		return nil, from, nil
	}
	return list, list[len(list)-1].Seq, nil
}

// listBytes bounds the data in one page of a list.
const listBytes = 4 << 20

func listSize(list []Message) (n int) {
	for i := range list {
		n += len(list[i].Data)
	}
	return n
}

// Inbox lists the messages of a user's inbox, as Messages does.
func (s *Server) Inbox(ctx context.Context, userID string, after uint64, limit int) (list []Message, next uint64, err error) {
	if err := CheckUser(userID); err != nil {
		return nil, 0, err
	}
	return s.Messages(ctx, InboxOf(userID), after, limit)
}

// MarkRead moves a user's read mark in the inbox or in a membership forward, notifies
// all sessions of the user, and returns the mark and the number of unread messages. A
// sequence above the head means the head; one below the mark changes nothing. The mark
// is durable on return.
func (s *Server) MarkRead(ctx context.Context, userID, channel string, seq uint64) (read uint64, unread int, err error) {
	if err := checkUser(ctx, userID); err != nil {
		return 0, 0, err
	}
	if err := CheckChannel(channel); err != nil {
		return 0, 0, err
	}
	err = s.host.Users.With(ctx, userID, func(u *user.User) error {
		read, unread, err = s.markRead(ctx, u, channel, seq)
		return err
	})
	return read, unread, err
}

// isMember reports whether a user is a member of a channel. If this node knows of no
// membership, another one may.
func (s *Server) isMember(ctx context.Context, u *user.User, channel string) (bool, error) {
	if u.IsMember(channel) {
		return true, nil
	}
	err := s.host.Users.CatchUp(ctx, u.Name())
	return u.IsMember(channel), err
}

func (s *Server) markRead(ctx context.Context, u *user.User, channel string, seq uint64) (read uint64, unread int, err error) {
	log := s.host.Feeds.LogOf(channel)
	if channel != u.Inbox() && channel != All {
		member, err := s.isMember(ctx, u, channel)
		switch {
		case err != nil:
			return 0, 0, err
		case !member:
			return 0, 0, Errorf(CodeNotFound, "user %q is not a member of %q", u.Name(), channel)
		}
	}
	if s.host.Users.Unknown(u) {
		if err := s.host.Users.CatchUp(ctx, u.Name()); err != nil {
			return 0, 0, err
		}
	}
	if err := s.host.Users.MakeKnown(ctx, u); err != nil {
		return 0, 0, err
	}
	bounds, err := log.Bounds(ctx, channel)
	if err == nil && seq > bounds.Head {
		if err = s.catchUp(ctx, channel); err == nil {
			bounds, err = log.Bounds(ctx, channel)
		}
	}
	if err != nil {
		return 0, 0, err
	}
	seq = min(seq, bounds.Head)
	moved := u.AdvanceRead(channel, seq)
	if moved {
		s.host.NotifyRead(ctx, u, channel)
	}
	// Also if it did not move: the call that moved it may not have saved it yet.
	if err := s.host.Users.Save(ctx, u, true); err != nil {
		return 0, 0, err
	}
	if moved {
		s.host.ReadMoved(u.Name(), channel, seq)
	}
	return s.host.Users.Unread(ctx, u, channel)
}

// Message returns one live message with its receipts. The error is ErrNotFound if there
// is no such message. ErrIncomplete comes together with a message: what a node of the
// cluster has sent may be reported as stored only.
func (s *Server) Message(ctx context.Context, channel string, seq uint64) (Message, []Receipt, error) {
	r, err := s.record(ctx, channel, seq)
	if err != nil {
		return Message{}, nil, err
	}
	receipts, err := s.receipts(ctx, channel, seq)
	return newMessage(channel, r), receipts, err
}

// Escalation returns what has become of the steps of a live message, nil if it has none. It is
// known until the message expires, at most 30 days. The error is ErrNotFound if there is no such
// message.
func (s *Server) Escalation(ctx context.Context, channel string, seq uint64) (*Escalation, error) {
	r, err := s.record(ctx, channel, seq)
	if err != nil {
		return nil, err
	}
	if _, inbox := names.InboxUser(channel); !inbox {
		return nil, nil
	}
	status, err := s.escalation.Status(ctx, r, channel)
	return status, public(err)
}

// record reads a live message.
func (s *Server) record(ctx context.Context, channel string, seq uint64) (*engine.Record, error) {
	if err := checkChannel(ctx, channel); err != nil {
		return nil, err
	}
	if seq == 0 || seq == math.MaxUint64 {
		return nil, Errorf(CodeNotFound, "no such message")
	}
	page, err := s.host.Feeds.LogOf(channel).Read(ctx, channel, seq-1, 1, 1)
	if err != nil {
		s.host.ReadFailed(ctx, channel, err)
		return nil, err
	}
	if len(page.Records) == 0 || page.Records[0].Seq != seq || page.Records[0].Revokes != 0 {
		return nil, Errorf(CodeNotFound, "there is no message %d in %q", seq, channel)
	}
	return page.Records[0], nil
}

// Empty removes every message of a channel. Subscribers that had not received all of
// them are notified of a gap.
func (s *Server) Empty(ctx context.Context, channel string) error {
	if err := checkChannel(ctx, channel); err != nil {
		return err
	}
	if err := s.catchUp(ctx, channel); err != nil {
		return err
	}
	log := s.host.Feeds.LogOf(channel)
	bounds, err := log.Bounds(ctx, channel)
	if err != nil {
		return err
	}
	if err := log.Trim(ctx, channel, bounds.Head); err != nil {
		return fmt.Errorf("empty %q: %w", channel, err)
	}
	if f := s.host.Feeds.Find(channel); f != nil {
		f.Forget(bounds.Head)
	}
	// What else is in the memory of other nodes expires soon.
	_, err = s.ask(ctx, s.with(channel), question{Kind: askForget, Channel: channel, Seq: bounds.Head})
	if err != nil && !errors.Is(err, ErrIncomplete) {
		return err
	}
	return nil
}
