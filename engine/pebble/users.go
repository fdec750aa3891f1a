package pebble

import (
	"context"
	"fmt"
	"strings"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/committer"
	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
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
		return engine.User{}, fmt.Errorf("load user %q: %w", user, disk.Worded(err))
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
	case format.PushPart:
		s, err := format.DecodePushSubscription(value)
		if err != nil {
			return fmt.Errorf("%w: user record %c %q", err, part, name)
		}
		s.Endpoint = name
		l.user.PushSubscriptions = append(l.user.PushSubscriptions, s)
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
	err := e.committer.Do(ctx, committer.Mode{Sync: sync}, nil, func(c *stage.Changes) error {
		c.Flush = c.Flush || sync
		for i := range updates {
			if err := c.Save(&updates[i]); err != nil {
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
