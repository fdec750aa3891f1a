package jetstream

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/wirepost/wirepost/engine/cluster"
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

// Fetch reads a shard as a follower does that loses some of the messages with which the
// server responds, which are numbered from 1, and returns the positions of what it got. It
// ends with an error or at a position.
func Fetch(ctx context.Context, l *Log, shard int, after, through uint64, lost func(n int) bool) (got []uint64, err error) {
	f := &follower{l: l, s: l.shards[shard], at: after, responses: make(chan *nats.Msg, fetchEntries+1), inbox: nats.NewInbox()}
	f.yield = func(e cluster.Entry, _ error) bool {
		got = append(got, e.Position)
		return true
	}
	n := 0
	sub, err := l.nc.Subscribe(f.inbox+".*", func(m *nats.Msg) {
		if n++; !lost(n) {
			f.responses <- m
		}
	})
	if err != nil {
		return nil, err
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection may be closed
	for err == nil && f.at < through {
		err = f.fetchAll(ctx)
	}
	return got, err
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
