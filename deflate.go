package wirepost

import (
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/conn"
)

// frame is the item as a session in that mode sends it; deflated is for those that
// agreed on compression.
func (it *item) frame(m mode, channel string, deflated bool) []byte {
	var plain []byte
	small := &it.plainDeflated
	if m == modeV1 {
		plain, small = it.v1Frame(channel), &it.v1Deflated
	} else {
		plain = it.plainFrame()
	}
	if deflated {
		return small.deflate(plain)
	}
	return plain
}

// deflate compresses a frame the first time it is called.
func (o *onceFrame) deflate(plain []byte) []byte {
	o.once.Do(func() { o.frame = conn.DeflateFrame(plain) })
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
func encodeAll(items []*item, m mode, channel string) {
	for _, it := range items {
		if it.rec.Revokes == 0 {
			it.frame(m, channel, true)
		}
	}
}
