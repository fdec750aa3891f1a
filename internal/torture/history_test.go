package torture

import (
	"fmt"
	"sync"
	"time"
)

// kind is the kind of an event.
type kind uint8

const (
	pushing   kind = iota // a message is about to be pushed for the first time: id, channel
	pushed                // the push succeeded: id, channel, seq
	began                 // a session is about to connect: device, session
	received              // a message was received: device, session, channel, seq and prev or 0, id
	acking                // the messages received before the event at may be acknowledged from now on
	acked                 // the server is known to have that acknowledgement
	gap                   // a gap was received: session, channel, seq (after) and prev (resumed at)
	crash                 // the server, or a node, is about to be killed, or was
	revoking              // a message is about to be revoked: id, channel
	withdrawn             // a session was sent a revocation: device, session, channel, seq

	// Of clusters.

	connected // a session is established: device, session
	kicking   // a user is about to be disconnected: user
	kicked    // all nodes have responded to that: user
	marked    // a node has moved a read mark: node, user, channel, seq
	saw       // a node that is ready showed a user: node, user, channel, seq; device, or "" for the read mark; at is the event before which it was asked
	listing   // a node is about to list a channel: node, channel
	listed    // a message in that: node, channel, id, seq, prev
	disturbed // nodes or the log are about to be disturbed
	healed    // that is over
	live      // a message that was pushed to the node after that was received from every node: node
	outdating // the tokens of a user up to the generation seq are about to be revoked on a node: node, user, seq
	outdated  // the node has responded to that, for all nodes: node, user, seq
	admitted  // a node has accepted a token of the generation seq, asked after the event at: node, user, seq, at
	denied    // a node has refused one as invalid: node, user, seq
	served    // a session got a message: the index of its admitted as session; at is the event before which it was pushed

	nothing // ignored
)

var kindNames = [...]string{
	"pushing", "pushed", "began", "received", "acking", "acked", "gap", "crash", "revoking", "withdrawn",
	"connected", "kicking", "kicked", "marked", "saw", "listing", "listed", "disturbed", "healed", "live",
	"outdating", "outdated", "admitted", "denied", "served", "nothing",
}

// event is one entry of a history. Its kind determines which fields are used.
type event struct {
	kind    kind
	device  string
	session int
	channel string
	id      string
	seq     uint64
	prev    uint64
	at      int
	user    string
	node    string
	when    time.Duration // since the run began
	// Of a push: the key by which a later message replaces it, and whether its time to
	// live is so short that it may expire before it is delivered.
	key   string
	fades bool
}

func (e event) String() string {
	text := fmt.Sprintf("%s %s/%d %s %q seq %d prev %d at %d", kindNames[e.kind], e.device, e.session, e.channel, e.id, e.seq, e.prev, e.at)
	if e.node != "" || e.user != "" {
		text += fmt.Sprintf(" node %q user %q", e.node, e.user)
	}
	return text
}

// device is a reader of channels.
type device struct {
	name     string
	user     string
	channels []string
	// plain says that messages are received without channel, sequence and gaps.
	plain bool
}

// history is the append-only record of a run. It is safe for concurrent use; its events
// are in a possible order of occurrence.
type history struct {
	devices []device
	start   time.Time

	mu       sync.Mutex
	events   []event
	sessions int
}

// add appends an event and returns its index.
func (h *history) add(e event) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.addLocked(e)
}

func (h *history) addLocked(e event) int {
	e.when = time.Since(h.start)
	h.events = append(h.events, e)
	return len(h.events) - 1
}

// begin records a new session of a device.
func (h *history) begin(device string) *session {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions++
	h.addLocked(event{kind: began, device: device, session: h.sessions})
	return &session{h: h, device: device, n: h.sessions}
}

// now returns the index of the next event.
func (h *history) now() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.events)
}

func (h *history) snapshot() []event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.events[:len(h.events):len(h.events)]
}

// session records the events of one connection of a device.
type session struct {
	h      *history
	device string
	n      int
}

// connected records that the handshake is complete.
func (s *session) connected() {
	s.h.add(event{kind: connected, device: s.device, session: s.n})
}

func (s *session) received(channel, id string, seq, prev uint64) {
	s.h.add(event{kind: received, device: s.device, session: s.n, channel: channel, id: id, seq: seq, prev: prev})
}

// acking records that all messages received until now are about to be acknowledged;
// acked, with the result of acking, that the server has the acknowledgement.
func (s *session) acking() (at int) {
	at = s.h.now()
	s.h.add(event{kind: acking, device: s.device, session: s.n, at: at})
	return at
}

func (s *session) acked(at int) {
	s.h.add(event{kind: acked, device: s.device, session: s.n, at: at})
}

func (s *session) withdrawn(channel string, seq uint64) {
	s.h.add(event{kind: withdrawn, device: s.device, session: s.n, channel: channel, seq: seq})
}

func (s *session) gap(channel string, after, resumedAt uint64) {
	s.h.add(event{kind: gap, device: s.device, session: s.n, channel: channel, seq: after, prev: resumedAt})
}
