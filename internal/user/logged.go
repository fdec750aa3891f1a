package user

import (
	"context"
	"slices"

	"github.com/wirepost/wirepost/engine"
)

// In a cluster, all nodes change the users, and the log decides in which order. The state
// in memory is ahead of the log by the changes of this node that are not in it yet: those
// that are not taken, and those of the save in progress. They come after everything that
// is in the log now. So Logged merges an update of the log into the state as if it had
// come before them: marks and cursors become the maximum, and a membership or a device
// that this node is about to change keeps the local value.

// Logged is what an update in the log changed for the connections of a user.
type Logged struct {
	Memberships bool
	Read        []string // channels whose read mark moved, or may have moved
	Revoked     uint64   // tokens issued before are revoked; 0: none
}

// Logged makes a user that is in memory follow an update that the store has applied. It
// returns nil if the user is not in memory, and has no connections to notify. Own says
// that this node saved the update. Calls for a user are in the order of the log. A call
// does not use the store, but may wait until the user is loaded.
func (us *Users) Logged(up *engine.Update, own bool) (*User, Logged) {
	u := us.all.Find(up.User)
	if u == nil {
		return nil, Logged{}
	}
	u.mu.Lock()
	restored := false
	var change Logged
	switch {
	case u.mu.state != nil && own:
		u.arrivedLocked(up)
		change, restored = u.mergeLocked(up)
	case u.mu.state != nil:
		change, restored = u.mergeLocked(up)
	case !own:
		change = changeOf(up)
	}
	if restored {
		u.mu.pins++
	}
	u.mu.Unlock()
	if restored {
		us.SaveLater(u)
		u.Unpin()
	}
	return u, change
}

// changeOf is the change of a user whose state is not loaded.
func changeOf(up *engine.Update) (change Logged) {
	change.Memberships = len(up.Leave) > 0 || len(up.Join) > 0
	for _, m := range up.Marks {
		change.add(m)
	}
	return change
}

// add adds a mark that moved. Where a mark begins, nothing was read.
func (l *Logged) add(m engine.Mark) {
	switch {
	case m.Channel == tokenMark:
		l.Revoked = m.Read
	case m.Read > m.Since:
		l.Read = append(l.Read, m.Channel)
	}
}

// arrivedLocked notes that changes of this node are in the log: they are not pending any
// more. A save that failed may arrive nevertheless; its changes are pending again then, and
// are not repeated, because another node may have undone them since.
func (u *User) arrivedLocked(up *engine.Update) {
	if f := u.mu.flight; f != nil && equal(f, up) {
		u.mu.flight = nil
	}
	for _, channel := range up.Join {
		if m := u.markLocked(channel); m != nil && m.joined && !u.leftLocked(channel) {
			m.joined = false
		}
	}
	r := u.mu.removed
	if r == nil {
		return
	}
	r.left = slices.DeleteFunc(r.left, func(channel string) bool {
		return u.markLocked(channel) == nil && slices.Contains(up.Leave, channel) && !slices.Contains(up.Join, channel)
	})
}

// leftLocked reports whether a Leave of this node is not taken yet.
func (u *User) leftLocked(channel string) bool {
	r := u.mu.removed
	return r != nil && slices.Contains(r.left, channel)
}

// leavingLocked reports whether a Leave of this node is not in the log yet.
func (u *User) leavingLocked(channel string) bool {
	f := u.mu.flight
	return u.leftLocked(channel) || f != nil && slices.Contains(f.Leave, channel)
}

// joiningLocked is leavingLocked for a Join.
func (u *User) joiningLocked(channel string) bool {
	f, m := u.mu.flight, u.markLocked(channel)
	return m != nil && m.joined || f != nil && slices.Contains(f.Join, channel)
}

