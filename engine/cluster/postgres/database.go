package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// database is the connections to a database, and what all of them have in common.
type database struct {
	// Static.
	cluster string
	shards  int
	logger  *slog.Logger
	config  *pgx.ConnConfig // of the connection that listens
	pool    *pgxpool.Pool

	ctx     context.Context // ends with close
	stop    context.CancelCauseFunc
	sockets context.Context // closes all sockets
	abort   context.CancelFunc
	running sync.WaitGroup

	found atomic.Pointer[findings]
}

const (
	// callTimeout limits each statement.
	callTimeout = 10 * time.Second
	// connectPause is the pause after a connection that failed.
	connectPause = 250 * time.Millisecond
	// closeTimeout is how long close waits for connections to be closed as the server
	// expects it.
	closeTimeout = time.Second
)

var errClosed = errors.New("the connection to the database is closed")

// connect makes a database, whose connections are made when they are needed.
func connect(url string, o *Options) (*database, error) {
	d := &database{cluster: o.Cluster, shards: o.Shards, logger: o.Logger}
	d.ctx, d.stop = context.WithCancelCause(context.Background())
	d.sockets, d.abort = context.WithCancel(context.Background())
	config, err := d.configure(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(o.Connections)
	d.config = config.ConnConfig
	if d.pool, err = pgxpool.NewWithConfig(d.ctx, config); err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return d, nil
}

// prepare creates what is missing in the database, and waits for it until ctx is done.
func (d *database) prepare(ctx context.Context) (channels, error) {
	logged := ""
	for {
		c, err := d.createAll(ctx)
		if err == nil || final(err) {
			return c, err
		}
		if ctx.Err() != nil {
			return c, fmt.Errorf("PostgreSQL cannot be used: %w", err)
		}
		if text := err.Error(); text != logged {
			d.logger.Warn("PostgreSQL cannot be used yet", "error", text)
			logged = text
		}
		select {
		case <-time.After(connectPause):
		case <-ctx.Done():
		}
	}
}

// close ends all calls and closes all connections.
func (d *database) close() {
	d.stop(errClosed)
	timer := time.AfterFunc(closeTimeout, d.abort)
	defer timer.Stop()
	d.running.Wait()
	d.pool.Close()
	d.abort()
}

// limit returns ctx with a timeout, which is done with the database as well.
func (d *database) limit(ctx context.Context, timeout time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	stop := context.AfterFunc(d.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// row makes a query that returns a row. The context must have a limit.
func (d *database) row(ctx context.Context, sql string, args []any, to ...any) error {
	return d.pool.QueryRow(ctx, sql, args...).Scan(to...)
}

// warningKey is where a connection has the last warning of the server.
const warningKey = "wirepost.warning"

// durable is row for a statement that changes something, and fails if that is not as
// durable as the server is to make it. If the wait for a standby is canceled, the server
// reports success, but warns.
func (d *database) durable(ctx context.Context, sql string, args []any, to ...any) error {
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	data := conn.Conn().PgConn().CustomData()
	delete(data, warningKey)
	if err := conn.QueryRow(ctx, sql, args...).Scan(to...); err != nil {
		return err
	}
	if warning, ok := data[warningKey]; ok {
		return fmt.Errorf("PostgreSQL did not wait for a standby: %s", warning)
	}
	return nil
}
