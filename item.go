package wirepost

import (
	"sync"
	"sync/atomic"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/wire"
)

// item is a record with the frames made of it. It is shared by all sessions that
// send it, so each message is encoded, and compressed, at most once per mode.
type item struct {
	rec   *engine.Record
	plain onceFrame
	v1    onceFrame
	// The same, compressed; used if there are sessions that agreed on it.
	plainDeflated onceFrame
	v1Deflated    onceFrame
	narrow        atomic.Pointer[narrowFrames] // for those with a smaller window
	// dead is set when the message was revoked or replaced while it was still in
	// a tail: who has not sent it yet skips it.
	dead atomic.Bool
}

type onceFrame struct {
	once  sync.Once
	frame []byte
}

// gone says that the message is no longer to be delivered.
func (it *item) gone(nowMS int64) bool {
	return it.dead.Load() || it.rec.Expires != 0 && it.rec.Expires <= nowMS
}

// plainFrame is one frame holding exactly what was pushed.
func (it *item) plainFrame() []byte {
	it.plain.once.Do(func() {
		op := conn.OpText
		if wire.KindOf(it.rec.ContentType) == wire.Binary {
			op = conn.OpBinary
		}
		it.plain.frame = conn.AppendFrame(nil, op, it.rec.Data)
	})
	return it.plain.frame
}

// v1Frame is the message object, or the revoke object of a revocation.
func (it *item) v1Frame(channel string) []byte {
	it.v1.once.Do(func() {
		scratch := encodeBuffers.Get().(*[]byte)
		*scratch = appendV1((*scratch)[:0], channel, it.rec)
		it.v1.frame = conn.AppendFrame(nil, conn.OpText, *scratch)
		encodeBuffers.Put(scratch)
	})
	return it.v1.frame
}

// object is the JSON in v1Frame.
func (it *item) object(channel string) []byte { return conn.FramePayload(it.v1Frame(channel)) }

var encodeBuffers = sync.Pool{New: func() any { return new([]byte) }}

func appendV1(dst []byte, channel string, r *engine.Record) []byte {
	if r.Revokes != 0 {
		return append(dst, wire.Encode(wire.Revoke{
			Type: "revoke", Channel: channel, Seq: r.Seq, Revoked: r.Revokes, ID: r.ID,
		})...)
	}
	return wire.AppendMessage(dst, &wire.Message{
		Channel: channel, Seq: r.Seq, Prev: r.Prev, ID: r.ID, Time: r.Time, Expires: r.Expires,
		Key: r.Key, ContentType: r.ContentType, From: r.From, Data: r.Data,
	})
}

// textFrame makes the frame of a protocol object.
func textFrame(object any) []byte {
	return conn.AppendFrame(nil, conn.OpText, wire.Encode(object))
}
