package jetstream

import (
	"context"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// YoungMemory is youngMemory.
const YoungMemory = youngMemory

// SyncsAlways is syncsAlways.
var SyncsAlways = syncsAlways

// StreamName returns the name of a shard's stream.
func (l *Log) StreamName(shard int) string { return l.name(l.shards[shard]) }

// Conn returns the connection of a log.
func (l *Log) Conn() *nats.Conn { return l.nc }

// Kill stops a server that does not say goodbye to the others.
func (s *Server) Kill() {
	s.s.Shutdown()
	s.s.WaitForShutdown()
}

// Lead makes a server lead a shard, which must not be one of these.
func Lead(ctx context.Context, l *Log, shard int, leader string, others ...*Server) {
	for l.Leaders()[shard] != leader && ctx.Err() == nil {
		for _, s := range others {
			s.s.JetStreamStepdownStream(server.DEFAULT_GLOBAL_ACCOUNT, l.name(l.shards[shard])) //nolint:errcheck // again then
		}
		time.Sleep(100 * time.Millisecond)
	}
}
