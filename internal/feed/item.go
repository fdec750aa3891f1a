package feed

import (
	"sync"
	"sync/atomic"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/ws"
)

// Item is a record with the frames made of it. It is shared by all sessions that send
// it, so each message is encoded, and compressed, at most once per form.
type Item struct {
	Record *engine.Record
	// Forms are the forms that codecs made of the record.
	Forms [Forms]Form
	// dead is set when the message was revoked or replaced while it was in a tail:
	// sessions that have not sent it yet skip it.
	dead atomic.Bool
}

// The forms that a record is sent in.
const (
	Bare   = iota // its data alone
	Object        // the object of wirepost.v1
	Forms
)

// Form is a record in one form, framed for a WebSocket.
type Form struct {
	Frame    Once
	Deflated Once                   // of class 0, see ws.DeflateClass
	narrow   atomic.Pointer[narrow] // of the other classes
}

type narrow [ws.DeflateClasses - 1]Once

// Once is a frame that is encoded once.
type Once struct {
	once  sync.Once
	frame []byte
}

// Get returns the frame, which the first call encodes.
func (o *Once) Get(encode func() []byte) []byte {
	o.once.Do(func() { o.frame = encode() })
	return o.frame
}

// Class returns the compressed frame of a class.
func (f *Form) Class(class int) *Once {
	if class == 0 {
		return &f.Deflated
	}
	n := f.narrow.Load()
	if n == nil {
		f.narrow.CompareAndSwap(nil, new(narrow))
		n = f.narrow.Load()
	}
	return &n[class-1]
}

// NewItems makes items of records that are not in a tail.
func NewItems(records []*engine.Record) []*Item {
	items := make([]*Item, len(records))
	for i, r := range records {
		items[i] = &Item{Record: r}
	}
	return items
}

// Gone reports whether the message must no longer be delivered; now is in ms since the
// epoch.
func (it *Item) Gone(now int64) bool {
	return it.dead.Load() || it.Record.Expires != 0 && it.Record.Expires <= now
}

// costOf estimates the memory of a record's item in bytes: its data, a frame with the
// same data, and overhead.
func costOf(r *engine.Record) int64 { return 2*int64(len(r.Data)) + 400 }
