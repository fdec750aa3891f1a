package memory

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/engine"
)

// Load implements engine.Users.
func (e *Engine) Load(ctx context.Context, name string) (engine.User, error) {
	_, err := e.enter(ctx)
	defer e.mu.Unlock()
	u := e.mu.users[name]
	if err != nil || u == nil {
		return engine.User{}, err
	}
	out := engine.User{Marks: slices.Clone(u.Marks), Memberships: slices.Clone(u.Memberships), Devices: slices.Clone(u.Devices)}
	out.PushSubscriptions = slices.Clone(u.PushSubscriptions)
	for i := range out.Devices {
		d := &out.Devices[i]
		d.Cursors = slices.Clone(d.Cursors)
	}
	return out, nil
}

// Save implements engine.Users.
func (e *Engine) Save(ctx context.Context, updates []engine.Update, _ bool) error {
	_, err := e.enter(ctx)
	defer e.mu.Unlock()
	if err != nil {
		return err
	}
	for i := range updates {
		e.saveLocked(&updates[i])
	}
	return nil
}

func (e *Engine) saveLocked(up *engine.Update) {
	u := e.mu.users[up.User]
	if u == nil {
		u = new(engine.User)
		e.mu.users[up.User] = u
	}
	for _, channel := range up.Leave {
		remove(&u.Marks, channel, markChannel)
		remove(&u.Memberships, channel, itself)
		e.setMemberLocked(channel, up.User, false)
		for i := range u.Devices {
			remove(&u.Devices[i].Cursors, channel, cursorChannel)
		}
	}
	for _, channel := range up.Join {
		find(&u.Marks, channel, markChannel).Channel = channel
		*find(&u.Memberships, channel, itself) = channel
		e.setMemberLocked(channel, up.User, true)
	}
	for _, in := range up.Marks {
		m := find(&u.Marks, in.Channel, markChannel)
		*m = engine.Mark{Channel: in.Channel, Read: max(m.Read, in.Read), Since: max(m.Since, in.Since)}
	}
	for _, name := range up.RemoveDevices {
		remove(&u.Devices, name, deviceName)
	}
	for _, in := range up.Devices {
		d := find(&u.Devices, in.Name, deviceName)
		d.Name, d.Used = in.Name, in.Used
		for _, c := range in.Cursors {
			at := find(&d.Cursors, c.Channel, cursorChannel)
			*at = engine.Cursor{Channel: c.Channel, Seq: max(at.Seq, c.Seq)}
		}
	}
	for _, endpoint := range up.RemovePushSubscriptions {
		remove(&u.PushSubscriptions, endpoint, subscriptionEndpoint)
	}
	for _, in := range up.PushSubscriptions {
		*find(&u.PushSubscriptions, in.Endpoint, subscriptionEndpoint) = in
	}
	if len(u.Marks)+len(u.Devices)+len(u.PushSubscriptions) == 0 {
		delete(e.mu.users, up.User)
	}
}

// A user record consists of short lists, sorted by name: they are smaller than maps, and
// as fast.

func itself(name *string) string            { return *name }
func markChannel(m *engine.Mark) string     { return m.Channel }
func cursorChannel(c *engine.Cursor) string { return c.Channel }
func deviceName(d *engine.Device) string    { return d.Name }

func subscriptionEndpoint(s *engine.PushSubscription) string { return s.Endpoint }

func search[T any](list []T, name string, nameOf func(*T) string) (i int, found bool) {
	return slices.BinarySearchFunc(list, name, func(e T, name string) int {
		return strings.Compare(nameOf(&e), name)
	})
}

// find returns the element with a name. If there is none, it inserts a zero element, and
// the caller sets its name.
func find[T any](list *[]T, name string, nameOf func(*T) string) *T {
	i, found := search(*list, name, nameOf)
	if !found {
		*list = slices.Insert(*list, i, *new(T))
	}
	return &(*list)[i]
}

func remove[T any](list *[]T, name string, nameOf func(*T) string) {
	if i, found := search(*list, name, nameOf); found {
		*list = slices.Delete(*list, i, i+1)
	}
}

func (e *Engine) setMemberLocked(channel, name string, member bool) {
	users := e.mu.members[channel]
	switch {
	case member && users == nil:
		e.mu.members[channel] = map[string]struct{}{name: {}}
	case member:
		users[name] = struct{}{}
	default:
		delete(users, name)
		if len(users) == 0 {
			delete(e.mu.members, channel)
		}
	}
}

// Members implements engine.Users.
func (e *Engine) Members(ctx context.Context, channel, after string, limit int) ([]string, error) {
	_, err := e.enter(ctx)
	defer e.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return page(maps.Keys(e.mu.members[channel]), "", after, limit), nil
}

// ListUsers implements engine.Users.
func (e *Engine) ListUsers(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	_, err := e.enter(ctx)
	defer e.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return page(maps.Keys(e.mu.users), prefix, after, limit), nil
}
