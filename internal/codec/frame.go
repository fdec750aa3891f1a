package codec

import (
	"sync"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/wire"
	"github.com/wirepost/wirepost/internal/ws"
)

// bareFrame is an item as a WebSocket frame that holds exactly the pushed data.
func bareFrame(it *feed.Item, window int) []byte {
	form := &it.Forms[feed.Bare]
	return deflated(form, window, form.Frame.Get(func() []byte {
		op := ws.OpText
		if wire.KindOf(it.Record.ContentType) == wire.Binary {
			op = ws.OpBinary
		}
		return ws.AppendFrame(nil, op, it.Record.Data)
	}))
}

// objectFrame is an item as a WebSocket frame with the message object of wirepost.v1,
// or the revoke object of a revocation.
func objectFrame(it *feed.Item, channel string, window int) []byte {
	form := &it.Forms[feed.Object]
	return deflated(form, window, form.Frame.Get(func() []byte {
		scratch := encodeBuffers.Get().(*[]byte)
		*scratch = AppendObject((*scratch)[:0], channel, it.Record)
		frame := ws.AppendFrame(nil, ws.OpText, *scratch)
		encodeBuffers.Put(scratch)
		return frame
	}))
}

// object is the JSON of objectFrame.
func object(it *feed.Item, channel string) []byte {
	return ws.FramePayload(objectFrame(it, channel, 0))
}

// deflated is a frame as sent to a connection with that window.
func deflated(form *feed.Form, window int, frame []byte) []byte {
	if window == 0 {
		return frame
	}
	class := ws.DeflateClass(frame, window)
	return form.Class(class).Get(func() []byte { return ws.DeflateFrame(frame, class) })
}

var encodeBuffers = sync.Pool{New: func() any { return new([]byte) }}

// AppendObject appends the object of a record: a message or a revocation.
func AppendObject(dst []byte, channel string, r *engine.Record) []byte {
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
