package wirepost

import (
	"strings"

	"github.com/wirepost/wirepost/internal/glob"
	"github.com/wirepost/wirepost/internal/names"
)

// patternCovers says whether one of the patterns of an identity allows a channel.
// A pattern that begins with * does not reach inboxes or All.
func patternCovers(patterns []string, channel string) bool {
	_, inbox := names.InboxUser(channel)
	for _, p := range patterns {
		if (inbox || channel == All) && strings.HasPrefix(p, "*") {
			continue
		}
		if glob.Match(p, channel) {
			return true
		}
	}
	return false
}

// maySubscribe says whether a client may read a channel by its own wish. No token
// and no policy opens another user's inbox.
func (s *Server) maySubscribe(id *Identity, channel string) error {
	if user, inbox := names.InboxUser(channel); inbox {
		if user == id.User {
			return nil
		}
		return Errorf(Forbidden, "%q is another user's inbox", channel)
	}
	switch access := s.policies.of(channel).Subscribe; {
	case channel == All, access == Anyone:
		return nil
	case access == BackendOnly:
		return Errorf(Forbidden, "the policy of %q lets no client subscribe", channel)
	}
	if patternCovers(id.Channels, channel) || patternCovers(id.Subscribe, channel) {
		return nil
	}
	return Errorf(Forbidden, "this token may not subscribe to %q", channel)
}

// mayPublish says whether a client may publish to a channel; never to All.
func (s *Server) mayPublish(id *Identity, channel string) error {
	if channel == All {
		return Errorf(Forbidden, "clients do not publish to %q", All)
	}
	switch s.policies.of(channel).Publish {
	case Anyone:
		return nil
	case BackendOnly:
		return Errorf(Forbidden, "the policy of %q lets no client publish", channel)
	}
	if patternCovers(id.Publish, channel) {
		return nil
	}
	return Errorf(Forbidden, "this token may not publish to %q", channel)
}
