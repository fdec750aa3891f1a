package wirepost

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"strings"
)

// A position is where a session without a WebSocket stands in all its channels, as
// text that the client gives back: the store's epoch and a 0 byte, and then for
// each channel a hash of its name (8 bytes) and the sequence (varint), in base64
// for URLs. The hash is shorter than most names, and the position is in every
// event. Clients are told that it is opaque.

// position of a session, as a client is given it. On the loop.
func (s *session) position() string {
	b := make([]byte, 0, 128)
	b = append(append(b, s.loop.srv.engine.Epoch()...), 0)
	for _, sub := range s.subs {
		b = binary.BigEndian.AppendUint64(b, channelHash(sub.feed.channel))
		b = binary.AppendUvarint(b, sub.told())
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// told is the cursor, but not past a gap that the client was not told of.
func (sub *subscription) told() uint64 {
	if sub.news != nil && sub.news.lost {
		return min(sub.cursor, sub.news.lostAt)
	}
	return sub.cursor
}

// channelHash stands for a channel's name. That two channels of one session have
// the same is less likely than that the disk lies.
func channelHash(channel string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(channel)) //nolint:errcheck // it never fails
	return h.Sum64()
}

// parsePosition reads a position into sequences by the hash of the channel. One
// that another store gave says nothing about this one's sequences, and counts as
// none.
func (s *Server) parsePosition(field, text string) (map[uint64]uint64, error) {
	if text == "" {
		return nil, nil
	}
	wrong := fieldError(field, "this is no cursor that the server gave")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	epoch, rest, cut := strings.Cut(string(raw), "\x00")
	if err != nil || !cut {
		return nil, wrong
	}
	places := map[uint64]uint64{}
	for b := []byte(rest); len(b) > 0; {
		if len(b) < 9 {
			return nil, wrong
		}
		seq, n := binary.Uvarint(b[8:])
		if n <= 0 {
			return nil, wrong
		}
		places[binary.BigEndian.Uint64(b)] = seq
		b = b[8+n:]
	}
	if epoch != s.engine.Epoch() {
		return nil, nil
	}
	return places, nil
}