// mergeLocked merges an update of the log into the state. Restored reports that it makes
// changes to be saved: a device that is in use here was removed.
func (u *User) mergeLocked(up *engine.Update) (change Logged, restored bool) {
	for _, channel := range up.Leave {
		change.Memberships = u.dropLocked(channel) || change.Memberships
	}
	for _, channel := range up.Join {
		if u.leavingLocked(channel) || u.joiningLocked(channel) {
			continue
		}
		m := u.findMarkLocked(channel)
		change.Memberships = change.Memberships || !m.member
		m.member = true
	}
	for _, in := range up.Marks {
		if u.leavingLocked(in.Channel) {
			continue
		}
		m := u.findMarkLocked(in.Channel)
		if in.Read > m.read {
			m.read = in.Read
			change.add(in)
		}
		m.since = max(m.since, in.Since)
	}
	for _, name := range up.RemoveDevices {
		restored = u.removeDeviceLocked(name) || restored
	}
	for i := range up.Devices {
		u.mergeDeviceLocked(&up.Devices[i])
	}
	return change, restored
}

// findMarkLocked returns a mark, which it adds if there is none. It is not dirty.
func (u *User) findMarkLocked(channel string) *mark {
	if m := u.markLocked(channel); m != nil {
		return m
	}
	u.mu.marks = append(u.mu.marks, mark{channel: channel})
	return &u.mu.marks[len(u.mu.marks)-1]
}

// dropLocked removes the mark and the cursors in a channel, except for values that are
// about to be saved, and reports whether a membership ended.
func (u *User) dropLocked(channel string) (ended bool) {
	f := u.mu.flight
	if m := u.markLocked(channel); m != nil {
		if !u.joiningLocked(channel) {
			ended, m.member = m.member, false
		}
		if saved := flightMark(f, channel); !m.dirty && saved != nil {
			m.read, m.since = saved.Read, saved.Since
		}
		u.mu.marks = slices.DeleteFunc(u.mu.marks, func(m mark) bool {
			return m.channel == channel && !m.dirty && flightMark(f, channel) == nil
		})
	}
	for _, d := range u.mu.devices {
		p, saved := d.find(channel), flightCursor(f, d.name, channel)
		if p != nil && !p.dirty && saved != nil {
			p.seq = saved.Seq
		}
		d.cursors = slices.DeleteFunc(d.cursors, func(c cursor) bool {
			return c.channel == channel && !c.dirty && saved == nil
		})
	}
	return ended
}

// flightMark is the mark that a save in progress has, or nil.
func flightMark(f *engine.Update, channel string) *engine.Mark {
	if f == nil {
		return nil
	}
	return find(f.Marks, func(m *engine.Mark) bool { return m.Channel == channel })
}

func flightDevice(f *engine.Update, name string) *engine.Device {
	if f == nil {
		return nil
	}
	return find(f.Devices, func(d *engine.Device) bool { return d.Name == name })
}

func flightCursor(f *engine.Update, device, channel string) *engine.Cursor {
	d := flightDevice(f, device)
	if d == nil {
		return nil
	}
	return find(d.Cursors, func(c *engine.Cursor) bool { return c.Channel == channel })
}

// find returns the first element that matches, or nil.
func find[T any](all []T, match func(*T) bool) *T {
	for i := range all {
		if match(&all[i]) {
			return &all[i]
		}
	}
	return nil
}

// removeDeviceLocked removes a device that another node forgot. If it is connected here,
// or this node is about to save it, all of it is saved again instead.
func (u *User) removeDeviceLocked(name string) (restored bool) {
	i := slices.IndexFunc(u.mu.devices, func(d *device) bool { return d.name == name })
	if i < 0 {
		return false
	}
	d := u.mu.devices[i]
	if !d.dirty && flightDevice(u.mu.flight, name) == nil && !u.connectedLocked(name) {
		u.mu.devices = slices.Delete(u.mu.devices, i, i+1)
		return false
	}
	d.dirty = true
	for k := range d.cursors {
		d.cursors[k].dirty = true
	}
	return true
}

