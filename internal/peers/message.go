package peers

import (
	"encoding/binary"
	"errors"

	"github.com/wirepost/wirepost/engine"
)

// An announcement begins with the version, its kind, the run of the node, and the length
// and bytes of the node's name. Counts are the length and bytes of a channel's name, and
// the number of connections there. Lengths and numbers are varints.
const (
	version = 1

	kindHello  = 1 // the node has started, and knows nothing of the others
	kindCounts = 2 // counts that have changed
	kindBucket = 3 // the number of a bucket, and all counts of the node in it
	kindBeat   = 4 // the sums of all buckets
	kindGone   = 5 // the node has no connections any more

	// A message to the topic of one node begins with its kind.
	kindResend   = 1 // a bit mask of buckets to announce
	kindQuestion = 2
)

// header begins an announcement of this node.
func (p *Peers) header(kind byte) []byte {
	b := append([]byte{version, kind}, p.run[:]...)
	b = binary.AppendUvarint(b, uint64(len(p.self.name)))
	return append(b, p.self.name...)
}

// writer writes counts, as several messages if they are too many for one.
type writer struct {
	p      *Peers
	begin  []byte   // of each message
	data   []byte   // of the current message; nil: none
	always bool     // a message without counts is published as well
	ready  [][]byte // complete messages
}

func (p *Peers) writer(begin []byte) *writer { return &writer{p: p, begin: begin} }

// maxAnnouncement is the most bytes of counts in a message.
const maxAnnouncement = engine.MaxBusMessage / 4

// collect adds a count.
func (w *writer) collect(channel string, count uint32) {
	if w.data == nil {
		w.data = append([]byte(nil), w.begin...)
	}
	w.data = binary.AppendUvarint(w.data, uint64(len(channel)))
	w.data = append(w.data, channel...)
	w.data = binary.AppendUvarint(w.data, uint64(count))
	if len(w.data) >= maxAnnouncement {
		w.complete()
		w.begin = w.p.header(kindCounts) // what follows adds to a bucket, and replaces nothing
	}
}

func (w *writer) complete() {
	w.ready, w.data, w.always = append(w.ready, w.data), nil, false
}

// add adds a count, and publishes messages that are complete.
func (w *writer) add(channel string, count uint32) {
	w.collect(channel, count)
	w.publish()
}

func (w *writer) publish() {
	for _, data := range w.ready {
		w.p.publish(w.p.config.Topic, data)
	}
	w.ready = nil
}

// flush publishes the rest.
func (w *writer) flush() {
	if w.data == nil && w.always {
		w.data = w.begin
	}
	if w.data != nil {
		w.complete()
	}
	w.publish()
}

func appendResend(mask uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kindResend}, mask)
}

// announcement is a message of another node.
type announcement struct {
	kind byte
	run  run
	node string
	rest reader
}

var errMalformed = errors.New("the message is malformed")

func decode(data []byte) (a announcement, err error) {
	a.rest = reader{data: data}
	if a.rest.byte() != version {
		return a, errors.New("the message has another version")
	}
	a.kind = a.rest.byte()
	copy(a.run[:], a.rest.bytes(len(a.run)))
	a.node = a.rest.text()
	if a.rest.bad || a.node == "" {
		return a, errMalformed
	}
	return a, nil
}

// reader reads a message. After bad input everything that it returns is zero.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.data) {
		r.bad, r.data = true, nil
		return nil
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.data)
	if size <= 0 {
		r.bad, r.data = true, nil
		return 0
	}
	r.data = r.data[size:]
	return n
}

func (r *reader) text() string {
	n := r.number()
	if n > uint64(len(r.data)) {
		r.bad, r.data = true, nil
		return ""
	}
	return string(r.bytes(int(n)))
}

// counts calls f with each count, until the data ends.
func (r *reader) counts(f func(channel string, count uint32)) error {
	for len(r.data) > 0 {
		channel, count := r.text(), r.number()
		if r.bad || count > 1<<31 {
			return errMalformed
		}
		f(channel, uint32(count))
	}
	return nil
}
