package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Leaders implements cluster.Leaders: it returns the servers that lead the streams. An
// embedded server has the name of its node.
func (l *Log) Leaders() map[int]string {
	leaders := make(map[int]string, len(l.shards))
	for _, s := range l.shards[:l.options.Shards] {
		s.mu.Lock()
		if s.leader != "" {
			leaders[s.number] = s.leader
		}
		s.mu.Unlock()
	}
	return leaders
}

func (s *shard) setLeader(info *jetstream.StreamInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if info.Cluster != nil {
		s.leader = info.Cluster.Leader
	}
}

// electedSubject is the prefix of the subjects on which JetStream announces the leaders of
// streams.
const electedSubject = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED."

// watchLeaders learns of new leaders, until the connection is closed.
func (l *Log) watchLeaders() error {
	_, err := l.nc.Subscribe(electedSubject+"*", func(m *nats.Msg) {
		var elected struct{ Stream, Leader string }
		if json.Unmarshal(m.Data, &elected) != nil {
			return
		}
		for _, s := range l.shards {
			s.elected(elected.Stream, elected.Leader)
		}
	})
	return err
}

// errElected ends what waits for a leader that was replaced.
var errElected = errors.New("another leader of the log was elected")

// elected records that a stream has a new leader, if it is the stream of the shard. The first
// leader may be announced after the response to the creation of the stream has named it.
func (s *shard) elected(stream, leader string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream != stream || s.leader == leader {
		return
	}
	s.leader = leader
	s.endTerm(errElected)
	s.term, s.endTerm = context.WithCancelCause(context.Background())
}

// untilElected returns a context that also ends when a new leader is elected.
func (s *shard) untilElected(ctx context.Context) (_ context.Context, stop func()) {
	s.mu.Lock()
	term := s.term
	s.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	forget := context.AfterFunc(term, func() { cancel(context.Cause(term)) })
	return ctx, func() { forget(); cancel(nil) }
}

// reasonOf returns why something failed whose context may have ended.
func reasonOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// askTimeout limits the first attempt of ask. Each further one may take longer by as much.
const askTimeout = time.Second

// ask calls f, which asks the servers something, until there is a response or ctx is done.
// JetStream is silent while a stream has no leader, and does not respond later.
func (s *shard) ask(ctx context.Context, f func(context.Context) error) error {
	for limit := askTimeout; ; limit += askTimeout {
		attempt, cancel := context.WithTimeout(ctx, limit)
		attempt, stop := s.untilElected(attempt)
		err := f(attempt)
		silent := attempt.Err() != nil
		stop()
		cancel()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !silent:
			return err
		}
	}
}
