package jetstream

import (
	"context"
	"crypto/rand"
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

// ErrElected is errElected.
var ErrElected = errElected

// Elected acts as if a new leader of a shard was announced.
func Elected(l *Log, shard int) {
	s := l.shards[shard]
	s.elected(l.name(s), rand.Text())
}

// Ask is ask.
func Ask(ctx context.Context, l *Log, shard int, f func(context.Context) error) error {
	return l.shards[shard].ask(ctx, f)
}

// Silence replaces the stream of a shard by a subscriber that responds to nothing, and
// calls f for each entry.
func Silence(ctx context.Context, l *Log, shard int, f func()) error {
	s := l.shards[shard]
	if err := l.js.DeleteStream(ctx, l.name(s)); err != nil {
		return err
	}
	_, err := l.nc.Subscribe(s.subject, func(*nats.Msg) { f() })
	return err
}
