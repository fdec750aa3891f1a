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

// marks identify the messages of a run.
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
	for left := m.size - (len(dst) - from) - len(messageEnd); left > 0; left -= len(padding) {
		dst = append(dst, padding[:min(left, len(padding))]...)
	}
	return append(dst, messageEnd...)
}

// mark is the parsed mark of a message.
type mark struct {
	n    uint64
	sent int64
	bare int    // size of the message without padding
	tail []byte // what is behind the marks: the padding, and the end
}

// find parses the marks of a message. ok is false for a message of another run.
func (m *marks) find(payload []byte) (found mark, ok bool) {
	at := 0
	if !bytes.HasPrefix(payload, m.begin) { // inside the envelope of wirepost.v1
		if at = bytes.Index(payload, m.begin); at < 0 {
			return mark{}, false
		}
	}
	rest := payload[at+len(m.begin):]
	n, rest, ok1 := number(rest)
	rest, ok2 := bytes.CutPrefix(rest, []byte(`,"t":`))
	sent, rest, ok3 := number(rest)
	rest, ok4 := bytes.CutPrefix(rest, []byte(`,"pad":"`))
	bare := len(payload) - at - len(rest) + len(messageEnd)
	return mark{n, int64(sent), bare, rest}, ok1 && ok2 && ok3 && ok4
}

const (
	messageEnd  = `"}`
	envelopeEnd = messageEnd + "}"
)

// whole reports whether a message with these marks equals what was pushed, to its
// end.
func (m *marks) whole(found mark, end string) bool {
	left := max(m.size-found.bare, 0)
	tail := found.tail
	if len(tail) != left+len(end) || string(tail[left:]) != end {
		return false
	}
	for tail = tail[:left]; len(tail) > len(padding); tail = tail[len(padding):] {
		if string(tail[:len(padding)]) != padding {
			return false
		}
	}
	return string(tail) == padding[:len(tail)]
}

func number(p []byte) (n uint64, rest []byte, ok bool) {
	i := 0
	for i < len(p) && i < 19 && p[i] >= '0' && p[i] <= '9' {
		n = n*10 + uint64(p[i]-'0')
		i++
	}
	return n, p[i:], i > 0
}
