// Package postgres keeps the log of a cluster in a PostgreSQL database, and carries its
// bus over the same database.
//
// Open connects a node; Log and Bus are what a cluster.Engine needs. The entries of all
// shards are rows of one table. One statement takes the next position from the shard's row
// in another table, which stays locked until the transaction is committed, and inserts the
// entry, so positions have no holes and are in the order of the commits. Followers read by
// position. Notifications only wake them, so nothing depends on their arrival.
//
// An entry is as durable as the database makes a commit. A server that loses commits in a
// crash is refused (internal/database), and so is one without a synchronous standby, unless
// Options.Unreplicated accepts one copy. Where there is a synchronous standby, followers take
// only entries that it has, see head.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/wirepost/wirepost/engine/cluster/postgres/internal/database"
)

// Options configures a DB.
type Options struct {
	Cluster string // name of the cluster; one database can have several
	Shards  int    // of the cluster. The log has one more, which is not durable.
	// Connections is the most connections of this node, besides the one that listens for
	// notifications. 0: 2 for each shard.
	Connections int
	// Unreplicated accepts a server without a synchronous standby: one copy of what was
	// acknowledged. A node that runs accepts it in any case, with a warning: it may be the
	// standby of before, after a failover.
	Unreplicated bool
	Logger       *slog.Logger // nil: slog.Default()
}

// DB is a node's connection to the database of its cluster. All methods are safe for
// concurrent use.
type DB struct {
	log  *Log
	bus  *Bus
	stop func()
}

// ErrUnreplicated says that a server has no synchronous standby.
var ErrUnreplicated = database.ErrUnreplicated

// Open connects to a database, and creates the tables and the cluster in it if they are
// not there yet. The URL may name several hosts; the one that accepts writes is used. Open
// waits for a database that cannot be reached until ctx is done, and logs what it waits for.
func Open(ctx context.Context, url string, o Options) (*DB, error) {
	if o.Cluster == "" || o.Shards < 1 {
		return nil, errors.New("a cluster needs a name and at least one shard")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Connections <= 0 {
		o.Connections = 2 * (o.Shards + 1)
	}
	db, err := database.New(url, o.Connections, o.Unreplicated, o.Logger)
	if err != nil {
		return nil, err
	}
	sc := &schema{db: db, cluster: o.Cluster, shards: o.Shards}
	channels, err := sc.prepare(ctx)
	if err != nil {
		db.Close()
		return nil, err
	}
	s := newSender(db, channels.all)
	log := newLog(sc, s.wake)
	l := newListener(db, channels)
	bus := newBus(db, s, channels, l.subscribed)
	l.start(log, bus)
	db.Go(s.run)
	d := &DB{log, bus, func() { bus.close(); db.Close() }}
	select {
	case <-l.begun:
		return d, nil
	case <-ctx.Done():
		d.Close()
		return nil, fmt.Errorf("PostgreSQL cannot be used: %w", context.Cause(ctx))
	}
}

// Log returns the log of the cluster. Its shard with the number of shards is the one that
// is not durable.
func (d *DB) Log() *Log { return d.log }

// Bus returns the bus of the cluster.
func (d *DB) Bus() *Bus { return d.bus }

// Close ends all calls and closes all connections.
func (d *DB) Close() { d.stop() }
