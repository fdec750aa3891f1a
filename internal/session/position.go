package session

import (
	"encoding/binary"

	"github.com/wirepost/wirepost/internal/cursor"
)

// positionShare is the limit up to which each class of channels may fill a cursor, in
// bytes. Channels without a stored cursor come first, then those in which the session
// has sent messages. The last quarter is closed to channels without a stored cursor:
// however many there are, each return acknowledges something in the others.
var positionShare = [...]int{cursor.MaxBytes * 3 / 4, cursor.MaxBytes, cursor.MaxBytes}

// Position implements codec.Position: the client's cursor. On the loop.
func (s *Session) Position() string {
	// The inbox and All come first: every session has them.
	w := cursor.Write(s.connection, s.loop.host.Epoch, s.user.Inbox(), s.subs[0].announced(), s.subs[1].announced())
	if rest := s.subs[2:]; len(rest) > 0 {
		s.writeChannels(w, rest)
	}
	return w.String()
}

// writeChannels writes as many channels as fit. It begins with a different one in each
// session, so that no channel is always left out.
func (s *Session) writeChannels(w *cursor.Writer, subs []*subscription) {
	first := int(binary.BigEndian.Uint16(s.connection[:])) % len(subs)
	for class, end := range positionShare {
		for i := range subs {
			sub := subs[(first+i)%len(subs)]
			switch {
			case sub.class() != class:
			case !w.Room(end) || class == 0 && sub.unknown():
				if class == 0 {
					w.LeaveOut()
				}
			default:
				w.Add(sub.Feed.Channel(), sub.announced())
			}
		}
	}
}
