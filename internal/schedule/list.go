package schedule

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/wirepost/wirepost/engine"
)

// ErrCursor says that a list cannot begin where it was asked to.
var ErrCursor = errors.New("it is not the next of an earlier list")

// List returns a page of what is scheduled for a channel, or for all if it is "", in the order
// of channels and IDs. Next is what after is for the next page; it is after if there was
// nothing more.
func (s *Schedule) List(ctx context.Context, channel, after string, limit int) (page []engine.Timer, next string, err error) {
	q := engine.TimerQuery{Kind: engine.TimerPush, Channel: channel}
	if after != "" {
		text, err := base64.RawURLEncoding.DecodeString(after)
		var ok bool
		if q.AfterChannel, q.AfterID, ok = strings.Cut(string(text), "\x00"); err != nil || !ok {
			return nil, "", ErrCursor
		}
	}
	page, err = s.config.Log.ListTimers(ctx, q, limit)
	if err != nil || len(page) == 0 {
		return nil, after, err
	}
	last := &page[len(page)-1]
	return page, base64.RawURLEncoding.EncodeToString([]byte(last.Channel + "\x00" + last.ID)), nil
}

// Cancel removes what is scheduled with an ID, for a channel, or for all if it is "". It
// returns engine.ErrNotFound if there was nothing.
func (s *Schedule) Cancel(ctx context.Context, id, channel string) error {
	q := engine.TimerQuery{Kind: engine.TimerPush, Channel: channel, ID: id}
	canceled := false
	for {
		timers, err := s.config.Log.ListTimers(ctx, q, pageSize)
		switch {
		case err != nil:
			return err
		case len(timers) == 0 && !canceled:
			return engine.ErrNotFound
		case len(timers) == 0:
			return nil
		}
		entries := make([]engine.Entry, len(timers))
		for i := range timers {
			entries[i] = removal(&timers[i])
		}
		n, err := s.append(ctx, s.config.Log, entries)
		if err != nil {
			return err
		}
		canceled = canceled || n > 0
		q.AfterChannel, q.AfterID = timers[len(timers)-1].Channel, id
	}
}
