// Package jetstream is a cluster.Log in NATS JetStream: one stream for each shard, in an
// embedded server (server.go) or in a cluster that is there already.
package jetstream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wirepost/wirepost/engine/cluster"
)

// Options configures a Log.
type Options struct {
	Name     string // of the cluster, which is in the names of its streams
	Shards   int    // besides that of memory-only channels
	Replicas int    // of each stream: 1, 3 or 5
}

// Log is a cluster.Log. All methods are safe for concurrent use.
type Log struct {
	js      jetstream.JetStream
	streams []jetstream.Stream
	names   []string
}

var _ cluster.Log = (*Log)(nil)

// createPause is the pause between attempts to create the streams, while the servers find
// each other.
const createPause = 250 * time.Millisecond

// memoryBytes is the most bytes of the log of memory-only channels.
const memoryBytes = 32 << 20

// Open opens the streams of a cluster, and creates those that are not there yet. It waits
// for the servers until ctx is done.
func Open(ctx context.Context, nc *nats.Conn, o Options) (*Log, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	l := &Log{js: js}
	for i := range o.Shards + 1 {
		stream, err := open(ctx, js, o, i)
		if err != nil {
			return nil, fmt.Errorf("stream of shard %d: %w", i, err)
		}
		l.streams = append(l.streams, stream)
		l.names = append(l.names, subject(o.Name, i))
	}
	return l, nil
}

func streamName(cluster string, shard int) string {
	return fmt.Sprintf("WIREPOST_%s_%d", cluster, shard)
}
func subject(cluster string, shard int) string { return fmt.Sprintf("wirepost.%s.%d", cluster, shard) }

func open(ctx context.Context, js jetstream.JetStream, o Options, shard int) (jetstream.Stream, error) {
	want := jetstream.StreamConfig{
		Name: streamName(o.Name, shard), Subjects: []string{subject(o.Name, shard)},
		Storage: jetstream.FileStorage, Replicas: o.Replicas,
		Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew,
		DenyDelete: true, // an entry that is missing in the middle would stop every replica
	}
	if shard == o.Shards {
		want.Storage, want.Discard, want.MaxBytes = jetstream.MemoryStorage, jetstream.DiscardOld, memoryBytes
		want.FirstSeq = cluster.MemoryStart(time.Now())
	}
	for {
		stream, err := js.Stream(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			stream, err = js.CreateStream(ctx, want)
		}
		if err == nil {
			return stream, nil
		}
		var api *jetstream.APIError
		if errors.As(err, &api) && api.Code == 400 {
			return nil, err // it will not get better
		}
		select {
		case <-time.After(createPause):
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		}
	}
}

// Propose implements cluster.Log.
func (l *Log) Propose(ctx context.Context, shard int, data []byte) error {
	_, err := l.js.Publish(ctx, l.names[shard], data)
	return err
}

// Follow implements cluster.Log. An ordered consumer is made again by the client when a
// message is missing.
func (l *Log) Follow(ctx context.Context, shard int, after uint64) iter.Seq2[cluster.Entry, error] {
	return func(yield func(cluster.Entry, error) bool) {
		if err := l.follow(ctx, shard, after, yield); err != nil {
			yield(cluster.Entry{}, err)
		}
	}
}

// follow returns nil when yield has ended the iteration.
func (l *Log) follow(ctx context.Context, shard int, after uint64, yield func(cluster.Entry, error) bool) error {
	first, _, err := l.Bounds(ctx, shard)
	if err != nil {
		return err
	}
	if first > after+1 {
		return cluster.ErrTrimmed
	}
	consumer, err := l.streams[shard].OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1,
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	for {
		m, err := messages.Next()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		entry := cluster.Entry{Position: meta.Sequence.Stream, Time: meta.Timestamp.UnixMilli(), Data: m.Data()}
		if !yield(entry, nil) {
			return nil
		}
	}
}

// Trim implements cluster.Log.
func (l *Log) Trim(ctx context.Context, shard int, through uint64) error {
	_, last, err := l.Bounds(ctx, shard)
	if err != nil {
		return err
	}
	return l.Restart(ctx, shard, min(through, last))
}

// Restart implements cluster.Log. A stream that is purged up to a sequence after its last
// one continues there.
func (l *Log) Restart(ctx context.Context, shard int, after uint64) error {
	return l.streams[shard].Purge(ctx, jetstream.WithPurgeSequence(after+1))
}

// Bounds implements cluster.Log.
func (l *Log) Bounds(ctx context.Context, shard int) (first, last uint64, err error) {
	info, err := l.streams[shard].Info(ctx)
	if err != nil {
		return 0, 0, err
	}
	s := info.State
	if s.Msgs == 0 {
		return s.LastSeq + 1, s.LastSeq, nil
	}
	return s.FirstSeq, s.LastSeq, nil
}
