package wirepost

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// A position is where a session without a WebSocket stands in all its channels, as
// text that the client gives back: the store's epoch and channel=sequence for each
// channel, comma-separated, in base64 for URLs. Clients are told that it is opaque.

// position of a session, as a client is given it. On the loop.
func (s *session) position() string {
	b := make([]byte, 0, 128)
	b = append(b, s.loop.srv.engine.Epoch()...)
	for _, sub := range s.subs {
		b = append(append(b, ','), sub.feed.channel...)
		b = strconv.AppendUint(append(b, '='), sub.cursor, 10)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// parsePosition reads a position into sequences by channel. One that another store
// gave says nothing about this one's sequences, and counts as none.
func (s *Server) parsePosition(field, text string) (map[string]uint64, error) {
	if text == "" {
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, fieldError(field, "this is no cursor that the server gave")
	}
	epoch, list, cut := strings.Cut(string(raw), ",")
	places, err := parseAfter(list, "")
	if !cut || err != nil {
		return nil, fieldError(field, "this is no cursor that the server gave")
	}
	if epoch != s.engine.Epoch() {
		return nil, nil
	}
	return places, nil
}
