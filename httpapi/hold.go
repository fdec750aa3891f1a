package httpapi

// The memory of a stream of pushes, in bytes: at first, for every push besides its data,
// and the unit of reservation, so that not every line reserves.
const (
	streamSize = lineBuffer + 2*listChunk + pushOverhead
	pushSize   = 256
	holdSize   = 64 << 10
)

// hold reserves more memory for a stream, which pushLines releases with the rest at the
// end.
func (b *bulk) hold(n int64) bool {
	if !b.api.memory.reserveMore(n) {
		return false
	}
	b.held.Add(n)
	return true
}

func (b *bulk) release(n int64) {
	b.held.Add(-n)
	b.api.memory.release(n)
}

// grow is for the buffer of a stream's lines.
func (b *bulk) grow(by int) bool {
	if by < 0 {
		b.release(int64(-by))
		return true
	}
	if b.hold(int64(by)) {
		return true
	}
	b.api.srv.CountRefusal(refusedMemory)
	return false
}

// fitsLocked reserves the memory for a line of a batch. If there is none, a batch that
// has lines must be pushed first; one line is always allowed, or streams would wait for
// each other.
func (b *bulk) fitsLocked(size int64) bool {
	t := b.filling
	if t.held-t.size >= size {
		t.size += size
		return true
	}
	n := max(size, holdSize)
	if !b.hold(n) {
		if len(t.lines) > 0 {
			return false
		}
		n = size
		b.api.memory.used.Add(n)
		b.held.Add(n)
	}
	t.held += n
	t.size += size
	return true
}
