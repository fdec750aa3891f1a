package batch

import (
	"encoding/binary"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/fields"
)

// The kinds of what a batch has.
const (
	kindEntry   = 1
	kindTrim    = 2
	kindUpdate  = 3
	kindGenesis = 4
	kindReport  = 5
	kindForget  = 6
	kindPush    = 7 // an update that changes Web Push subscriptions as well
)

const (
	entryIdempotent = 1 << 0
	entryForgets    = 1 << 1 // the ID that the entry forgets follows the data
	entrySets       = 1 << 2 // then the timer that it sets
	entryEnds       = 1 << 3 // then the timer that it ends, without data
	entryBare       = 1 << 4
	entryTraced     = 1 << 5 // then its trace context
)

// LevelOf is the level of the operations that an entry needs.
func LevelOf(in *engine.Entry) int {
	switch {
	case in.Trace != "":
		return LevelTraces
	case in.Sets != nil || in.Ends != nil || in.Bare:
		return 3
	case in.Forgets != "":
		return 2
	}
	return 1
}

// LevelOfUpdate is the level of the operations that an update needs.
func LevelOfUpdate(up *engine.Update) int {
	if len(up.RemovePushSubscriptions)+len(up.PushSubscriptions) > 0 {
		return 4
	}
	return 1
}

// AppendEntry appends an entry.
func AppendEntry(dst []byte, in *engine.Entry) []byte {
	dst = append(dst, kindEntry, entryFlags(in))
	dst = fields.AppendText(dst, in.Channel)
	dst = binary.AppendUvarint(dst, in.Revokes)
	for _, s := range [...]string{in.ID, in.Key, in.ContentType, in.From} {
		dst = fields.AppendText(dst, s)
	}
	for _, n := range [...]int64{int64(in.TTL), int64(in.Limits.MaxAge), int64(in.Limits.MaxMessages)} {
		dst = binary.AppendVarint(dst, n)
	}
	dst = append(binary.AppendUvarint(dst, uint64(len(in.Data))), in.Data...)
	if in.Forgets != "" {
		dst = fields.AppendText(dst, in.Forgets)
	}
	if in.Sets != nil {
		dst = appendTimer(dst, in.Sets)
		dst = append(binary.AppendUvarint(dst, uint64(len(in.Sets.Data))), in.Sets.Data...)
	}
	if in.Ends != nil {
		dst = appendTimer(dst, in.Ends)
	}
	if in.Trace != "" {
		dst = fields.AppendText(dst, in.Trace)
	}
	return dst
}

func entryFlags(in *engine.Entry) (flags byte) {
	if in.Idempotent {
		flags |= entryIdempotent
	}
	if in.Forgets != "" {
		flags |= entryForgets
	}
	if in.Sets != nil {
		flags |= entrySets
	}
	if in.Ends != nil {
		flags |= entryEnds
	}
	if in.Bare {
		flags |= entryBare
	}
	if in.Trace != "" {
		flags |= entryTraced
	}
	return flags
}

// appendTimer appends a timer without its data. Its channel is that of its entry.
func appendTimer(dst []byte, t *engine.Timer) []byte {
	return binary.AppendUvarint(fields.AppendText(append(dst, byte(t.Kind)), t.ID), uint64(t.Due))
}

// AppendTrim appends a trim.
func AppendTrim(dst []byte, t *engine.Trim) []byte {
	return binary.AppendUvarint(fields.AppendText(append(dst, kindTrim), t.Channel), t.Through)
}

