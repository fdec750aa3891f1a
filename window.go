package wirepost

// window is what a session has sent and the client has not acknowledged. It holds
// memory only while there is something. Owned by the loop.
type window struct {
	sent  []inFlight // in the order of sending
	bytes int
	full  bool // something did not fit, and nothing has left since
}

type inFlight struct {
	sub  *subscription
	seq  uint64
	size int
}

// enter counts a message in. False means that it does not fit; one that is larger
// than the whole window fits when nothing else is in it.
func (w *window) enter(sub *subscription, seq uint64, size, most, mostBytes int) bool {
	if len(w.sent) >= most || len(w.sent) > 0 && w.bytes+size > mostBytes {
		w.full = true
		return false
	}
	w.sent = append(w.sent, inFlight{sub: sub, seq: seq, size: size})
	w.bytes += size
	return true
}

// room is how many messages more there is room for, as far as can be said before
// their size is known.
func (w *window) room(most, mostBytes int) int {
	if w.full || len(w.sent) > 0 && w.bytes >= mostBytes {
		return 0
	}
	return max(0, most-len(w.sent))
}

// leave takes out what an acknowledgement covers, and returns how many messages
// that were.
func (w *window) leave(sub *subscription, through uint64) int {
	kept := w.sent[:0]
	for _, m := range w.sent {
		if m.sub == sub && m.seq <= through {
			w.bytes -= m.size
			continue
		}
		kept = append(kept, m)
	}
	n := len(w.sent) - len(kept)
	clear(w.sent[len(kept):])
	w.sent, w.full = kept, w.full && n == 0
	if len(kept) == 0 {
		w.sent = nil
	}
	return n
}

// forget takes out everything of a subscription that has ended.
func (w *window) forget(sub *subscription) { w.leave(sub, ^uint64(0)) }
