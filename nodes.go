package wirepost

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/peers"
	"github.com/wirepost/wirepost/internal/presence"
	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/wire"
)

// ErrIncomplete is returned together with a result that lacks what another node of the
// cluster knows, because it did not answer in time.
var ErrIncomplete error = Errorf(CodeUnavailable, "a node of the cluster did not answer, so the result is incomplete")

// errNoAnswer is the error if the node that did not answer may be the one that is concerned.
var errNoAnswer = Errorf(CodeUnavailable, "a node of the cluster did not answer, and the connection may be there")

// clustered reports whether there may be other nodes.
func (s *Server) clustered() bool { return s.shared != nil && s.shared.Bus() != nil }

// joinCluster makes the server follow what the other nodes do.
func (s *Server) joinCluster() (err error) {
	if s.shared == nil {
		return nil
	}
	s.host.Current = s.current
	s.shared.WatchUsers(s.host.Logged)
	s.shared.WatchIsolation(s.isolate)
	s.shared.SetConnections(s.host.Users.Connections)
	if !s.clustered() {
		return nil
	}
	s.host.DevicesElsewhere, s.host.CursorsElsewhere = s.devicesElsewhere, s.cursorsElsewhere
	s.peers, err = peers.New(peers.Config{
		Node: s.shared.Node(), Bus: s.shared.Bus(), Count: s.host.Feeds.Connections, Answer: s.answerNode, Logger: s.logger,
	})
	if err == nil {
		s.present, err = peers.New(peers.Config{
			Node: s.shared.Node(), Bus: s.shared.Bus(), Topic: "present", Count: s.host.Presence.Here,
			Changed: s.host.Presence.Elsewhere, DropAfter: presence.Grace, Logger: s.logger,
		})
	}
	if err != nil {
		return optionError("Engine", "%s", err)
	}
	return nil
}

// catchUp waits until this node has what any node has stored in a channel so far. Changes that
// depend on what is stored would otherwise go by what this node happens to have applied.
func (s *Server) catchUp(ctx context.Context, channel string) error {
	if s.shared == nil || s.host.Policies.MemoryOnly(channel) {
		return nil
	}
	return s.shared.CatchUp(ctx, channel)
}

// current returns an error if this node may not have everything of a channel.
func (s *Server) current(ctx context.Context, channel string) error {
	if err := s.storage(); err != nil {
		return err
	}
	return s.catchUp(ctx, channel)
}

// leaveCluster undoes joinCluster.
func (s *Server) leaveCluster() {
	if s.shared != nil {
		s.shared.WatchUsers(func([]engine.Update, bool) {})
		s.shared.WatchIsolation(func(bool) {})
		s.shared.SetConnections(func() int { return 0 })
	}
	for _, p := range []*peers.Peers{s.peers, s.present} {
		if p != nil {
			p.Close()
		}
	}
}

var errIsolated = &Error{Code: CodeUnavailable, Message: "this node is cut off from its cluster", RetryAfter: 5 * time.Second}

// isolate refuses new connections while this node is cut off from the log, and sends the
// clients away, so that they find a node that is not.
func (s *Server) isolate(isolated bool) {
	if isolated {
		s.logger.Warn("this node is cut off from its cluster: its connections are closed, so that clients find another node",
			"connections", s.host.Users.Connections())
	}
	s.isolated.Store(isolated)
	s.away.Lock()
	defer s.away.Unlock()
	if isolated && !s.draining.Load() {
		s.away.Go(func() { s.sendAway(s.drainBegan, time.Time{}) })
	}
}

// maxSessions is the most sessions in an answer. They take less than half of the largest
// message.
const maxSessions = 500

// maxReceipts bounds the users in the receipts of one message.
const maxReceipts = 1000

// answerNode answers another node.
func (s *Server) answerNode(data []byte) []byte {
	var q question
	var a answer
	if err := json.Unmarshal(data, &q); err != nil {
		s.logger.Warn("a question of another node is malformed", "error", err)
	} else {
		a = s.answer(&q)
	}
	data, err := json.Marshal(a)
	if err == nil && len(data) > engine.MaxBusMessage {
		data, err = json.Marshal(answer{Count: a.Count, Cut: true})
	}
	if err != nil {
		s.logger.Error("a question of another node cannot be answered", "error", err)
		return nil
	}
	return data
}

