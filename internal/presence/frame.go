package presence

import (
	"strconv"

	"github.com/wirepost/wirepost/internal/wire"
	"github.com/wirepost/wirepost/internal/ws"
)

// frame is what the watchers of a room are sent after a flush.
type frame struct {
	head  []byte // up to the entries
	base  uint64 // see changes
	upTo  uint64
	count int
	// whole is the frame of watchers that know the state of the last flush. Nothing says
	// that the list has not changed for them.
	whole   []byte
	nothing bool
	// joined and left have the changes one by one, each with a comma behind it, and from
	// has where they begin, by the number of changes that a watcher knows.
	joined, left []byte
	from         []offsets
}

type offsets struct{ joined, left int }

// newFrame encodes the changes.
func newFrame(channel string, c *changes, count int) *frame {
	f := &frame{head: appendHead(nil, channel), base: c.base, upTo: c.seen(), count: count}
	var joined, left []byte // without those that came and went
	for i := range c.list {
		ch := &c.list[i]
		f.from = append(f.from, offsets{len(f.joined), len(f.left)})
		switch {
		case ch.replaced:
		case ch.entry != nil:
			f.joined = append(append(f.joined, ch.entry...), ',')
			joined = append(append(joined, ch.entry...), ',')
		default:
			f.left = append(wire.AppendString(f.left, ch.user), ',')
			if ch.was {
				left = append(wire.AppendString(left, ch.user), ',')
			}
		}
	}
	f.nothing = len(joined)+len(left) == 0
	for _, part := range f.parts(joined, left) {
		f.whole = append(f.whole, part...)
	}
	return f
}

func appendHead(dst []byte, channel string) []byte {
	dst = append(dst, `{"type":"presence","channel":`...)
	return wire.AppendString(dst, channel)
}

// parts returns the WebSocket frame with those who joined and left, each with a comma
// behind it.
func (f *frame) parts(joined, left []byte) [][]byte {
	end := append([]byte(`],"left":[`), cutComma(left)...)
	end = append(end, `],"count":`...)
	end = append(strconv.AppendInt(end, int64(f.count), 10), '}')
	begin := append(append([]byte(nil), f.head...), `,"joined":[`...)
	return framed(begin, cutComma(joined), end)
}

func cutComma(list []byte) []byte { return list[:max(0, len(list)-1)] }

// framed returns the WebSocket frame whose payload is three parts, of which the second one
// is not copied.
func framed(begin, shared, end []byte) [][]byte {
	head := ws.AppendHead(make([]byte, 0, 10+len(begin)), ws.OpText, len(begin)+len(shared)+len(end))
	parts := [][]byte{append(head, begin...), shared, end}
	if len(shared) == 0 {
		parts = [][]byte{append(parts[0], end...)}
	}
	return parts
}

// Snapshot is who is present in a channel.
type Snapshot struct {
	count int
	list  []byte // entries with commas between them; shared
}

func (r *room) snapshotLocked() Snapshot {
	return Snapshot{r.mu.members.Len(), r.listOfLocked()}
}

// In returns the WebSocket frame of an object of wirepost.v1 with the snapshot as its
// field "presence". The object has at least one other field.
func (s Snapshot) In(object []byte) [][]byte {
	begin := append(object[:len(object)-1:len(object)-1], `,"presence":{"count":`...)
	begin = strconv.AppendInt(begin, int64(s.count), 10)
	return framed(append(begin, `,"users":[`...), s.list, []byte(`]}}`))
}

// whole is the frame that replaces what a watcher knows.
func (s Snapshot) whole(channel string) [][]byte {
	begin := append(appendHead(nil, channel), `,"users":[`...)
	end := strconv.AppendInt([]byte(`],"count":`), int64(s.count), 10)
	return framed(begin, s.list, append(end, '}'))
}
