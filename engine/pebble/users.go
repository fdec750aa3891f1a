package pebble

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine"
)

var _ engine.Users = (*Engine)(nil)

// Load implements engine.Users. All of a user is one short range of keys.
func (e *Engine) Load(ctx context.Context, user string) (engine.User, error) {
	if err := e.enter(ctx); err != nil {
		return engine.User{}, err
	}
	defer e.leave()
	l := loader{devices: make(map[string]int)}
	prefix := named(nil, userPrefix, user)
	err := scanPrefix(ctx, e.db, prefix, prefix, func(key, value []byte) error {
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
	in := numbers{rest: value}
	n := in.next()
	if in.bad {
		return fmt.Errorf("%w: user record %c %q", ErrDamaged, part, name)
	}
	switch part {
	case markPart:
		m, err := decodeMark(value)
		if err != nil {
			return fmt.Errorf("%w: user record %c %q", err, part, name)
		}
		l.user.Marks = append(l.user.Marks, engine.Mark{Channel: name, Read: m.read, Since: m.since})
		if m.member {
			l.user.Memberships = append(l.user.Memberships, name)
		}
	case devicePart:
		l.device(name).Used = int64(n)
	case cursorPart:
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
		c.delete(userKey(c.key[:0], up.User, markPart, channel))
		c.delete(memberKey(c.key[:0], channel, up.User))
		if err := c.removeCursors(up.User, func(of, _ string) bool { return of == channel }); err != nil {
			return err
		}
	}
	for _, channel := range up.Join {
		c.value = markValue{member: true}.append(c.value[:0])
		c.merge(userKey(c.key[:0], up.User, markPart, channel), c.value)
		c.set(memberKey(c.key[:0], channel, up.User), nil)
	}
	for _, m := range up.Marks {
		c.value = markValue{read: m.Read, since: m.Since}.append(c.value[:0])
		c.merge(userKey(c.key[:0], up.User, markPart, m.Channel), c.value)
	}
	for _, name := range up.RemoveDevices {
		c.delete(userKey(c.key[:0], up.User, devicePart, name))
		if err := c.removeCursors(up.User, func(_, device string) bool { return device == name }); err != nil {
			return err
		}
	}
	for _, d := range up.Devices {
		c.value = binary.AppendUvarint(c.value[:0], uint64(d.Used))
		c.set(userKey(c.key[:0], up.User, devicePart, d.Name), c.value)
		for _, cur := range d.Cursors {
			c.value = binary.AppendUvarint(c.value[:0], cur.Seq)
			c.merge(userKey(c.key[:0], up.User, cursorPart, pairName(cur.Channel, d.Name)), c.value)
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
	prefix := userKey(nil, user, cursorPart, "")
	return scanPrefix(context.Background(), r, prefix, prefix, func(key, _ []byte) error {
		channel, device, _ := bytes.Cut(key[len(prefix):], []byte{0})
		if match(string(channel), string(device)) {
			c.delete(append(c.key[:0], key...))
		}
		return nil
	})
}

// errStop ends a scan early.
var errStop = fmt.Errorf("stop")

// scanPrefix calls look with the keys that begin with a prefix, from start on.
func scanPrefix(ctx context.Context, r pdb.Reader, prefix, start []byte, look func(key, value []byte) error) (err error) {
	it, err := r.NewIter(&pdb.IterOptions{LowerBound: start, UpperBound: successor(prefix)})
	if err != nil {
		return err
	}
	defer func() {
		if e := it.Close(); err == nil {
			err = e
		}
	}()
	for ok, n := it.First(), 1; ok; ok, n = it.Next(), n+1 {
		if n%endedEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := look(it.Key(), value); err != nil {
			if err == errStop {
				return nil
			}
			return err
		}
	}
	return it.Error()
}
