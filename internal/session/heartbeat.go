package session

import (
	"math/rand/v2"
	"time"

	"github.com/wirepost/wirepost/internal/wire"
)

// heartbeatsLost is the number of silent heartbeat intervals after which a connection
// counts as dead.
const heartbeatsLost = 2.4

// nextBeat is when the heartbeat must check the connection again. The first ping of a
// silence is up to a tenth early, at random, so that connections made together do not
// send pings together.
func (s *Session) nextBeat() time.Time {
	last, interval := s.conn.LastRead(), s.loop.host.Heartbeat
	beat := s.loop.At(s.beat)
	if beat.Before(last) {
		return last.Add(interval - rand.N(interval/10+1))
	}
	return earlier(beat.Add(interval), last.Add(DeadAfter(interval)))
}

// DeadAfter is the time without a sign of life after which a connection is dead.
func DeadAfter(interval time.Duration) time.Duration {
	return time.Duration(heartbeatsLost * float64(interval))
}

// taking reports that the client has taken output since the last heartbeat, and that
// more is in transit, with the ping after it. The kernel buffers megabytes for a slow
// client.
func (s *Session) taking() bool {
	taken, waiting := s.conn.Acknowledged()
	return waiting && uint32(taken) != s.taken
}

// beatFrame returns the heartbeat frame.
func (s *Session) beatFrame() []byte {
	if beat := s.mode.Codec().Heartbeat(); beat != nil {
		return beat
	}
	return s.pingFrame(heartbeatPing)
}

// heartbeat pings a connection that has been silent for a while. False means that it
// was silent for too long.
func (s *Session) heartbeat(now time.Time) bool {
	silent, interval := now.Sub(s.conn.LastRead()), s.loop.host.Heartbeat
	soon := interval - interval/10
	switch {
	case silent >= DeadAfter(interval) && (s.taking() || s.work != nil && s.work.held):
		s.conn.Touch()
	case silent >= DeadAfter(interval):
		s.end(wire.CloseHeartbeat, "heartbeat lost")
		return false
	case silent >= soon && now.Sub(s.loop.At(s.beat)) >= soon:
		s.beat = now.Sub(s.loop.epoch)
		if silent >= 2*soon {
			taken, _ := s.conn.Acknowledged()
			s.taken = uint32(taken)
		}
		if !s.blocked { // otherwise the client must first take pending output, which is a sign of life
			s.send(s.beatFrame())
		}
	}
	return true
}
