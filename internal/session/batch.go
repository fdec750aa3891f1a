package session

import "github.com/wirepost/wirepost/internal/feed"

// batch collects what a session sends in one write. There is one per loop.
type batch struct {
	frames   [][]byte
	bytes    int
	messages int
	items    []*feed.Item // scratch: what a feed's tail gave
}

func (b *batch) add(frame []byte) {
	b.frames = append(b.frames, frame)
	b.bytes += len(frame)
}

func (b *batch) full() bool { return len(b.frames) >= batchFrames || b.bytes >= batchBytes }

func (b *batch) reset() {
	clear(b.frames)
	clear(b.items)
	b.frames, b.items = b.frames[:0], b.items[:0]
	b.bytes, b.messages = 0, 0
}

// What one write takes at most; a session with more takes another turn, so that
// no other session has to wait long for it.
const (
	batchFrames = 256
	batchBytes  = 256 << 10
)
