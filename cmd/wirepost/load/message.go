package load

import (
	"bytes"
	"strconv"
)

// A message of a benchmark is a JSON object that says which run it belongs to,
// its number in its channel, from 1 on without holes, and when it was pushed by
// the run's clock:
//
//	{"bench":"k3v9qa","n":17,"t":123456789,"pad":"xxxx…"}

const padding = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

// marks are what a run knows its messages by.
type marks struct {
	begin []byte // up to the number
	size  int    // of a message, where its marks leave that much room
}

func newMarks(run string, size int) marks {
	return marks{[]byte(`{"bench":"` + run + `","n":`), size}
}

// appendMessage adds message n, filled up to the size.
func (m *marks) appendMessage(dst []byte, n uint64, sent int64) []byte {
	from := len(dst)
	dst = append(dst, m.begin...)
	dst = strconv.AppendUint(dst, n, 10)
	dst = append(dst, `,"t":`...)
	dst = strconv.AppendInt(dst, sent, 10)
	dst = append(dst, `,"pad":"`...)
	for left := m.size - (len(dst) - from) - len(`"}`); left > 0; left -= len(padding) {
		dst = append(dst, padding[:min(left, len(padding))]...)
	}
	return append(dst, `"}`...)
}

// mark is what a message says.
type mark struct {
	n    uint64
	sent int64
	bare int    // size of the message without padding
	tail []byte // what the head has behind the marks, to be padding
}

// find reads the marks of a message from the head of its frame. Ok is false for
// what is no message of this run.
func (m *marks) find(head []byte) (found mark, ok bool) {
	at := 0
	if !bytes.HasPrefix(head, m.begin) { // inside the envelope of wirepost.v1
		if at = bytes.Index(head, m.begin); at < 0 {
			return mark{}, false
		}
	}
	rest := head[at+len(m.begin):]
	n, rest, ok1 := number(rest)
	rest, ok2 := bytes.CutPrefix(rest, []byte(`,"t":`))
	sent, rest, ok3 := number(rest)
	rest, ok4 := bytes.CutPrefix(rest, []byte(`,"pad":"`))
	bare := len(head) - at - len(rest) + len(`"}`)
	return mark{n, int64(sent), bare, rest}, ok1 && ok2 && ok3 && ok4
}

// sizeOf is that of a message with these marks.
func (m *marks) sizeOf(f mark) int { return max(m.size, f.bare) }

// whole reports whether the padding is what was pushed, as far as it was kept.
func (f *mark) whole() bool {
	tail := f.tail
	for len(tail) > 0 && tail[0] == 'x' {
		n := min(len(tail), len(padding))
		if string(tail[:n]) != padding[:n] {
			n = 1
		}
		tail = tail[n:]
	}
	return len(tail) == 0 || bytes.HasPrefix([]byte(`"}}`), tail)
}

func number(p []byte) (n uint64, rest []byte, ok bool) {
	i := 0
	for i < len(p) && i < 19 && p[i] >= '0' && p[i] <= '9' {
		n = n*10 + uint64(p[i]-'0')
		i++
	}
	return n, p[i:], i > 0
}
