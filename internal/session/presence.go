package session

import (
	"encoding/json"

	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/presence"
)

// follow makes a subscription receive messages, and its user present in the channel. On the
// loop.
func (s *Session) follow(sub *subscription) {
	sub.Feed.Follow(&sub.Subscription, s.loop.waker)
	if sub.Feed.HasPresence() {
		s.loop.host.Presence.Join(sub.Feed.Channel(), s.user.Name(), s.presenceInfo())
	}
}

// unfollow undoes follow. On the loop.
func (s *Session) unfollow(sub *subscription, how presence.How) {
	sub.Feed.Unfollow(&sub.Subscription, s.loop.waker)
	if sub.Feed.HasPresence() {
		s.unwatch(sub.Feed.Channel())
		s.loop.host.Presence.Leave(sub.Feed.Channel(), s.user.Name(), how)
	}
}

// presenceInfo is what other clients are told of the user.
func (s *Session) presenceInfo() json.RawMessage {
	if id := s.identity.Load(); id != nil {
		return id.Info
	}
	return nil
}

// updatePresence applies the info of a new identity. On the loop.
func (s *Session) updatePresence(id *access.Identity) {
	for _, sub := range s.subs {
		if sub.Feed.HasPresence() {
			s.loop.host.Presence.Update(sub.Feed.Channel(), s.user.Name(), id.Info)
		}
	}
}

// watch notifies the client of who joins and leaves a channel, and returns who is there. On
// the loop.
func (s *Session) watch(channel string) presence.Snapshot {
	w := s.theWork()
	if watch := w.watches.of(channel); watch != nil {
		return watch.Snapshot()
	}
	watch, snapshot := s.loop.host.Presence.Watch(channel, s, s.loop)
	w.watches = append(w.watches, watch)
	return snapshot
}

// unwatch undoes watch. On the loop.
func (s *Session) unwatch(channel string) {
	if s.work == nil {
		return
	}
	if watch := s.work.watches.of(channel); watch != nil {
		watch.Stop(s.loop)
		s.work.watches.remove(watch)
	}
}

// WritePresence implements presence.Watcher. A client that does not read gets the whole
// list once it does, instead of each change.
func (s *Session) WritePresence(parts ...[]byte) bool {
	if s.blocked && s.conn.Unsent() > maxUnsent/4 {
		return false
	}
	if !s.conn.Write(parts...) {
		s.blocked = true
	}
	return true
}

// renewWatches sends the lists of channels whose changes were left out. On the loop.
func (s *Session) renewWatches() {
	if s.work != nil && !s.ending {
		s.work.watches.renew()
	}
}
