package conn

import (
	"slices"

	"github.com/wirepost/wirepost/internal/ws"
)

// outbox is the pending output of a connection, in order: references to frames, never
// copies. It holds no memory while empty.
type outbox struct {
	list   *frameList // not yet taken by the socket; nil if empty
	unsent int        // bytes of frames, and of those taken and not yet reported as sent
}

// frameList is frames in the order of sending. Lists are reused by other connections.
type frameList struct {
	frames [][]byte
	// pong is one more than the index in frames of the newest pongs, which are
	// concatenated in one slice; last is the offset of the last of them, and pongs is
	// the number of queued bytes of pongs. See addPong.
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

// maxPongs is how many bytes of pongs may be queued: those of all pings that fit in one
// read. Beyond that the output is backed up, and a pong replaces the previous one (RFC
// 6455 §5.5.3), so that a flood of pings cannot use more memory.
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

// take removes and returns the frames; the caller returns the list with
// frameLists.give, and reports the bytes sent with endpoint.sent.
func (o *outbox) take() *frameList {
	list := o.list
	o.list = nil
	return list
}

// consume removes the bytes that the kernel has taken, frame by frame, the last one
// perhaps in part. Pongs that were sent in part are neither replaced nor appended to.
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

// drop discards the unsent frames.
func (o *outbox) drop(lists *frameLists) {
	if o.list != nil {
		lists.give(o.take())
	}
	o.unsent = 0
}

// frameLists are the unused lists of a loop.
type frameLists []*frameList

// take returns an empty list of frames.
func (all *frameLists) take() *frameList {
	if n := len(*all); n > 0 {
		list := (*all)[n-1]
		*all = (*all)[:n-1]
		return list
	}
	return &frameList{frames: make([][]byte, 0, 8)}
}

// give returns a list for reuse, and clears its references to frames.
func (all *frameLists) give(list *frameList) {
	if cap(list.frames) <= maxList && len(*all) < maxLists {
		clear(list.frames)
		*list = frameList{frames: list.frames[:0]}
		*all = append(*all, list)
	}
}

const (
	maxList  = 64   // capacity of a list that is kept
	maxLists = 1024 // lists that a loop keeps
)