// answer answers a question about the connections of this node.
func (s *Server) answer(q *question) (a answer) {
	switch q.Kind {
	case askSessions:
		list := s.localSessions(q.User)
		n := min(len(list), maxSessions)
		return answer{Count: len(list), Sessions: list[:n], Cut: n < len(list)}
	case askClose:
		return answer{Count: s.closeLocal(q.User, q.Connection, CloseInfo{Code: q.Code, Reason: q.Reason})}
	case askSend:
		if ses := s.local(q.User, q.Connection); ses != nil {
			return answer{Count: 1, NotPlain: !ses.SendFrame(session.Frame{Binary: q.Binary, Data: q.Data})}
		}
	case askOld:
		return answer{Count: len(session.OldSessions(s.host.Of(q.User), q.Before))}
	case askEndOld:
		return answer{Count: s.endRevoked(q.User, q.Before)}
	case askSent:
		return answer{Sent: s.localSent(q.Channel, q.Seq)}
	case askForget:
		if f := s.host.Feeds.Find(q.Channel); f != nil {
			f.Forget(q.Seq)
		}
	case askCursors:
		cursors, err := s.host.Users.Cursors(s.host.Base, q.User, q.Device)
		if err != nil {
			s.logger.Error("a question of another node cannot be answered", "error", err)
		}
		return answer{Cursors: cursors}
	}
	return a // also to a question of a later version
}

// ask asks nodes a question. The error is ErrIncomplete if one of them did not answer, or
// not completely.
func (s *Server) ask(ctx context.Context, nodes []string, q question) (all []answer, err error) {
	if len(nodes) == 0 {
		return nil, nil
	}
	data, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	if len(data) >= engine.MaxBusMessage {
		return nil, Errorf(CodeTooLarge, "this is too large for a connection to another node of the cluster")
	}
	for _, text := range s.peers.Ask(ctx, nodes, data) {
		var a answer
		if text == nil || json.Unmarshal(text, &a) != nil {
			err = ErrIncomplete
			continue
		}
		if a.Cut {
			err = ErrIncomplete
		}
		all = append(all, a)
	}
	if ctx.Err() != nil {
		err = AsError(context.Cause(ctx))
	}
	return all, err
}

// with lists the other nodes with connections in a channel.
func (s *Server) with(channel string) []string {
	if s.peers == nil {
		return nil
	}
	return s.peers.With(channel)
}

// others lists the other nodes. A node that is asked whether or not it is known to be
// concerned also answers for connections that it has not announced yet.
func (s *Server) others() []string {
	if s.peers == nil {
		return nil
	}
	return s.peers.Nodes()
}

// askAbout asks about one connection of a user: first the nodes with connections of the
// user, and then the others. It returns the answer of the node that has it.
func (s *Server) askAbout(ctx context.Context, q question) (answer, error) {
	missing := false
	likely := s.with(InboxOf(q.User))
	rest := slices.DeleteFunc(s.others(), func(node string) bool { return slices.Contains(likely, node) })
	for _, nodes := range [][]string{likely, rest} {
		all, err := s.ask(ctx, nodes, q)
		if err != nil && !errors.Is(err, ErrIncomplete) {
			return answer{}, err
		}
		missing = missing || err != nil
		if i := slices.IndexFunc(all, func(a answer) bool { return a.Count > 0 }); i >= 0 {
			return all[i], nil
		}
	}
	if missing {
		return answer{}, errNoAnswer
	}
	return answer{}, Errorf(CodeNotFound, "user %q has no connection %q", q.User, q.Connection)
}

// total adds up the counts of answers.
func total(all []answer) (n int) {
	for _, a := range all {
		n += a.Count
	}
	return n
}

// local is the session of a connection on this node, or nil.
func (s *Server) local(userID, connection string) *session.Session {
	for _, ses := range s.host.Of(userID) {
		if ses.Info().Connection == connection {
			return ses
		}
	}
	return nil
}

// localSessions lists a user's connections on this node, oldest first.
func (s *Server) localSessions(userID string) []Session {
	list := []Session{}
	for _, ses := range s.host.Of(userID) {
		list = append(list, newSession(ses.Info()))
	}
	return list
}

