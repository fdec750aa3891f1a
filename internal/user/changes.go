package user

import "github.com/wirepost/wirepost/engine"

// takeChanges appends the unsaved changes to updates, which has room for them, and counts
// them as saved. The engine applies removals first: a value set now was set after them.
// What the user did is appended to actions, unless that is nil.
func (u *User) takeChanges(updates []engine.Update, actions *[]Action) []engine.Update {
	u.mu.Lock()
	defer u.mu.Unlock()
	if actions != nil {
		*actions = u.actionsLocked(*actions)
	}
	u.mu.startTaken = u.mu.startTaken || u.mu.startMade
	u.mu.startMade = false
	n := len(updates)
	updates = append(updates, engine.Update{User: u.Name()})
	up := &updates[n]
	if r := u.mu.removed; r != nil {
		up.Leave, up.RemoveDevices = r.left, r.forgotten
		u.mu.removed = nil
	}
	for i := range u.mu.marks {
		if m := &u.mu.marks[i]; m.dirty {
			m.dirty = false
			up.Marks = append(up.Marks, engine.Mark{Channel: m.channel, Read: m.read, Since: m.since})
			if m.joined {
				m.joined = false
				up.Join = append(up.Join, m.channel)
			}
		}
	}
	for _, d := range u.mu.devices {
		if d.dirty {
			up.Devices = append(up.Devices, d.take())
		}
	}
	if len(up.Marks)+len(up.Devices)+len(up.Leave)+len(up.RemoveDevices) == 0 {
		return updates[:n]
	}
	u.mu.flight = up
	return updates
}

func (d *device) take() engine.Device {
	d.dirty = false
	stored := engine.Device{Name: d.name, Used: d.used}
	for i := range d.cursors {
		if p := &d.cursors[i]; p.dirty {
			p.dirty, p.acked, p.taken = false, false, p.acked
			stored.Cursors = append(stored.Cursors, engine.Cursor{Channel: p.channel, Seq: p.seq})
		}
	}
	return stored
}

// saved notes that the changes taken are stored.
func (u *User) saved() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mu.startTaken = false
	u.mu.flight = nil
}

// StartStored reports whether all first starting points are stored.
func (u *User) StartStored() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return !u.mu.startMade && !u.mu.startTaken
}

// putBack marks everything that a failed save took as dirty again, unless it was stored
// nevertheless.
func (u *User) putBack(up *engine.Update) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.mu.flight == nil {
		return
	}
	u.mu.flight = nil
	if len(up.Leave)+len(up.RemoveDevices) > 0 {
		r := u.removedLocked()
		r.left = append(up.Leave, r.left...)
		r.forgotten = append(up.RemoveDevices, r.forgotten...)
	}
	for _, saved := range up.Marks {
		if m := u.markLocked(saved.Channel); m != nil {
			m.dirty = true
		}
	}
	for _, channel := range up.Join {
		if m := u.markLocked(channel); m != nil && m.member {
			m.joined = true // dirty is set as well: the mark was among those taken
		}
	}
	for _, saved := range up.Devices {
		d := u.deviceLocked(saved.Name)
		if d == nil {
			continue
		}
		d.dirty = true
		for _, c := range saved.Cursors {
			if p := d.find(c.Channel); p != nil {
				p.dirty, p.acked = true, p.acked || p.taken
			}
		}
	}
}
