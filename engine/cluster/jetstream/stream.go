package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/wirepost/wirepost/engine/cluster"
)

// permanent is an error that waiting does not help against.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

func permanentf(format string, args ...any) error { return permanent{fmt.Errorf(format, args...)} }

const (
	// openPause is the pause between attempts to open a stream.
	openPause = 250 * time.Millisecond
	// openTimeout limits one attempt. A server that does not know a leader yet is silent.
	openTimeout = 2 * time.Second
	// logFirst and logPause are when to log for what Open waits, first and again.
	logFirst = 2 * time.Second
	logPause = 10 * time.Second
)

// await calls f until it succeeds, fails for good, or ctx is done.
func (l *Log) await(ctx context.Context, what string, f func(context.Context) error) error {
	logAt := time.Now().Add(logFirst)
	for {
		attempt, cancel := context.WithTimeout(ctx, openTimeout)
		err := f(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if errors.As(err, &permanent{}) {
			return fmt.Errorf("%s: %w", what, err)
		}
		if time.Now().After(logAt) {
			logAt = time.Now().Add(logPause)
			l.logger.Warn("waiting for "+what, "reason", l.reason(err))
		}
		select {
		case <-time.After(openPause):
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w: %s", what, context.Cause(ctx), l.reason(err))
		}
	}
}

// reason says why the log is not available.
func (l *Log) reason(err error) string {
	if s := l.options.Server; s != nil {
		if waiting := s.Waiting(); waiting != "" {
			return waiting
		}
	}
	return err.Error()
}

// Error codes of JetStream, from the errors.json of nats-server.
const (
	codeNoPeers      = 10005 // no suitable peers for placement
	codeNameInUse    = 10058
	codeOverlap      = 10065 // the subjects overlap with those of another stream
	codeNotClustered = 10074 // several replicas need a cluster
)

// lasting makes those errors permanent that remain until someone changes the settings.
func (l *Log) lasting(s *shard, err error) error {
	api := (*jetstream.APIError)(nil)
	if !errors.As(err, &api) {
		return err
	}
	switch {
	case api.ErrorCode == codeNotClustered:
		return permanentf("%d replicas are required, but there is only one NATS server: %w", l.options.Replicas, err)
	case api.ErrorCode == codeNoPeers, api.ErrorCode == codeNameInUse, api.Code >= 500:
		return err // servers are starting, or another node has just made the stream
	case api.ErrorCode == codeOverlap && l.inMemory(s):
		return err // another node has just made it
	}
	return permanent{err}
}

// shardsKey is where the metadata of a stream have the number of shards.
const shardsKey = "wirepost.shards"

// config returns the configuration of a shard's stream.
func (l *Log) config(s *shard) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: s.stream, Subjects: []string{s.subject},
		Description: fmt.Sprintf("Wirepost cluster %s, log of shard %d", l.options.Name, s.number),
		Metadata:    map[string]string{shardsKey: strconv.Itoa(l.options.Shards)},
		Storage:     jetstream.FileStorage, Replicas: l.options.Replicas,
		Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew,
		AllowDirect: true,
		RePublish:   &jetstream.RePublish{Source: s.subject, Destination: s.live},
		DenyDelete:  true, // an entry that is missing in the middle would stop every replica
	}
}

// open opens the stream of a shard, and makes it if it is not there.
func (l *Log) open(ctx context.Context, s *shard) error {
	if l.inMemory(s) {
		return l.openMemory(ctx, s)
	}
	want := l.config(s)
	stream, err := l.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = l.js.CreateStream(ctx, want)
	}
	if err != nil {
		return l.lasting(s, err)
	}
	return l.opened(s, stream, &want)
}

// opened checks the configuration of a stream, and uses it.
func (l *Log) opened(s *shard, stream jetstream.Stream, want *jetstream.StreamConfig) error {
	info := stream.CachedInfo()
	if err := compare(&info.Config, want); err != nil {
		return err
	}
	s.mu.Lock()
	s.stream = want.Name
	s.mu.Unlock()
	s.setLeader(info)
	return nil
}

