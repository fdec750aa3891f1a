package postgres

import (
	"encoding/base64"
	"encoding/binary"
)

// The first byte of a notification says what it is.
const (
	kindEnds = 'e' // positions at the end of shards
	kindPart = 'p' // a part of a message of the bus
)

// A message of the bus is sent as parts, which follow each other without a gap, because
// they are in one transaction. A part is the text of a notification, which may have 7 999
// bytes: kindPart, and base64 of the sender (8 bytes), the number of the message (uvarint),
// that of the part (uvarint), 1 if another part follows, and the data.
//
// The message is a kind, the length of its topic, the topic, for a request and a response
// its number and the inbox for the response, and the data.

const (
	partText   = 7999 - 1                        // without kindPart
	partBytes  = partText / 4 * 3                // of a part
	partHeader = 8 + 2*binary.MaxVarintLen64 + 1 // at most
)

type senderID [8]byte

// split encodes a message as notifications.
func split(from senderID, number uint64, message []byte) (payloads []string, size int) {
	for part := uint64(0); ; part++ {
		n := min(len(message), partBytes-partHeader)
		raw := append(make([]byte, 0, partBytes), from[:]...)
		raw = binary.AppendUvarint(raw, number)
		raw = binary.AppendUvarint(raw, part)
		more := byte(0)
		if n < len(message) {
			more = 1
		}
		raw = append(append(raw, more), message[:n]...)
		text := base64.RawStdEncoding.AppendEncode([]byte{kindPart}, raw)
		payloads, size = append(payloads, string(text)), size+len(text)
		if message = message[n:]; len(message) == 0 {
			return payloads, size
		}
	}
}

// joiner puts parts together.
type joiner struct {
	from   senderID
	number uint64
	next   uint64 // part; 0: none was received
	data   []byte
}

// add adds a part, and returns the message if it is complete.
func (j *joiner) add(text string) (message []byte, complete bool) {
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(raw) < len(j.from) {
		return nil, false
	}
	var from senderID
	raw = raw[copy(from[:], raw):]
	number, n := binary.Uvarint(raw)
	if n <= 0 {
		return nil, false
	}
	raw = raw[n:]
	part, n := binary.Uvarint(raw)
	if n <= 0 || n == len(raw) {
		return nil, false
	}
	more, data := raw[n] == 1, raw[n+1:]
	if part == 0 {
		*j = joiner{from: from, number: number}
	} else if part != j.next || from != j.from || number != j.number {
		*j = joiner{}
		return nil, false
	}
	j.data, j.next = append(j.data, data...), part+1
	if more {
		return nil, false
	}
	message = j.data
	*j = joiner{}
	return message, true
}

// message is a message of the bus.
type message struct {
	kind   byte
	number uint64 // of a request, and of its response
	inbox  string // for the response
	topic  string
	data   []byte
}

const (
	kindPublish  = 1
	kindRequest  = 2
	kindResponse = 3
)

func (m *message) append(dst []byte) []byte {
	dst = append(dst, m.kind)
	dst = binary.AppendUvarint(dst, m.number)
	for _, text := range [...]string{m.inbox, m.topic} {
		dst = append(binary.AppendUvarint(dst, uint64(len(text))), text...)
	}
	return append(dst, m.data...)
}

func decodeMessage(data []byte) (m message, ok bool) {
	if len(data) == 0 {
		return m, false
	}
	m.kind, data = data[0], data[1:]
	number, n := binary.Uvarint(data)
	if n <= 0 {
		return m, false
	}
	m.number, data = number, data[n:]
	for _, text := range [...]*string{&m.inbox, &m.topic} {
		length, n := binary.Uvarint(data)
		if n <= 0 || length > uint64(len(data)-n) {
			return m, false
		}
		*text, data = string(data[n:n+int(length)]), data[n+int(length):]
	}
	m.data = data
	return m, true
}
