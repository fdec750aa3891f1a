package load

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/wirepost/wirepost/internal/ws"
)

// session is one connection: a crowd.Client.
type session struct {
	// Static.
	clients *clients
	tally   *tally
	index   int

	open     bool          // the handshake is done
	began    time.Duration // when it was begun
	expected uint64        // number of the next message

	// wirepost.v1: what is to be acknowledged.
	seq     uint64
	unacked int
}

const (
	// A window of 256 is half full at 128; acknowledged is a little before.
	ackCount = 100
	ackPause = 100 * time.Millisecond
)

// Request implements crowd.Client.
func (s *session) Request() ([]byte, error) {
	s.began = s.clients.plan.clock.now()
	return s.clients.handshake(s.index)
}

// Upgraded implements crowd.Client: it checks the response to the handshake.
func (s *session) Upgraded(header, rest []byte, now time.Time, out []byte) ([]byte, error) {
	in := io.MultiReader(bytes.NewReader(header), bytes.NewReader(rest))
	response, err := http.ReadResponse(bufio.NewReader(in), nil)
	if err != nil {
		return out, fmt.Errorf("the server's response to the handshake: %w", err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(response.Body) // what came of it
		return out, refusal(response, body)
	}
	want := ""
	if s.clients.plan.v1 {
		want = "wirepost.v1"
	}
	if got := response.Header.Get("Sec-WebSocket-Protocol"); got != want {
		return out, fmt.Errorf("the server chose the subprotocol %q, not %q", got, want)
	}
	s.open = true
	s.clients.upgraded(now.Sub(s.clients.plan.clock.began) - s.began)
	return out, nil
}

// Ready implements crowd.Client.
func (s *session) Ready() bool { return s.open }

// Message implements crowd.Client: it counts a message and, in wirepost.v1, remembers
// to acknowledge it.
func (s *session) Message(payload []byte, now time.Time, out []byte) []byte {
	if s.clients.plan.v1 {
		if channel, seq, ok := envelope(payload); ok && channel == s.clients.plan.channel {
			s.seq, s.unacked = seq, s.unacked+1
			if s.unacked >= ackCount {
				out = s.Due(out)
			}
		} else if ok {
			out = appendAck(out, channel, seq)
		} else {
			return out // hello and the like
		}
	}
	s.judge(payload, now.Sub(s.clients.plan.clock.began))
	return out
}

// judge checks a message against the expected one.
func (s *session) judge(payload []byte, now time.Duration) {
	m, ok := s.clients.plan.marks.find(payload)
	switch {
	case !ok:
		s.tally.count(counts{foreign: 1})
		return
	case m.n < s.expected:
		s.tally.count(counts{repeats: 1})
		return
	case m.n > s.expected:
		s.tally.count(counts{gaps: m.n - s.expected})
	}
	s.expected = m.n + 1
	latency := now - time.Duration(m.sent)
	end := messageEnd
	if s.clients.plan.v1 {
		end = envelopeEnd
	}
	if s.clients.plan.marks.whole(m, end) {
		s.tally.deliver(latency)
	} else {
		s.tally.count(counts{spoilt: 1})
	}
	if s.clients.plan.flight != nil {
		s.clients.plan.flight.arrived(m.n, latency)
	}
}

// Due implements crowd.Client: it acknowledges received messages.
func (s *session) Due(out []byte) []byte {
	if s.unacked == 0 {
		return out
	}
	s.unacked = 0
	return appendAck(out, s.clients.plan.channel, s.seq)
}

// appendAck appends an ack; the channel is encoded as JSON already.
func appendAck(dst []byte, channel string, seq uint64) []byte {
	return ws.AppendMasked(dst, ws.OpText, fmt.Appendf(nil, `{"type":"ack","channel":"%s","seq":%d}`, channel, seq))
}

// envelope reads channel and sequence of a message of wirepost.v1 without parsing
// the rest of it; the order of the fields is that of the server. The channel is as
// it stands in JSON.
func envelope(message []byte) (channel string, seq uint64, ok bool) {
	rest, ok := bytes.CutPrefix(message, []byte(`{"type":"message","channel":"`))
	if !ok {
		return "", 0, false
	}
	name, rest, ok := bytes.Cut(rest, []byte(`","seq":`))
	if !ok {
		return "", 0, false
	}
	seq, _, ok = number(rest)
	return string(name), seq, ok
}