// closeLocal closes a connection of a user on this node, or all, and returns how many.
func (s *Server) closeLocal(userID, connection string, info CloseInfo) int {
	sessions := s.host.Of(userID)
	if connection != "" {
		sessions = sessions[:0]
		if one := s.local(userID, connection); one != nil {
			sessions = append(sessions, one)
		}
	}
	session.EndAll(sessions, info.Code, info.Reason)
	if connection == "" {
		s.host.Presence.Dismiss(userID)
	}
	return len(sessions)
}

// endRevoked closes the connections of a user on this node whose tokens are from before a
// time, and returns how many.
func (s *Server) endRevoked(userID string, before uint64) int {
	n := session.EndRevoked(s.host.Of(userID), before)
	s.host.Presence.Dismiss(userID)
	return n
}

// localSent lists the subscribers of a channel on this node, and whether they have been
// sent a message.
func (s *Server) localSent(channel string, seq uint64) (list []sentTo) {
	f := s.host.Feeds.Find(channel)
	if f == nil {
		return nil
	}
	for _, subscriber := range f.Followers(maxReceipts) {
		ses := subscriber.(*session.Session)
		list = append(list, sentTo{User: ses.User(), Device: ses.Device(), Sent: ses.Sent(channel, seq)})
	}
	return list
}

// byAge orders sessions, the oldest first.
func byAge(a, b Session) int {
	return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Connection, b.Connection))
}

// disconnected is how an application disconnects clients.
var disconnected = CloseInfo{Code: wire.CloseDisconnected, Reason: "disconnected by the application"}

// elsewhere is the number of connections in a channel on other nodes.
func (s *Server) elsewhere(channel string) int {
	if s.peers == nil {
		return 0
	}
	return s.peers.Count(channel)
}

// sentElsewhere is localSent for the other nodes.
func (s *Server) sentElsewhere(ctx context.Context, channel string, seq uint64) (list []sentTo, err error) {
	all, err := s.ask(ctx, s.with(channel), question{Kind: askSent, Channel: channel, Seq: seq})
	for _, a := range all {
		list = append(list, a.Sent...)
	}
	return list, err
}

// sessionsElsewhere lists a user's connections to the other nodes.
func (s *Server) sessionsElsewhere(ctx context.Context, userID string) (list []Session, err error) {
	all, err := s.ask(ctx, s.with(InboxOf(userID)), question{Kind: askSessions, User: userID})
	for _, a := range all {
		for _, ses := range a.Sessions {
			ses.User = userID
			list = append(list, ses)
		}
	}
	return list, err
}

// devicesElsewhere lists the devices of a user that are connected to other nodes.
func (s *Server) devicesElsewhere(ctx context.Context, userID string) (devices []string, err error) {
	list, err := s.sessionsElsewhere(ctx, userID)
	for i := range list {
		devices = append(devices, list[i].Device)
	}
	return devices, internalError(err)
}

// cursorsTimeout is how long a client that connects waits for what another node knows of it.
// Without that, it only gets again what it has acknowledged a moment ago.
const cursorsTimeout = 250 * time.Millisecond

// cursorsElsewhere returns what a device has acknowledged on the nodes that have connections
// of the user, or had until a moment ago.
func (s *Server) cursorsElsewhere(ctx context.Context, userID, device string) map[string]uint64 {
	ctx, cancel := context.WithTimeout(ctx, cursorsTimeout)
	defer cancel()
	all, _ := s.ask(ctx, s.peers.Lately(InboxOf(userID)), question{Kind: askCursors, User: userID, Device: device}) // one that does not answer is done without
	cursors := map[string]uint64{}
	for _, a := range all {
		for channel, seq := range a.Cursors {
			cursors[channel] = max(cursors[channel], seq)
		}
	}
	return cursors
}

// onlineElsewhere calls yield with the users that have connections to other nodes, until
// it returns false.
func (s *Server) onlineElsewhere(yield func(userID string, n int) bool) {
	if s.peers == nil {
		return
	}
	s.peers.All(names.InboxPrefix, func(inbox string, n int) bool {
		return yield(inbox[len(names.InboxPrefix):], n)
	})
}