// AppendUpdate appends an update.
func AppendUpdate(dst []byte, up *engine.Update) []byte {
	kind := byte(kindUpdate)
	if LevelOfUpdate(up) > 1 {
		kind = kindPush
	}
	dst = fields.AppendText(append(dst, kind), up.User)
	dst = fields.AppendTexts(dst, up.Leave)
	dst = fields.AppendTexts(dst, up.Join)
	dst = binary.AppendUvarint(dst, uint64(len(up.Marks)))
	for _, m := range up.Marks {
		dst = fields.AppendText(dst, m.Channel)
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, m.Read), m.Since)
	}
	dst = fields.AppendTexts(dst, up.RemoveDevices)
	dst = binary.AppendUvarint(dst, uint64(len(up.Devices)))
	for _, d := range up.Devices {
		dst = binary.AppendVarint(fields.AppendText(dst, d.Name), d.Used)
		dst = binary.AppendUvarint(dst, uint64(len(d.Cursors)))
		for _, c := range d.Cursors {
			dst = binary.AppendUvarint(fields.AppendText(dst, c.Channel), c.Seq)
		}
	}
	if kind == kindPush {
		dst = appendSubscriptions(dst, up)
	}
	return dst
}

func appendSubscriptions(dst []byte, up *engine.Update) []byte {
	dst = fields.AppendTexts(dst, up.RemovePushSubscriptions)
	dst = binary.AppendUvarint(dst, uint64(len(up.PushSubscriptions)))
	for i := range up.PushSubscriptions {
		s := &up.PushSubscriptions[i]
		for _, text := range [...]string{s.Endpoint, string(s.P256dh), string(s.Auth), s.Device} {
			dst = fields.AppendText(dst, text)
		}
		dst = binary.AppendVarint(binary.AppendVarint(dst, s.Since), s.Expires)
	}
	return dst
}

func readEntry(r *fields.Reader) *engine.Entry {
	flags := r.Byte()
	in := &engine.Entry{Idempotent: flags&entryIdempotent != 0, Channel: r.Text(), Revokes: r.Number()}
	for _, s := range [...]*string{&in.ID, &in.Key, &in.ContentType, &in.From} {
		*s = r.Text()
	}
	in.TTL, in.Limits.MaxAge, in.Limits.MaxMessages = time.Duration(r.Signed()), time.Duration(r.Signed()), int(r.Signed())
	in.Data = r.Bytes(r.Length())
	if flags&entryForgets != 0 {
		in.Forgets = r.Text()
	}
	in.Bare = flags&entryBare != 0
	if flags&entrySets != 0 {
		in.Sets = readTimer(r)
		in.Sets.Data = r.Bytes(r.Length())
	}
	if flags&entryEnds != 0 {
		in.Ends = readTimer(r)
	}
	if flags&entryTraced != 0 {
		in.Trace = r.Text()
	}
	return in
}

func readTimer(r *fields.Reader) *engine.Timer {
	t := &engine.Timer{Kind: engine.TimerKind(r.Byte()), ID: r.Text(), Due: int64(r.Number())}
	if t.Due < 0 {
		r.Fail()
	}
	return t
}

func readUpdate(r *fields.Reader) *engine.Update {
	up := &engine.Update{User: r.Text(), Leave: r.Texts(), Join: r.Texts()}
	for range r.Length() {
		up.Marks = append(up.Marks, engine.Mark{Channel: r.Text(), Read: r.Number(), Since: r.Number()})
	}
	up.RemoveDevices = r.Texts()
	for range r.Length() {
		d := engine.Device{Name: r.Text(), Used: r.Signed()}
		for range r.Length() {
			d.Cursors = append(d.Cursors, engine.Cursor{Channel: r.Text(), Seq: r.Number()})
		}
		up.Devices = append(up.Devices, d)
	}
	return up
}

func readSubscriptions(r *fields.Reader, up *engine.Update) {
	up.RemovePushSubscriptions = r.Texts()
	for range r.Length() {
		up.PushSubscriptions = append(up.PushSubscriptions, engine.PushSubscription{
			Endpoint: r.Text(), P256dh: []byte(r.Text()), Auth: []byte(r.Text()), Device: r.Text(),
			Since: r.Signed(), Expires: r.Signed(),
		})
	}
}