func (u *User) mergeDeviceLocked(in *engine.Device) {
	r, f := u.mu.removed, u.mu.flight
	if r != nil && slices.Contains(r.forgotten, in.Name) || f != nil && slices.Contains(f.RemoveDevices, in.Name) {
		return
	}
	d := u.deviceLocked(in.Name)
	if d == nil {
		d = u.mu.addDevice(in.Name)
	}
	if !d.dirty {
		d.used = in.Used
	}
	for _, c := range in.Cursors {
		switch p := d.find(c.Channel); {
		case u.leavingLocked(c.Channel):
		case p == nil:
			d.cursors = append(d.cursors, cursor{channel: c.Channel, seq: c.Seq})
		default:
			p.seq = max(p.seq, c.Seq)
		}
	}
}

// equal reports whether two updates make the same changes.
func equal(a, b *engine.Update) bool {
	return slices.Equal(a.Leave, b.Leave) && slices.Equal(a.Join, b.Join) && slices.Equal(a.Marks, b.Marks) &&
		slices.Equal(a.RemoveDevices, b.RemoveDevices) &&
		slices.EqualFunc(a.Devices, b.Devices, func(a, b engine.Device) bool {
			return a.Name == b.Name && a.Used == b.Used && slices.Equal(a.Cursors, b.Cursors)
		})
}

// CatchUp waits until everything about users is in the store here that any node has
// saved so far. Without it a node of a cluster decides by what it knew some time ago.
func (us *Users) CatchUp(ctx context.Context, names ...string) error {
	if !us.config.Shared || len(names) == 0 {
		return nil
	}
	updates := make([]engine.Update, len(names))
	for i, name := range names {
		updates[i].User = name
	}
	return us.config.Store.Save(ctx, updates, true)
}

// Shared reports whether the users belong to a node of a cluster.
func (us *Users) Shared() bool { return us.config.Shared }

// CatchUpToStart is CatchUp if a device has no position of its own yet in one of the
// channels, which may be because another node has only just stored it, or if the store has
// not caught up since this node started: it may not even have what this node had confirmed
// before, such as that a token is revoked. The state is pinned.
func (us *Users) CatchUpToStart(ctx context.Context, u *User, device string, channels ...string) error {
	if !us.config.Shared || us.caughtUp() && u.started(device, channels) {
		return nil
	}
	return us.CatchUp(ctx, u.Name())
}

// Cursors returns what a device has acknowledged in each channel, whether it is saved or not.
func (us *Users) Cursors(ctx context.Context, name, device string) (cursors map[string]uint64, err error) {
	err = us.With(ctx, name, func(u *User) error {
		u.mu.Lock()
		defer u.mu.Unlock()
		if d := u.deviceLocked(device); d != nil {
			cursors = make(map[string]uint64, len(d.cursors))
			for _, c := range d.cursors {
				cursors[c.channel] = c.seq
			}
		}
		return nil
	})
	return cursors, err
}

// Learn moves the cursors of a device to what another node knows, which may not have saved
// that yet. It is saved here as well, but the acknowledgements are those of the other node:
// they are not recorded again. The state is pinned.
func (u *User) Learn(device string, cursors map[string]uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	d := u.deviceLocked(device)
	if d == nil {
		return
	}
	for i := range d.cursors {
		if seq, ok := cursors[d.cursors[i].channel]; ok {
			d.advance(d.cursors[i].channel, seq)
		}
	}
}

// caughtUp reports whether the store has caught up with the other nodes since this node
// started.
func (us *Users) caughtUp() bool {
	if !us.current.Load() && us.config.Ready() == nil {
		us.current.Store(true)
	}
	return us.current.Load()
}

func (u *User) started(device string, channels []string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	d := u.deviceLocked(device)
	return d != nil && !slices.ContainsFunc(channels, func(channel string) bool { return d.find(channel) == nil })
}
