// Package jetstream is a cluster.Log in NATS JetStream, and an engine.Bus in its core. There
// is one stream for each shard, in embedded servers (StartServer) or in a NATS cluster that
// exists already (Connect).
//
// An entry is a message in the stream. Followers read entries by position from any server
// that has a copy of the stream, usually the one in their own process, and are notified of
// new ones by the leader, which republishes them (follow.go). There are no consumers, whose
// state would have to move to another server after a failure.
package jetstream

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wirepost/wirepost/engine/cluster"
)

// Options configures a Log.
type Options struct {
	Name     string  // of the cluster, which is in the names of its streams
	Shards   int     // besides that of memory-only channels
	Replicas int     // of each stream: 1, 3 or 5
	Server   *Server // the embedded server; nil: the servers are not in this process
	// MaxEntry is the most bytes of an entry that is proposed. 0: 768 KiB.
	MaxEntry int
	Logger   *slog.Logger
}

// Log is a cluster.Log. All methods are safe for concurrent use.
type Log struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	options Options
	logger  *slog.Logger
	shards  []*shard // the last one is that of memory-only channels
}

// shard is one stream.
type shard struct {
	number  int
	subject string        // of its messages
	live    string        // the subject on which its leader republishes them
	known   atomic.Uint64 // the last position of which this process knows

	mu      sync.Mutex
	stream  string // its name
	leader  string
	term    context.Context // of the leader: ends when another one is elected
	endTerm context.CancelCauseFunc
	lost    time.Time // when the stream was first seen to be shorter than known
}

var (
	_ cluster.Log      = (*Log)(nil)
	_ cluster.Leaders  = (*Log)(nil)
	_ cluster.Eventual = (*Log)(nil)
)

const (
	// maxPayload is the largest entry of embedded servers.
	maxPayload = 8 << 20
	// memoryBytes is the most bytes of the log of memory-only channels.
	memoryBytes = 32 << 20
	// reconnectPause is the pause between attempts to connect to a server.
	reconnectPause = 200 * time.Millisecond
)

var validName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// Open opens the streams of a cluster, and creates those that are not there yet. It waits
// for the servers until ctx is done, and logs what it waits for.
func Open(ctx context.Context, nc *nats.Conn, o Options) (*Log, error) {
	if !validName.MatchString(o.Name) {
		return nil, fmt.Errorf("%q cannot be the name of a cluster: use letters, digits, - and _", o.Name)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.MaxEntry <= 0 {
		o.MaxEntry = defaultEntry
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	l := &Log{nc: nc, js: js, options: o, logger: o.Logger}
	for i := range o.Shards + 1 {
		s := &shard{
			number: i, subject: fmt.Sprintf("wirepost.%s.%d", o.Name, i), live: fmt.Sprintf("wirepost.%s.live.%d", o.Name, i),
			stream: fmt.Sprintf("WIREPOST_%s_%d", o.Name, i),
		}
		if l.inMemory(s) {
			s.stream = ""
		}
		s.term, s.endTerm = context.WithCancelCause(context.Background())
		l.shards = append(l.shards, s)
	}
	if err := l.watchLeaders(); err != nil {
		return nil, err
	}
	if err := l.await(ctx, "the log of the cluster", l.check); err != nil {
		return nil, err
	}
	for _, s := range l.shards {
		what := fmt.Sprintf("shard %d of the log", s.number)
		if err := l.await(ctx, what, func(ctx context.Context) error { return l.open(ctx, s) }); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *Log) inMemory(s *shard) bool { return s.number == l.options.Shards }

// Propose implements cluster.Log. It fails when another leader is elected, because the one
// to which the entry was sent may never respond.
func (l *Log) Propose(ctx context.Context, shard int, data []byte) error {
	s := l.shards[shard]
	s.mu.Lock()
	stream := s.stream
	s.mu.Unlock()
	// A log in memory that was lost has another name, and begins with higher positions.
	ctx, stop := s.untilElected(ctx)
	defer stop()
	ack, err := l.js.Publish(ctx, s.subject, data, jetstream.WithExpectStream(stream))
	if err != nil {
		return reasonOf(ctx, err)
	}
	s.exists(ack.Sequence)
	return nil
}

// exists records that there is an entry.
func (s *shard) exists(position uint64) {
	for known := s.known.Load(); known < position; known = s.known.Load() {
		if s.known.CompareAndSwap(known, position) {
			return
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
	s := l.shards[shard]
	stream, err := l.js.Stream(ctx, l.name(s))
	if err != nil {
		return err
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeSequence(after+1)); err != nil {
		return err
	}
	return nil
}

// Bounds implements cluster.Log.
func (l *Log) Bounds(ctx context.Context, shard int) (first, last uint64, err error) {
	s := l.shards[shard]
	err = s.ask(ctx, func(ctx context.Context) error {
		first, last, err = l.bounds(ctx, s)
		return err
	})
	return first, last, err
}

func (l *Log) bounds(ctx context.Context, s *shard) (first, last uint64, err error) {
	if l.inMemory(s) {
		if err := l.openMemory(ctx, s); err != nil {
			return 0, 0, err
		}
	}
	known := s.known.Load()
	stream, err := l.js.Stream(ctx, l.name(s))
	if err != nil {
		return 0, 0, err
	}
	info := stream.CachedInfo()
	s.setLeader(info)
	first, last = boundsOf(info)
	if err := s.confirm(ctx, known, last); err != nil {
		return 0, 0, err
	}
	s.exists(last)
	return first, last, nil
}

const (
	// outdated is how long a stream must be shorter than before until that is believed: a
	// leader that is cut off from the others, which have elected another one, says so for
	// up to ten seconds.
	outdated = 12 * time.Second
	// confirmPause is the least time between two calls of confirm that fail.
	confirmPause = time.Second
)

// Outdated implements cluster.Eventual. One server cannot be cut off from others.
func (l *Log) Outdated() time.Duration {
	if l.options.Replicas == 1 {
		return 0
	}
	return outdated
}

// confirm returns an error while it is not certain that the end of the stream was lost,
// which is at last, although a position was known before.
func (s *shard) confirm(ctx context.Context, known, last uint64) error {
	s.mu.Lock()
	switch {
	case last >= known:
		s.lost = time.Time{}
	case s.lost.IsZero():
		s.lost = time.Now()
	}
	certain := s.lost.IsZero() || time.Since(s.lost) >= outdated
	s.mu.Unlock()
	if certain {
		return nil
	}
	select {
	case <-time.After(confirmPause):
	case <-ctx.Done():
	}
	return fmt.Errorf("the log seems to end at %d, but position %d was there", last, known)
}

func boundsOf(info *jetstream.StreamInfo) (first, last uint64) {
	s := info.State
	switch {
	case s.Msgs > 0:
		return s.FirstSeq, s.LastSeq
	case s.LastSeq == 0 && info.Config.FirstSeq > 0: // it was never written to
		return info.Config.FirstSeq, info.Config.FirstSeq - 1
	}
	return s.LastSeq + 1, s.LastSeq
}

func (l *Log) name(s *shard) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream
}
