package session

import "github.com/wirepost/wirepost/internal/feed"

// batch collects the output of one write of a session. Each loop has one.
type batch struct {
	frames   [][]byte
	bytes    int
	messages int
	items    []*feed.Item // scratch: items of a feed's tail
	traced   []traced     // the messages in it that are traced
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
	clear(b.traced)
	b.traced = b.traced[:0]
}

// The limits of one write; a session with more output takes another turn, so that other
// sessions do not wait long.
const (
	batchFrames = 256
	batchBytes  = 256 << 10
)
