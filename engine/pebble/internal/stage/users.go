package stage

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// Save stages an update. It reads nothing, except to remove cursors: the store merges
// marks and cursors.
func (c *Changes) Save(up *engine.Update) error {
	for _, channel := range up.Leave {
		c.Delete(format.UserKey(c.key[:0], up.User, format.MarkPart, channel))
		c.Delete(format.MemberKey(c.key[:0], channel, up.User))
		if err := c.removeCursors(up.User, func(of, _ string) bool { return of == channel }); err != nil {
			return err
		}
	}
	for _, channel := range up.Join {
		c.value = format.Mark{Member: true}.Append(c.value[:0])
		c.merge(format.UserKey(c.key[:0], up.User, format.MarkPart, channel), c.value)
		c.Set(format.MemberKey(c.key[:0], channel, up.User), nil)
	}
	for _, m := range up.Marks {
		c.value = format.Mark{Read: m.Read, Since: m.Since}.Append(c.value[:0])
		c.merge(format.UserKey(c.key[:0], up.User, format.MarkPart, m.Channel), c.value)
	}
	for _, name := range up.RemoveDevices {
		c.Delete(format.UserKey(c.key[:0], up.User, format.DevicePart, name))
		if err := c.removeCursors(up.User, func(_, device string) bool { return device == name }); err != nil {
			return err
		}
	}
	for _, d := range up.Devices {
		c.value = binary.AppendUvarint(c.value[:0], uint64(d.Used))
		c.Set(format.UserKey(c.key[:0], up.User, format.DevicePart, d.Name), c.value)
		for _, cur := range d.Cursors {
			c.value = binary.AppendUvarint(c.value[:0], cur.Seq)
			c.merge(format.UserKey(c.key[:0], up.User, format.CursorPart, format.PairName(cur.Channel, d.Name)), c.value)
		}
	}
	for _, endpoint := range up.RemovePushSubscriptions {
		c.Delete(format.UserKey(c.key[:0], up.User, format.PushPart, endpoint))
	}
	for i := range up.PushSubscriptions {
		s := &up.PushSubscriptions[i]
		c.value = format.AppendPushSubscription(c.value[:0], s)
		c.Set(format.UserKey(c.key[:0], up.User, format.PushPart, s.Endpoint), c.value)
	}
	return nil
}

// removeCursors removes the cursors of a user that match.
func (c *Changes) removeCursors(user string, match func(channel, device string) bool) error {
	r, err := c.reader()
	if err != nil {
		return err
	}
	prefix := format.UserKey(nil, user, format.CursorPart, "")
	return format.ScanPrefix(context.Background(), r, prefix, prefix, func(key, _ []byte) error {
		channel, device, _ := bytes.Cut(key[len(prefix):], []byte{0})
		if match(string(channel), string(device)) {
			c.Delete(append(c.key[:0], key...))
		}
		return nil
	})
}
