package session

import (
	"context"

	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/callback"
	"github.com/wirepost/wirepost/internal/fault"
)

// AskSubscribe asks the application whether a client may subscribe to the channels that
// it requests, where the policies leave the decision to the application. It returns the
// first refusal. It may wait, so it must not be called on a loop.
func (h *Host) AskSubscribe(ctx context.Context, i Info, channels []string) error {
	for _, channel := range channels {
		if err := h.askSubscribe(ctx, i, channel); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) askSubscribe(ctx context.Context, i Info, channel string) (err error) {
	if !h.Policies.SubscribeHook(channel) {
		return nil
	}
	p := callback.Guard(h.Logger, "OnSubscribe", i.User, func() { err = h.Hooks.Subscribe(ctx, i, channel) })
	if p != nil {
		return p
	}
	return callback.Refusal(ctx, h.Logger, "OnSubscribe", "this subscription", err)
}

// question returns a function that asks the application, in a job, about a subscription
// that a command requests. On the loop.
func (s *Session) question(channel string) func() error {
	h := s.loop.host
	if !h.Policies.SubscribeHook(channel) {
		return func() error { return nil }
	}
	ctx := s.theWork().context(s)
	return func() error {
		info, ok := onLoop(s.loop, s.Info) // with the identity that an earlier job may have brought
		if !ok {
			return fault.Errorf(fault.Unavailable, "the server is shutting down")
		}
		return h.askSubscribe(ctx, info, channel)
	}
}

// askAgain asks about the subscriptions that the application has allowed, for a client
// with a new identity, and returns those that the application now refuses. An outage of
// the application is an error: the client keeps its subscriptions, and may retry until
// its old identity expires. In a job.
func (s *Session) askAgain(ctx context.Context, id *access.Identity) (refused []string, err error) {
	h := s.loop.host
	if h.Hooks.Subscribe == nil {
		return nil, nil
	}
	asked, _ := onLoop(s.loop, func() (channels []string) {
		for _, sub := range s.subs {
			if channel := sub.Feed.Channel(); sub.requested && h.Policies.SubscribeHook(channel) {
				channels = append(channels, channel)
			}
		}
		return channels
	})
	info := s.Info()
	info.Data = id.Data
	for _, channel := range asked {
		switch err := h.askSubscribe(ctx, info, channel); {
		case err == nil:
		case isOutage(err):
			return nil, err
		default:
			refused = append(refused, channel)
		}
	}
	return refused, nil
}
