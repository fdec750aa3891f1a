package conn

import (
	"slices"

	"github.com/wirepost/wirepost/internal/ws"
)

// outbox is what a connection has to send, in order: references to frames, never
// copies. It holds no memory while there is nothing to send.
type outbox struct {
	list   *frameList // not yet taken by the socket; nil when there are none
	unsent int        // bytes of frames, and of those taken and not yet reported as sent
}

// frameList is frames in the order of sending. Lists move from connection to
// connection.
type frameList struct {
	frames [][]byte
	// pong is one more than the index in frames of the newest pongs, one behind the
	// other in one slice; last is where the last of them begins, and pongs is how
	// many bytes of pongs wait. See addPong.
	pong  int
	last  int
	pongs int
}

func (o *outbox) empty() bool { return o.list == nil }

func (o *outbox) add(lists *frameLists, frame []byte) {
	if len(frame) == 0 {
		return
	}
	if o.list == nil {
		o.list = lists.take()
	}
	o.list.frames = append(o.list.frames, frame)
	o.unsent += len(frame)
}

// maxPongs is how many bytes of pongs may wait: those of all pings that one read
// can hold. Where more wait the output is backed up, and a pong then replaces the
// one before (RFC 6455 §5.5.3), so that a flood of pings holds no more than that.
const maxPongs = 16 << 10

func (o *outbox) addPong(lists *frameLists, payload []byte) {
	if o.list == nil {
		o.list = lists.take()
	}
	list, size := o.list, 2+len(payload)
	switch {
	case list.pong > 0 && list.pongs+size > maxPongs:
		pongs := &list.frames[list.pong-1]
		gone := len(*pongs) - list.last
		*pongs = ws.AppendFrame((*pongs)[:list.last], ws.OpPong, payload)
		list.pongs -= gone
		o.unsent -= gone
	case list.pong > 0 && list.pong == len(list.frames):
		pongs := &list.frames[list.pong-1]
		list.last = len(*pongs)
		*pongs = ws.AppendFrame(*pongs, ws.OpPong, payload)
	default:
		list.frames = append(list.frames, ws.AppendFrame(nil, ws.OpPong, payload))
		list.pong, list.last = len(list.frames), 0
	}
	list.pongs += size
	o.unsent += size
}

// take hands over the frames; the caller gives the list back with frameLists.give,
// and their bytes to endpoint.sent.
func (o *outbox) take() *frameList {
	list := o.list
	o.list = nil
	return list
}

// consume takes out what the kernel has taken, frame by frame; of the last one
// perhaps only a part. Pongs of which a part is gone are neither replaced nor
// appended to.
func (o *outbox) consume(lists *frameLists, bytes int) {
	list, gone := o.list, 0
	for gone < len(list.frames) && bytes >= len(list.frames[gone]) {
		bytes -= len(list.frames[gone])
		gone++
	}
	if gone == len(list.frames) {
		lists.give(o.take())
		return
	}
	if bytes > 0 {
		list.frames[gone] = list.frames[gone][bytes:]
		if list.pong == gone+1 {
			list.pong = 0
		}
	}
	list.frames = slices.Delete(list.frames, 0, gone)
	if list.pong = max(0, list.pong-gone); list.pong == 0 {
		list.last, list.pongs = 0, 0
	}
}

// drop forgets what was not sent.
func (o *outbox) drop(lists *frameLists) {
	if o.list != nil {
		lists.give(o.take())
	}
	o.unsent = 0
}

// frameLists are the empty lists of a loop.
type frameLists []*frameList

// take gives an empty list of frames.
func (all *frameLists) take() *frameList {
	if n := len(*all); n > 0 {
		list := (*all)[n-1]
		*all = (*all)[:n-1]
		return list
	}
	return &frameList{frames: make([][]byte, 0, 8)}
}

// give takes a list back. Frames it still refers to are let go.
func (all *frameLists) give(list *frameList) {
	if cap(list.frames) <= maxList && len(*all) < maxLists {
		clear(list.frames)
		*list = frameList{frames: list.frames[:0]}
		*all = append(*all, list)
	}
}

const (
	maxList  = 64   // frames of a list that is kept
	maxLists = 1024 // lists a loop keeps
)
