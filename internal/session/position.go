package session

import (
	"encoding/binary"

	"github.com/wirepost/wirepost/internal/cursor"
)

// positionShare is up to where each class of channels may fill a cursor, in bytes.
// Channels without a stored cursor come first, and after them those in which the
// session has sent something. The last quarter is not open to channels without a
// stored cursor: however many there are, each return acknowledges something in the
// others.
var positionShare = [...]int{cursor.MaxBytes * 3 / 4, cursor.MaxBytes, cursor.MaxBytes}

// Position implements codec.Position: the cursor that the client is given. On the
// loop.
func (s *Session) Position() string {
	// The inbox and All come first, and no session is without them.
	w := cursor.Write(s.connection, s.loop.host.Epoch, s.user.Inbox(), s.subs[0].announced(), s.subs[1].announced())
	if rest := s.subs[2:]; len(rest) > 0 {
		s.writeChannels(w, rest)
	}
	return w.String()
}

// writeChannels writes the channels, as many as there is room for. It begins with
// another one in each session, so that none is always left out.
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
