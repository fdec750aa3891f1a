package pebble

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

var _ engine.Users = (*Engine)(nil)

// Load implements engine.Users. All of a user is one short range of keys.
func (e *Engine) Load(ctx context.Context, user string) (engine.User, error) {
	if err := e.enter(ctx); err != nil {
		return engine.User{}, err
	}
	defer e.leave()
	l := loader{devices: make(map[string]int)}
	prefix := format.Named(nil, format.UserPrefix, user)
	err := format.ScanPrefix(ctx, e.db, prefix, prefix, func(key, value []byte) error {
		return l.add(key[len(prefix)], string(key[len(prefix)+1:]), value)
	})
	if err != nil {
		return engine.User{}, fmt.Errorf("load user %q: %w", user, worded(err))
	}
	return l.user, nil
}

// loader assembles a user. Cursors sort before their devices.
type loader struct {
	user    engine.User
	devices map[string]int
}

func (l *loader) add(part byte, name string, value []byte) error {
	in := format.Numbers{Rest: value}
	n := in.Next()
	if in.Bad {
		return fmt.Errorf("%w: user record %c %q", ErrDamaged, part, name)
	}
	switch part {
	case format.MarkPart:
		m, err := format.DecodeMark(value)
		if err != nil {
			return fmt.Errorf("%w: user record %c %q", err, part, name)
		}
		l.user.Marks = append(l.user.Marks, engine.Mark{Channel: name, Read: m.Read, Since: m.Since})
		if m.Member {
			l.user.Memberships = append(l.user.Memberships, name)
		}
	case format.DevicePart:
		l.device(name).Used = int64(n)
	case format.CursorPart:
		channel, device, _ := strings.Cut(name, "\x00")
		d := l.device(device)
		d.Cursors = append(d.Cursors, engine.Cursor{Channel: channel, Seq: n})
	}
	return nil
}

func (l *loader) device(name string) *engine.Device {
	i, ok := l.devices[name]
	if !ok {
		i = len(l.user.Devices)
		l.devices[name] = i
		l.user.Devices = append(l.user.Devices, engine.Device{Name: name})
	}
	return &l.user.Devices[i]
}

// Save implements engine.Users.
func (e *Engine) Save(ctx context.Context, updates []engine.Update, sync bool) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	err := e.do(ctx, sync, false, nil, func(c *commit) error {
		c.owed = c.owed || sync
		for i := range updates {
			if err := c.save(&updates[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save: %w", err)
	}
	return nil
}

// save stages an update. It reads nothing, except to remove cursors: the store merges
// marks and cursors.
func (c *commit) save(up *engine.Update) error {
	for _, channel := range up.Leave {
		c.delete(format.UserKey(c.key[:0], up.User, format.MarkPart, channel))
		c.delete(format.MemberKey(c.key[:0], channel, up.User))
		if err := c.removeCursors(up.User, func(of, _ string) bool { return of == channel }); err != nil {
			return err
		}
	}
	for _, channel := range up.Join {
		c.value = format.Mark{Member: true}.Append(c.value[:0])
		c.merge(format.UserKey(c.key[:0], up.User, format.MarkPart, channel), c.value)
		c.set(format.MemberKey(c.key[:0], channel, up.User), nil)
	}
	for _, m := range up.Marks {
		c.value = format.Mark{Read: m.Read, Since: m.Since}.Append(c.value[:0])
		c.merge(format.UserKey(c.key[:0], up.User, format.MarkPart, m.Channel), c.value)
	}
	for _, name := range up.RemoveDevices {
		c.delete(format.UserKey(c.key[:0], up.User, format.DevicePart, name))
		if err := c.removeCursors(up.User, func(_, device string) bool { return device == name }); err != nil {
			return err
		}
	}
	for _, d := range up.Devices {
		c.value = binary.AppendUvarint(c.value[:0], uint64(d.Used))
		c.set(format.UserKey(c.key[:0], up.User, format.DevicePart, d.Name), c.value)
		for _, cur := range d.Cursors {
			c.value = binary.AppendUvarint(c.value[:0], cur.Seq)
			c.merge(format.UserKey(c.key[:0], up.User, format.CursorPart, format.PairName(cur.Channel, d.Name)), c.value)
		}
	}
	return nil
}

// removeCursors removes the cursors of a user that match.
func (c *commit) removeCursors(user string, match func(channel, device string) bool) error {
	r, err := c.reader()
	if err != nil {
		return err
	}
	prefix := format.UserKey(nil, user, format.CursorPart, "")
	return format.ScanPrefix(context.Background(), r, prefix, prefix, func(key, _ []byte) error {
		channel, device, _ := bytes.Cut(key[len(prefix):], []byte{0})
		if match(string(channel), string(device)) {
			c.delete(append(c.key[:0], key...))
		}
		return nil
	})
}
