package wirepost

import (
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/wirepost/wirepost/internal/names"
)

// A position is the cursor of a session without a WebSocket over all its channels,
// as text that the client gives back. In base64 for URLs:
//
//	form        1 byte: positionForm
//	flags       1 byte: positionPartial
//	connection  10 bytes, random: the key of the hashes
//	epoch       8 bytes: the hash of the store's epoch
//	inbox, all  varints: the sequences in these two channels
//	then for each other channel the hash of its name (8 bytes) and the sequence (varint)
//
// The hashes are keyed by the connection that the cursor was made for: nobody can
// choose a channel's name so that it collides with another one in somebody else's
// cursor (docs/decisions/0010).
//
// A position is a part of a URL or a header line, which proxies bound, so it is at
// most maxPosition long and not every channel may fit. What does not fit resumes at
// the device's stored cursor, which repeats messages but loses none. Channels
// without a stored cursor therefore come first, and after them those in which the
// session has sent something. If even channels without a stored cursor are left
// out, positionPartial is set and their next message is preceded by a gap.
const (
	positionForm    = 2 // the first form had none, and began with a letter
	positionPartial = 1 // flag
	positionHead    = 2 + len(names.ConnectionID{}) + 8

	// maxPosition is the longest position, in characters; nginx refuses header
	// lines and URLs from 8 KiB.
	maxPosition      = 2048
	maxPositionBytes = maxPosition / 4 * 3
	maxPositionEntry = 8 + binary.MaxVarintLen64
)

// positionShare is up to where each class of channels may fill a position, in
// bytes. The last quarter is not open to channels without a stored cursor: however
// many there are, each return acknowledges something in the others.
var positionShare = [...]int{maxPositionBytes * 3 / 4, maxPositionBytes, maxPositionBytes}

// class is the place of a subscription in positionShare.
func (sub *subscription) class() int {
	switch {
	case !sub.stored:
		return 0
	case sub.moved:
		return 1
	}
	return 2
}

// Position implements codec.Position: the session as a client is given it. On the loop.
func (s *session) Position() string {
	b := make([]byte, 0, 128)
	b = append(b, positionForm, 0)
	b = append(b, s.connection[:]...)
	b = binary.BigEndian.AppendUint64(b, s.connection.Sum(s.loop.srv.engine.Epoch()))
	// The inbox and All come first, and no session is without them.
	b = binary.AppendUvarint(b, s.subs[0].told())
	b = binary.AppendUvarint(b, s.subs[1].told())
	if rest := s.subs[2:]; len(rest) > 0 {
		b = s.appendPlaces(b, rest)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// appendPlaces appends the channels, as many as there is room for. It begins with
// another one in each session, so that none is always left out.
func (s *session) appendPlaces(b []byte, subs []*subscription) []byte {
	first := int(binary.BigEndian.Uint16(s.connection[:])) % len(subs)
	for class, end := range positionShare {
		for i := range subs {
			sub := subs[(first+i)%len(subs)]
			switch {
			case sub.class() != class:
			case len(b)+maxPositionEntry > end || class == 0 && sub.unknown():
				if class == 0 {
					b[1] |= positionPartial
				}
			default:
				b = binary.BigEndian.AppendUint64(b, s.connection.Sum(sub.Feed.Channel()))
				b = binary.AppendUvarint(b, sub.told())
			}
		}
	}
	return b
}

// told is the cursor, but not past a gap that the client was not told of.
func (sub *subscription) told() uint64 {
	if sub.news != nil && sub.news.lost {
		return min(sub.cursor, sub.news.lostAt)
	}
	return sub.cursor
}

// unknown says that a gap is to be told in the channel because its position was
// left out.
func (sub *subscription) unknown() bool {
	return sub.news != nil && sub.news.lost && sub.news.lostAt == 0
}

// missing says that the subscription begins with a gap.
func (sub *subscription) missing() bool { return sub.news != nil && sub.news.missed || sub.unknown() }

// position is a position as it was read.
type position struct {
	connection names.ConnectionID
	seqs       map[uint64]uint64 // by the hash of the channel
	partial    bool              // channels without a stored cursor were left out
}

// of returns the sequence in a channel, if the position has it.
func (p *position) of(channel string) (seq uint64, ok bool) {
	if len(p.seqs) == 0 {
		return 0, false
	}
	seq, ok = p.seqs[p.connection.Sum(channel)]
	return seq, ok
}

// set takes in a sequence. If two channels have the same hash, the lower sequence
// counts: that only repeats messages.
func (p *position) set(hash, seq uint64) {
	if known, ok := p.seqs[hash]; ok {
		seq = min(seq, known)
	}
	p.seqs[hash] = seq
}

// parsePosition reads a position of a user. One of another store says nothing about
// this one's sequences, and neither does one of an earlier form: nothing is known
// then but that the client was here.
func (s *Server) parsePosition(field, text, inbox string) (*position, error) {
	if text == "" {
		return nil, nil
	}
	p, epoch, ok := decodePosition(text, inbox)
	if !ok {
		return nil, fieldError(field, "this is no cursor that the server gave")
	}
	if p.seqs == nil || epoch != p.connection.Sum(s.engine.Epoch()) {
		return &position{partial: true}, nil
	}
	return p, nil
}

func decodePosition(text, inbox string) (p *position, epoch uint64, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) == 0 {
		return nil, 0, false
	}
	if b[0] != positionForm {
		// The first form is an epoch, a 0 byte, and places.
		at := strings.IndexByte(string(b), 0)
		return new(position), 0, at > 0 && b[0] >= ' '
	}
	if len(text) > maxPosition || len(b) < positionHead {
		return nil, 0, false
	}
	p = &position{partial: b[1]&positionPartial != 0, seqs: map[uint64]uint64{}}
	copy(p.connection[:], b[2:])
	epoch = binary.BigEndian.Uint64(b[2+len(p.connection):])
	b = b[positionHead:]
	for _, channel := range [...]string{inbox, All} {
		seq, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, 0, false
		}
		p.set(p.connection.Sum(channel), seq)
		b = b[n:]
	}
	for len(b) > 0 {
		if len(b) < 9 {
			return nil, 0, false
		}
		seq, n := binary.Uvarint(b[8:])
		if n <= 0 {
			return nil, 0, false
		}
		p.set(binary.BigEndian.Uint64(b), seq)
		b = b[8+n:]
	}
	return p, epoch, true
}
