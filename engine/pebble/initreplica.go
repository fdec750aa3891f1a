package pebble

import (
	"context"
	"errors"
	"fmt"

	"github.com/wirepost/wirepost/engine/pebble/internal/committer"
	"github.com/wirepost/wirepost/engine/pebble/internal/directory"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
)

// ErrNotReplica says that a store has data that did not come from the log of a cluster.
var ErrNotReplica = errors.New("the store has data and is not a replica of a cluster: `wirepost cluster init` makes it the first one of a new cluster, and a node that joins a cluster needs an empty directory")

// InitReplica makes a store, which must not be open, the first replica of a new cluster:
// one that has applied nothing of the log yet. It keeps its data and its epoch. It refuses
// a directory without a store, a store without data, for which nothing is to be done, and
// one that is a replica already. A crash leaves either a store or a replica. Open makes a
// store of it again.
func InitReplica(dir string, shards int, o Options) error {
	o.complete()
	if err := initReplica(dir, shards, o); err != nil {
		return fmt.Errorf("make %s the first replica of a cluster: %w", dir, err)
	}
	return nil
}

func initReplica(dir string, shards int, o Options) error {
	if shards < 1 {
		return fmt.Errorf("%d shards", shards)
	}
	names, err := o.FS.List(dir)
	if err != nil {
		return err
	}
	if !directory.IsStore(names) && !directory.Replacing(names) {
		return errors.New("it is not a wirepost store")
	}
	r, err := OpenReplica(dir, shards, func(string) int { return 0 }, o)
	if err != nil {
		return err
	}
	return errors.Join(r.init(), r.Close())
}

// init stores that no shard has been applied.
func (r *Replica) init() error {
	if r.positions.followed {
		return errors.New("it is a replica of a cluster already")
	}
	data, err := r.hasData()
	switch {
	case err != nil:
		return err
	case !data:
		return errors.New("it has no data: a node can be started with an empty directory")
	}
	last, err := r.lastTime()
	if err != nil {
		return err
	}
	return r.committer.Do(context.Background(), committer.Mode{Sync: true}, nil, func(c *stage.Changes) error {
		at := format.Applied{Time: last.UnixMilli()}
		for i := range r.positions.shards {
			c.SetApplied(i, at)
		}
		return nil
	})
}

// hasData reports whether the store has channels or users.
func (r *Replica) hasData() (bool, error) {
	channels, err := r.ListChannels(context.Background(), "", "", 1)
	if err != nil || len(channels) > 0 {
		return len(channels) > 0, err
	}
	users, err := r.ListUsers(context.Background(), "", "", 1)
	return len(users) > 0, err
}