// compare says in what a stream differs from what is expected.
func compare(got, want *jetstream.StreamConfig) error {
	for _, setting := range []struct {
		name      string
		got, want any
	}{
		{"shards", got.Metadata[shardsKey], want.Metadata[shardsKey]},
		{"replicas", got.Replicas, want.Replicas},
		{"storage", got.Storage, want.Storage},
		{"retention", got.Retention, want.Retention},
		{"discard", got.Discard, want.Discard},
		{"subjects", fmt.Sprint(got.Subjects), fmt.Sprint(want.Subjects)},
		{"allow direct", got.AllowDirect, want.AllowDirect},
		{"republish", republished(got), republished(want)},
		{"maximum messages", max(got.MaxMsgs, 0), max(want.MaxMsgs, 0)},
		{"maximum bytes", max(got.MaxBytes, 0), max(want.MaxBytes, 0)},
		{"maximum age", got.MaxAge, want.MaxAge},
		{"maximum message size", max(got.MaxMsgSize, 0), max(want.MaxMsgSize, 0)},
		{"messages per subject", max(got.MaxMsgsPerSubject, 0), max(want.MaxMsgsPerSubject, 0)},
		{"mirror", got.Mirror != nil, false},
		{"sealed", got.Sealed, false},
	} {
		if setting.got != setting.want {
			return permanentf("the stream %s exists with other settings: its %s is %v, this node needs %v",
				got.Name, setting.name, quoted(setting.got), quoted(setting.want))
		}
	}
	return nil
}

func republished(c *jetstream.StreamConfig) string {
	if c.RePublish == nil {
		return ""
	}
	return c.RePublish.Source + " to " + c.RePublish.Destination
}

// quoted shows that a text is empty.
func quoted(v any) any {
	if v == "" {
		return "not set"
	}
	return v
}

// youngMemory is the age up to which an empty stream is believed to be new.
const youngMemory = 3 * time.Second

// openMemory opens the stream of memory-only channels. JetStream keeps its configuration
// when all servers stop, but not its messages, so its positions would begin again with the
// same one. Such a stream is replaced by one with a later name and later positions. That
// name is expected of all proposals, so no node proposes to the other one.
func (l *Log) openMemory(ctx context.Context, s *shard) error {
	known := s.known.Load()
	name, err := l.js.StreamNameBySubject(ctx, s.subject)
	if err == nil {
		stream, err := l.js.Stream(ctx, name)
		if err != nil {
			return err
		}
		info := stream.CachedInfo()
		first, last := boundsOf(info)
		empty := last+1 == info.Config.FirstSeq && cluster.MemoryStart(time.Now().Add(-youngMemory)) > first
		if err := s.confirm(ctx, known, last); err != nil {
			return err
		}
		if !empty && last >= known {
			want := l.memoryConfig(s, info.Config.FirstSeq)
			return l.opened(s, stream, &want)
		}
		l.logger.Warn("the log of memory-only channels was lost: it begins anew", "stream", name)
		if err := l.js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
	} else if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err
	}
	want := l.memoryConfig(s, max(cluster.MemoryStart(time.Now()), known+1))
	stream, err := l.js.CreateStream(ctx, want)
	if err != nil {
		return l.lasting(s, err)
	}
	return l.opened(s, stream, &want)
}

func (l *Log) memoryConfig(s *shard, first uint64) jetstream.StreamConfig {
	c := l.config(s)
	c.Name = fmt.Sprintf("WIREPOST_%s_memory_%d", l.options.Name, first)
	c.Description = fmt.Sprintf("Wirepost cluster %s, log of memory-only channels", l.options.Name)
	c.Storage, c.Discard, c.DenyDelete = jetstream.MemoryStorage, jetstream.DiscardOld, false
	c.MaxBytes, c.FirstSeq = memoryBytes, first
	return c
}
