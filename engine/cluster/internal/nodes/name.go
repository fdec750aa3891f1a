package nodes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// ErrNameTaken says that another node has the same name.
var ErrNameTaken = errors.New("another node of the cluster has the same name")

// nameTopic is the topic on which a node responds to requests for its name.
func nameTopic(node string) string { return topic + "." + node }

// nameTimeout is how long a node waits for another one with its name, when it starts.
const nameTimeout = time.Second

// Free returns an error if a node with this name is alive.
func Free(ctx context.Context, bus engine.Bus, node string) error {
	ask, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	if a, err := Ask(ask, bus, node); err == nil {
		return fmt.Errorf("%w: %s %s", ErrNameTaken, node, a.URL)
	}
	return nil
}

// Ask asks a node for what it announces.
func Ask(ctx context.Context, bus engine.Bus, node string) (*Announcement, error) {
	data, err := bus.Request(ctx, nameTopic(node), nil)
	if err != nil {
		return nil, err
	}
	a := &Announcement{Node: node}
	_ = json.Unmarshal(data, a) // that there is a response says the most
	return a, nil
}

// Claim returns an error if a node with the name of this one is alive, and has this one
// respond from now on.
func (a *Announcer) Claim(ctx context.Context, node string) (stop func(), err error) {
	if err := Free(ctx, a.bus, node); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return a.bus.Subscribe(nameTopic(node), func([]byte) []byte {
		self := a.self()
		data, _ := json.Marshal(&self)
		return data
	})
}

// sameAge is the difference between the ages of two nodes with one name up to which it does
// not decide.
const sameAge = 100 * time.Millisecond

// Yields reports whether a node must not go on, because another one has announced itself
// with its name, for example because both were apart when they started: then the one that
// started later stops. One that is still joining the cluster has no age; it checks itself
// whether the name is free. An announcement is older when it is heard than when it was made,
// so the other one may only seem too young; it will be heard again.
func (a *Announcement) Yields(other *Announcement) bool {
	if other.Run == a.Run || other.UpMs == 0 || other.State == engine.NodeStopped {
		return false
	}
	older := time.Duration(other.UpMs-a.UpMs) * time.Millisecond
	return older > sameAge || older > -sameAge && a.Run > other.Run
}
