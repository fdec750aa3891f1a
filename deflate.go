package wirepost

import (
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/conn"
)

// frame is the item as a session in that mode sends it; window is that of a session
// which agreed on compression, else 0.
func (it *item) frame(m mode, channel string, window int) []byte {
	var plain []byte
	small := &it.plainDeflated
	if m == modeV1 {
		plain, small = it.v1Frame(channel), &it.v1Deflated
	} else {
		plain = it.plainFrame()
	}
	if window == 0 {
		return plain
	}
	class := conn.DeflateClass(plain, window)
	if class != 0 {
		small = it.narrowed(m, class)
	}
	return small.deflate(plain, class)
}

// narrowFrames are an item's frames by DeflateClass, without the first class.
type narrowFrames struct {
	plain, v1 [conn.DeflateClasses - 1]onceFrame
}

// narrowed is where the frame of a class is.
func (it *item) narrowed(m mode, class int) *onceFrame {
	n := it.narrow.Load()
	if n == nil {
		it.narrow.CompareAndSwap(nil, new(narrowFrames))
		n = it.narrow.Load()
	}
	if m == modeV1 {
		return &n.v1[class-1]
	}
	return &n.plain[class-1]
}

// deflate compresses a frame the first time it is called.
func (o *onceFrame) deflate(plain []byte, class int) []byte {
	o.once.Do(func() { o.frame = conn.DeflateFrame(plain, class) })
	return o.frame
}

func newItems(records []*engine.Record) []*item {
	items := make([]*item, len(records))
	for i, r := range records {
		items[i] = &item{rec: r}
	}
	return items
}

// encodeAll makes the compressed frames of a page. Nobody else will use them, so it
// is not to be done on a loop, where every session would wait for it.
func encodeAll(items []*item, m mode, channel string, window int) {
	for _, it := range items {
		if it.rec.Revokes == 0 {
			it.frame(m, channel, window)
		}
	}
}
