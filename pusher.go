package wirepost

import (
	"context"
	"encoding/json"

	"github.com/wirepost/wirepost/internal/user"
	"github.com/wirepost/wirepost/internal/webpush"
)

// pusher is Web Push. It is nil if that is off.
type pusher struct {
	*webpush.Sender
	users *user.Users
}

var errNoWebPush = Errorf(CodeNotFound, "Web Push is off on this server")

func (p *pusher) check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return AsError(err)
	}
	if p == nil {
		return errNoWebPush
	}
	return nil
}

func (p *pusher) checkUser(ctx context.Context, userID string) error {
	if err := p.check(ctx); err != nil {
		return err
	}
	return CheckUser(userID)
}

func (p *pusher) add(ctx context.Context, userID, device string, subscription json.RawMessage) error {
	if err := p.checkUser(ctx, userID); err != nil {
		return err
	}
	parsed, err := p.Parse(subscription)
	if err == nil {
		err = p.users.CatchUp(ctx, userID)
	}
	if err == nil {
		err = p.Put(ctx, userID, parsed, device)
	}
	return public(err)
}

func (p *pusher) remove(ctx context.Context, userID, endpoint string) error {
	err := p.checkUser(ctx, userID)
	if err == nil {
		err = p.users.CatchUp(ctx, userID)
	}
	if err == nil {
		err = p.Remove(ctx, userID, endpoint)
	}
	return public(err)
}

// command is what a client asks for with a webpush frame.
func (p *pusher) command(ctx context.Context, userID, device string, subscription json.RawMessage, endpoint string) error {
	var err error
	if subscription != nil {
		err = p.add(ctx, userID, device, subscription)
	} else {
		err = p.remove(ctx, userID, endpoint)
	}
	if e := coded(err); e != nil {
		return e.fault()
	}
	return err
}

// key is the public key that clients are told; "": there is none.
func (p *pusher) key() string {
	if p == nil {
		return ""
	}
	return p.Public()
}

// WebPushStats are the counters of Web Push on this node.
type WebPushStats struct {
	Requests map[string]uint64 // to push services, by status, or "no_response" or "forbidden" (an address that is not public)
	Removed  map[string]uint64 // subscriptions, by reason: "gone", "expired", "key" or "displaced"
}

func (p *pusher) stats() WebPushStats {
	if p == nil {
		return WebPushStats{}
	}
	return WebPushStats(p.Stats())
}
