package jetstream

import (
	"encoding/json"

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
			s.mu.Lock()
			if s.stream == elected.Stream {
				s.leader = elected.Leader
			}
			s.mu.Unlock()
		}
	})
	return err
}
