package cluster

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// Join opens the replica in a store, and starts a node with it, as Open does. If the log
// does not lead from the replica to the present, it first replaces the store by a snapshot
// of another node: because the store is empty and the cluster began with data or the log
// was trimmed, because the node was away for longer than the log reaches back, because the
// log was repaired without it, or because it is damaged. The old store remains until the
// snapshot is complete. O.Replica is not used. Progress is called while a snapshot is
// fetched; nil: it is not.
func Join(ctx context.Context, store engine.ReplicaStore, o Options, progress func(Progress)) (*Engine, error) {
	o.complete()
	for fetched := 0; ; fetched++ {
		e, err := joinOnce(ctx, store, o)
		if err == nil || ctx.Err() != nil || o.Bus == nil || !needsSnapshot(err) || fetched == maxFetches {
			return e, err
		}
		o.Logger.Warn("the store of this node is replaced by a snapshot of another node", "because", err)
		if err := o.fetch(ctx, store, progress); err != nil {
			return nil, fmt.Errorf("fetch a snapshot: %w", err)
		}
	}
}

// maxFetches is how often a store is replaced. More than once is needed if the log is
// trimmed further than to the snapshot before that is opened.
const maxFetches = 3

func joinOnce(ctx context.Context, store engine.ReplicaStore, o Options) (*Engine, error) {
	replica, err := store.Open()
	if err != nil {
		return nil, err
	}
	o.Replica = replica
	var e *Engine
	if err = o.reached(ctx); err == nil {
		e, err = Open(ctx, o)
	}
	if err != nil {
		return nil, errors.Join(err, replica.Close())
	}
	return e, nil
}

// needsSnapshot reports whether an error goes away with a snapshot.
func needsSnapshot(err error) bool {
	return errors.Is(err, ErrTrimmed) || errors.Is(err, ErrForked) || errors.Is(err, engine.ErrDamaged) || errors.Is(err, engine.ErrOutdated)
}

// outdate has the next start fetch a snapshot, if that helps against the error by which a
// shard has stopped: the start may not meet the error before the node is in use.
func (e *Engine) outdate(err error) {
	r, ok := e.Replica.(engine.Snapshotter)
	if !ok || !needsSnapshot(err) {
		return
	}
	if err := r.Outdate(err.Error()); err != nil {
		e.logger.Warn("cannot record that this replica needs a snapshot", "error", err)
	}
}

// reached returns an error if the log is known not to lead from the replica to the present.
// Whatever else there is to say about the log, Open says.
func (o *Options) reached(ctx context.Context) error {
	e := &Engine{node: o.Node, log: o.Log, logger: o.Logger, level: o.level}
	for i := range o.Shards {
		s, err := newShard(e, i, o.Replica)
		if err != nil {
			return err
		}
		if s.note.Epoch == "" {
			continue // Open reads the log from its beginning
		}
		if _, _, _, err := s.check(ctx, s.at); needsSnapshot(err) {
			return fmt.Errorf("shard %d: %w", i, err)
		}
	}
	return nil
}

// fetch replaces the store by a snapshot. Meanwhile it announces what this node does.
func (o *Options) fetch(ctx context.Context, store engine.ReplicaStore, progress func(Progress)) error {
	a := announcer{o: o, run: rand.Text(), changed: make(chan struct{}, 1)}
	if err := a.free(ctx); err != nil {
		return err
	}
	stop := a.start(ctx)
	defer stop()
	f := fetcher{cluster: o.Name, node: o.Node, bus: o.Bus, logger: o.Logger, report: func(p Progress) {
		a.set(p)
		if progress != nil {
			progress(p)
		}
	}}
	began := time.Now()
	if err := f.run(ctx, store); err != nil {
		return err
	}
	o.Logger.Info("a snapshot is installed", "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// announcer announces a node that fetches a snapshot.
type announcer struct {
	o       *Options
	run     string
	changed chan struct{}

	mu sync.Mutex
	p  Progress
}

// free returns an error if another node has the name of this one.
func (a *announcer) free(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	if _, err := a.o.Bus.Request(ctx, nameTopic(a.o.Node), nil); err == nil {
		return fmt.Errorf("%w: %s", ErrNameTaken, a.o.Node)
	}
	return nil
}

func (a *announcer) set(p Progress) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.Source != a.p.Source {
		select {
		case a.changed <- struct{}{}:
		default:
		}
	}
	a.p = p
}

// start announces the node until stop is called.
func (a *announcer) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(announceEvery)
		defer ticker.Stop()
		for ctx.Err() == nil {
			a.announce(ctx)
			select {
			case <-ticker.C:
			case <-a.changed:
			case <-ctx.Done():
			}
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

func (a *announcer) announce(ctx context.Context) {
	a.mu.Lock()
	p := a.p
	a.mu.Unlock()
	data, err := json.Marshal(&announcement{
		Node: a.o.Node, Run: a.run, State: engine.NodeSnapshot, Reason: p.String(), Version: a.o.Version, URL: a.o.URL,
	})
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	if err := a.o.Bus.Publish(ctx, announceTopic, data); err != nil {
		a.o.Logger.Debug("cannot announce this node", "error", err)
	}
}
