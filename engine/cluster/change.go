package cluster

import (
	"encoding/binary"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// The kinds of what a batch has.
const (
	kindEntry   = 1
	kindTrim    = 2
	kindUpdate  = 3
	kindGenesis = 4
	kindReport  = 5
	kindForget  = 6
)

const entryIdempotent = 1 << 0

func appendEntry(dst []byte, in *engine.Entry) []byte {
	dst = append(dst, kindEntry)
	flags := byte(0)
	if in.Idempotent {
		flags |= entryIdempotent
	}
	dst = append(dst, flags)
	dst = appendText(dst, in.Channel)
	dst = binary.AppendUvarint(dst, in.Revokes)
	for _, s := range [...]string{in.ID, in.Key, in.ContentType, in.From} {
		dst = appendText(dst, s)
	}
	for _, n := range [...]int64{int64(in.TTL), int64(in.Limits.MaxAge), int64(in.Limits.MaxMessages)} {
		dst = binary.AppendVarint(dst, n)
	}
	return append(binary.AppendUvarint(dst, uint64(len(in.Data))), in.Data...)
}

func appendTrim(dst []byte, t *engine.Trim) []byte {
	return binary.AppendUvarint(appendText(append(dst, kindTrim), t.Channel), t.Through)
}

func appendUpdate(dst []byte, up *engine.Update) []byte {
	dst = appendText(append(dst, kindUpdate), up.User)
	dst = appendTexts(dst, up.Leave)
	dst = appendTexts(dst, up.Join)
	dst = binary.AppendUvarint(dst, uint64(len(up.Marks)))
	for _, m := range up.Marks {
		dst = appendText(dst, m.Channel)
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, m.Read), m.Since)
	}
	dst = appendTexts(dst, up.RemoveDevices)
	dst = binary.AppendUvarint(dst, uint64(len(up.Devices)))
	for _, d := range up.Devices {
		dst = binary.AppendVarint(appendText(dst, d.Name), d.Used)
		dst = binary.AppendUvarint(dst, uint64(len(d.Cursors)))
		for _, c := range d.Cursors {
			dst = binary.AppendUvarint(appendText(dst, c.Channel), c.Seq)
		}
	}
	return dst
}

func (r *reader) entry() *engine.Entry {
	flags := r.byte()
	in := &engine.Entry{Idempotent: flags&entryIdempotent != 0, Channel: r.text(), Revokes: r.number()}
	for _, s := range [...]*string{&in.ID, &in.Key, &in.ContentType, &in.From} {
		*s = r.text()
	}
	in.TTL, in.Limits.MaxAge, in.Limits.MaxMessages = time.Duration(r.signed()), time.Duration(r.signed()), int(r.signed())
	in.Data = r.bytes(r.length())
	return in
}

func (r *reader) update() *engine.Update {
	up := &engine.Update{User: r.text(), Leave: r.texts(), Join: r.texts()}
	for range r.length() {
		up.Marks = append(up.Marks, engine.Mark{Channel: r.text(), Read: r.number(), Since: r.number()})
	}
	up.RemoveDevices = r.texts()
	for range r.length() {
		d := engine.Device{Name: r.text(), Used: r.signed()}
		for range r.length() {
			d.Cursors = append(d.Cursors, engine.Cursor{Channel: r.text(), Seq: r.number()})
		}
		up.Devices = append(up.Devices, d)
	}
	return up
}
