package wirepost

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/session"
)

// GapError reports that messages of a channel are missing: they were removed by retention
// or by Server.Empty before they were read.
type GapError struct {
	Channel   string
	After     uint64 // the last sequence before the gap
	ResumedAt uint64 // the first one after it
}

func (e *GapError) Error() string {
	return fmt.Sprintf("channel %q: messages after %d are missing, the next one is %d", e.Channel, e.After, e.ResumedAt)
}

// Subscribe iterates over the messages of a channel after a sequence, first the stored
// ones and then new ones as they are pushed, until the loop breaks or ctx is done. A
// sequence above the head, such as math.MaxUint64, means the head: only new messages. The
// cursor is not stored. Revoked messages are skipped.
//
// A gap is an error of type *GapError, after which the iteration continues. Any other
// error is the last one: that of ctx or of the store.
func (s *Server) Subscribe(ctx context.Context, channel string, after uint64) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		if err := CheckChannel(channel); err != nil {
			yield(Message{}, err)
			return
		}
		if err := s.accepting(); err != nil {
			yield(Message{}, err)
			return
		}
		f, err := s.host.Feeds.Acquire(channel)
		if err != nil {
			yield(Message{}, err)
			return
		}
		defer s.host.Feeds.Unref(f)
		var cursor uint64
		if err = s.host.CatchUp(ctx, time.Now().Add(session.Patience), f, after); err == nil {
			cursor, err = f.Clamp(ctx, after)
		}
		if err != nil {
			yield(Message{}, err)
			return
		}
		r := &reader{srv: s, feed: f, cursor: cursor, advanced: make(chan struct{}, 1)}
		f.Listen(r.advanced)
		defer f.Unlisten(r.advanced)
		for {
			if err := r.pages(ctx, yield); err != nil {
				if err != errEnough {
					yield(Message{}, err)
				}
				return
			}
			select {
			case <-r.advanced:
			case <-ctx.Done():
			case <-s.host.Base.Done():
			}
		}
	}
}

// reader is a subscriber inside the program.
type reader struct {
	srv      *Server
	feed     *feed.Feed
	cursor   uint64
	lost     bool          // a gap is to be reported before the next message
	lostAt   uint64        // the cursor after which messages are missing
	advanced chan struct{} // has an entry when the feed may have more
}

// What a reader reads at a time.
const (
	readerMessages = 256
	readerBytes    = 256 << 10
)

// errEnough ends the iteration when the loop breaks.
var errEnough = errors.New("wirepost: the reader has enough")

// pages reads up to the head.
func (r *reader) pages(ctx context.Context, yield func(Message, error) bool) error {
	for {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case r.srv.host.Base.Err() != nil:
			return errDraining
		case r.cursor >= r.feed.Head():
			return nil
		}
		page, err := r.feed.Log().Read(ctx, r.feed.Channel(), r.cursor, readerMessages, readerBytes)
		if err != nil {
			r.srv.host.ReadFailed(ctx, r.feed.Channel(), err)
			return err
		}
		if err := r.hand(ctx, page, yield); err != nil {
			return err
		}
		r.cursor = max(r.cursor, page.Next)
	}
}

// hand yields the messages of a page.
func (r *reader) hand(ctx context.Context, page engine.Page, yield func(Message, error) bool) error {
	if page.Lost && !r.lost {
		r.lost, r.lostAt = true, r.cursor
	}
	for _, rec := range page.Records {
		if rec.Revokes != 0 {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if r.lost {
			r.lost = false
			if !yield(Message{}, &GapError{Channel: r.feed.Channel(), After: r.lostAt, ResumedAt: rec.Seq}) {
				return errEnough
			}
		}
		r.cursor = rec.Seq
		if !yield(newMessage(r.feed.Channel(), rec), nil) {
			return errEnough
		}
	}
	return nil
}
