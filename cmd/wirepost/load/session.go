package load

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// session is the protocol of one connection, without its socket. Its driver owns
// it.
type session struct {
	// Static.
	crowd *crowd
	tally *tally
	index int
	slow  bool

	open     bool          // the handshake is done
	began    time.Duration // when it was begun
	answer   []byte        // to the handshake, so far
	skim     skimmer
	expected uint64 // number of the next message

	// wirepost.v1: what is to be acknowledged.
	seq     uint64
	unacked int
}

const (
	// A window of 256 is half full at 128; acknowledged is a little before.
	ackCount = 100
	ackPause = 100 * time.Millisecond
)

// take handles what came and adds the answers to it.
func (s *session) take(p []byte, now time.Duration, answers []byte) ([]byte, error) {
	var err error
	if !s.open {
		if p, err = s.shake(p, now); err != nil || !s.open {
			return answers, err
		}
	}
	for {
		f, rest, ok, err := s.skim.next(p)
		if err != nil || !ok {
			return answers, err
		}
		p = rest
		switch f.op {
		case opText, opBinary:
			answers = s.message(&f, now, answers)
		case opPing:
			answers = appendFrame(answers, opPong, f.head)
		case opClose:
			return answers, closeError(f.head)
		}
	}
}

const maxAnswer = 8 << 10

// shake reads the answer to the handshake, and gives what is behind it.
func (s *session) shake(p []byte, now time.Duration) ([]byte, error) {
	s.answer = append(s.answer, p...)
	end := bytes.Index(s.answer, []byte("\r\n\r\n"))
	if end < 0 {
		if len(s.answer) > maxAnswer {
			return nil, errors.New("the server's answer to the handshake does not end")
		}
		return nil, nil
	}
	answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(s.answer)), nil)
	if err != nil {
		return nil, fmt.Errorf("the server's answer to the handshake: %w", err)
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(answer.Body) // what came of it
		return nil, refusal(answer, body)
	}
	want := ""
	if s.crowd.plan.v1 {
		want = "wirepost.v1"
	}
	if got := answer.Header.Get("Sec-WebSocket-Protocol"); got != want {
		return nil, fmt.Errorf("the server chose the subprotocol %q, not %q", got, want)
	}
	rest := s.answer[end+4:]
	s.answer, s.open = nil, true
	s.crowd.joined(now - s.began)
	return rest, nil
}

// message counts a message and, in wirepost.v1, remembers to acknowledge it.
func (s *session) message(f *frame, now time.Duration, answers []byte) []byte {
	if s.crowd.plan.v1 {
		if channel, seq, ok := envelope(f.head); ok && channel == s.crowd.plan.channel {
			s.seq, s.unacked = seq, s.unacked+1
			if s.unacked >= ackCount {
				answers = s.acknowledge(answers)
			}
		} else if ok {
			answers = appendAck(answers, channel, seq)
		} else {
			return answers // hello and the like
		}
	}
	s.judge(f, now)
	return answers
}

// judge checks a message against what has to come now.
func (s *session) judge(f *frame, now time.Duration) {
	m, ok := s.crowd.plan.marks.find(f.head)
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
	if m.whole() && (s.crowd.plan.v1 || f.size == s.crowd.plan.marks.sizeOf(m)) {
		s.tally.deliver(latency)
	} else {
		s.tally.count(counts{spoilt: 1})
	}
	if s.crowd.plan.flight != nil {
		s.crowd.plan.flight.arrived(m.n, latency)
	}
}

// acknowledge sends what is owed.
func (s *session) acknowledge(answers []byte) []byte {
	if s.unacked == 0 {
		return answers
	}
	s.unacked = 0
	return appendAck(answers, s.crowd.plan.channel, s.seq)
}

// appendAck takes a channel as it stands in JSON.
func appendAck(dst []byte, channel string, seq uint64) []byte {
	return appendFrame(dst, opText, fmt.Appendf(nil, `{"type":"ack","channel":"%s","seq":%d}`, channel, seq))
}

// envelope reads channel and sequence of a message of wirepost.v1 without parsing
// the rest of it; the order of the fields is that of the server. The channel is as
// it stands in JSON.
func envelope(head []byte) (channel string, seq uint64, ok bool) {
	rest, ok := bytes.CutPrefix(head, []byte(`{"type":"message","channel":"`))
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

// closeError words a close frame.
func closeError(payload []byte) error {
	if len(payload) < 2 {
		return errors.New("the server closed the connection")
	}
	code := binary.BigEndian.Uint16(payload)
	return errors.New("the server closed the connection with " + strconv.Itoa(int(code)) + " " + strconv.Quote(string(payload[2:])))
}

// farewell is the close frame of a client that leaves (1000).
var farewell = appendFrame(nil, opClose, []byte{0x03, 0xe8})
