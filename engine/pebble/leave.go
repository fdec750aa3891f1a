package pebble

import (
	"context"

	"github.com/wirepost/wirepost/engine/pebble/internal/committer"
	"github.com/wirepost/wirepost/engine/pebble/internal/directory"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
)

// leaveLog makes a store that followed a log one that does not: from now on it changes
// without it.
func (e *Engine) leaveLog() error {
	followed := false
	prefix := []byte{format.ShardPrefix}
	err := format.ScanPrefix(context.Background(), e.db, prefix, prefix, func(key, value []byte) error {
		followed = true
		return format.ErrStop
	})
	if err != nil || !followed {
		return err
	}
	if err := directory.ForgetOutdated(e.fs, e.dir); err != nil {
		return err
	}
	e.log.Warn("this store followed the log of a cluster; from now on it is a store of its own, and cannot go back: to join the cluster again, a node needs an empty directory")
	return e.committer.Do(context.Background(), committer.Mode{Sync: true}, nil, func(c *stage.Changes) error {
		c.DeleteRange(prefix, format.Successor(prefix))
		return nil
	})
}
