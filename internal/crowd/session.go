package crowd

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/wirepost/wirepost/internal/ws"
)

// session is the protocol of one connection, without its socket. Its driver owns it.
type session struct {
	// Static.
	crowd  *Crowd
	client Client
	index  int
	slow   bool

	upgraded bool   // frames follow
	ready    bool   // the client is
	response []byte // to the handshake, so far
	parser   ws.Parser
}

// rules refuse only absurd lengths: memory is allocated for received bytes only.
var rules = ws.Rules{MaxMessage: 1 << 30, Unmasked: true}

// farewell is the close frame of a client that leaves.
var farewell = ws.AppendMaskedClose(nil, 1000, "")

// begin returns the request to send once the socket is connected.
func (s *session) begin() (request []byte, err error) {
	request, err = s.client.Request()
	s.upgraded = err == nil && request == nil
	return request, err
}

// take handles input and appends output to out.
func (s *session) take(p []byte, now time.Time, out []byte) ([]byte, error) {
	var err error
	if !s.upgraded {
		if p, out, err = s.upgrade(p, now, out); err != nil || !s.upgraded {
			return out, err
		}
	}
	for {
		f, rest, bad := s.parser.Next(p, rules)
		if bad != nil {
			return out, fmt.Errorf("the server broke the protocol: %w", bad)
		}
		switch f.Op {
		case ws.OpText, ws.OpBinary:
			out = s.client.Message(f.Payload, now, out)
			s.checkReady()
		case ws.OpPing:
			out = ws.AppendMasked(out, ws.OpPong, f.Payload)
		case ws.OpPong:
		case ws.OpClose:
			return out, closeError(f)
		default:
			return out, nil
		}
		p = rest
	}
}

// maxResponse bounds the header of the response to a handshake.
const maxResponse = 8 << 10

// upgrade parses the response to the handshake, and returns the bytes after its header.
func (s *session) upgrade(p []byte, now time.Time, out []byte) (rest, more []byte, err error) {
	s.response = append(s.response, p...)
	end := bytes.Index(s.response, []byte("\r\n\r\n")) + 4
	if end < 4 {
		if len(s.response) > maxResponse {
			return nil, out, errors.New("the header of the server's response to the handshake does not end")
		}
		return nil, out, nil
	}
	header, rest := s.response[:end], s.response[end:]
	if out, err = s.client.Upgraded(header, rest, now, out); err != nil {
		return nil, out, err
	}
	s.response, s.upgraded = nil, true
	s.checkReady()
	return rest, out, nil
}

// checkReady counts the connection when its client becomes ready.
func (s *session) checkReady() {
	if !s.ready && s.client.Ready() {
		s.ready = true
		s.crowd.joined()
	}
}

// closeError makes an error of a close frame.
func closeError(f ws.Frame) error {
	const noStatus = 1005
	if f.Code == noStatus {
		return errors.New("the server closed the connection")
	}
	return fmt.Errorf("the server closed the connection with %d %q", f.Code, f.Payload)
}
