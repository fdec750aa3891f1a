package conn

import "slices"

// outbox is what a connection has to send, in order: references to frames, never
// copies. It holds no memory while there is nothing to send.
type outbox struct {
	frames [][]byte // not yet taken by the socket
	unsent int      // bytes of frames, and of those taken whose end was not told
	// pong is one more than the index in frames of a pong. A newer one replaces it
	// (RFC 6455 §5.5.3), so that a flood of pings holds one pong only.
	pong int
}

func (o *outbox) add(l *Loop, frame []byte) {
	if len(frame) == 0 {
		return
	}
	if o.frames == nil {
		o.frames = l.takeList()
	}
	o.frames = append(o.frames, frame)
	o.unsent += len(frame)
}

func (o *outbox) addPong(l *Loop, payload []byte) {
	if o.pong == 0 {
		o.add(l, AppendFrame(nil, OpPong, payload))
		o.pong = len(o.frames)
		return
	}
	waiting := &o.frames[o.pong-1]
	o.unsent -= len(*waiting)
	*waiting = AppendFrame((*waiting)[:0], OpPong, payload)
	o.unsent += len(*waiting)
}

// take hands over the frames; who takes them gives the list back with giveList,
// and their bytes to endpoint.sent.
func (o *outbox) take() [][]byte {
	frames := o.frames
	o.frames, o.pong = nil, 0
	return frames
}

// consume takes out what the kernel has taken, frame by frame; of the last one
// perhaps only a part. A pong of which a part is gone is no longer replaced.
func (o *outbox) consume(l *Loop, bytes int) {
	gone := 0
	for gone < len(o.frames) && bytes >= len(o.frames[gone]) {
		bytes -= len(o.frames[gone])
		gone++
	}
	if gone == len(o.frames) {
		l.giveList(o.take())
		return
	}
	if bytes > 0 {
		o.frames[gone] = o.frames[gone][bytes:]
		if o.pong == gone+1 {
			o.pong = 0
		}
	}
	o.frames = slices.Delete(o.frames, 0, gone)
	o.pong = max(0, o.pong-gone)
}

// drop forgets what was not sent.
func (o *outbox) drop(l *Loop) {
	if o.frames != nil {
		l.giveList(o.take())
	}
	o.unsent = 0
}
