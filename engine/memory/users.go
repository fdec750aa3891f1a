package memory

import (
	"maps"
	"slices"

	"github.com/wirepost/wirepost/engine"
)

// user is what is stored of one user, by channel and by device.
type user struct {
	marks   map[string]engine.Mark
	devices map[string]*device
}

type device struct {
	used    int64
	cursors map[string]uint64
}

// Load implements engine.Users.
func (e *Engine) Load(name string) (engine.User, error) {
	_, err := e.enter()
	defer e.mu.Unlock()
	if err != nil {
		return engine.User{}, err
	}
	u := e.mu.users[name]
	if u == nil {
		return engine.User{}, nil
	}
	out := engine.User{Marks: slices.Collect(maps.Values(u.marks))}
	for name, d := range u.devices {
		cursors := make([]engine.Cursor, 0, len(d.cursors))
		for channel, seq := range d.cursors {
			cursors = append(cursors, engine.Cursor{Channel: channel, Seq: seq})
		}
		out.Devices = append(out.Devices, engine.Device{Name: name, Used: d.used, Cursors: cursors})
	}
	return out, nil
}

// Save implements engine.Users.
func (e *Engine) Save(updates []engine.Update, _ bool) error {
	_, err := e.enter()
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
		u = &user{marks: make(map[string]engine.Mark), devices: make(map[string]*device)}
		e.mu.users[up.User] = u
	}
	for _, m := range up.Marks {
		u.marks[m.Channel] = m
		e.setMemberLocked(m.Channel, up.User, m.Member)
	}
	for _, channel := range up.RemoveMarks {
		delete(u.marks, channel)
		e.setMemberLocked(channel, up.User, false)
		for _, d := range u.devices {
			delete(d.cursors, channel)
		}
	}
	for _, in := range up.Devices {
		d := u.devices[in.Name]
		if d == nil {
			d = &device{cursors: make(map[string]uint64)}
			u.devices[in.Name] = d
		}
		d.used = in.Used
		for _, c := range in.Cursors {
			d.cursors[c.Channel] = c.Seq
		}
	}
	for _, name := range up.RemoveDevices {
		delete(u.devices, name)
	}
	if len(u.marks) == 0 && len(u.devices) == 0 {
		delete(e.mu.users, up.User)
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
func (e *Engine) Members(channel, after string, limit int) ([]string, error) {
	_, err := e.enter()
	defer e.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range e.mu.members[channel] {
		if name > after {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), limit)], nil
}
