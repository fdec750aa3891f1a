// Package database connects a node to its database: it has the pool of connections, checks
// the server behind each of them, and says which errors an operator has to mend. It knows
// neither the log nor the bus.
package database

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

// DB is the connections to a database, and what all of them have in common. All methods
// are safe for concurrent use.
type DB struct {
	Logger *slog.Logger
	Pool   *pgxpool.Pool
	Ctx    context.Context // ends with Close

	single  bool            // one copy is accepted
	config  *pgx.ConnConfig // of connections that are not of the pool
	stop    context.CancelCauseFunc
	sockets context.Context // closes all sockets
	abort   context.CancelFunc
	running sync.WaitGroup

	found atomic.Pointer[findings]
}

const (
	// CallTimeout limits each statement.
	CallTimeout = 10 * time.Second
	// ConnectPause is the pause after a connection that failed.
	ConnectPause = 250 * time.Millisecond
	// closeTimeout is how long Close waits for connections to be closed as the server
	// expects it.
	closeTimeout = time.Second
)

// New makes a DB with at most so many connections in its pool, which are made when they are
// needed. With single a server without a synchronous standby is accepted.
func New(url string, connections int, single bool, logger *slog.Logger) (*DB, error) {
	d := &DB{Logger: logger, single: single}
	d.Ctx, d.stop = context.WithCancelCause(context.Background())
	d.sockets, d.abort = context.WithCancel(context.Background())
	config, err := d.configure(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(connections)
	d.config = config.ConnConfig
	if d.Pool, err = pgxpool.NewWithConfig(d.Ctx, config); err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return d, nil
}

// Go runs a function, whose end Close waits for.
func (d *DB) Go(f func()) { d.running.Go(f) }

// Close ends all calls and closes all connections.
func (d *DB) Close() {
	d.stop(ErrClosed)
	timer := time.AfterFunc(closeTimeout, d.abort)
	defer timer.Stop()
	d.running.Wait()
	d.Pool.Close()
	d.abort()
}

// Limit returns ctx with a timeout, which is done with the database as well.
func (d *DB) Limit(ctx context.Context, timeout time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	stop := context.AfterFunc(d.Ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// Row makes a query that returns a row. The context must have a limit.
func (d *DB) Row(ctx context.Context, sql string, args []any, to ...any) error {
	return d.Pool.QueryRow(ctx, sql, args...).Scan(to...)
}

// warningKey is where a connection has the last warning of the server.
const warningKey = "wirepost.warning"

// Durable is Row for a statement that changes something, and fails if that is not as
// durable as the server is to make it. If the wait for a standby is canceled, the server
// reports success, but warns.
func (d *DB) Durable(ctx context.Context, sql string, args []any, to ...any) error {
	conn, err := d.Pool.Acquire(ctx)
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

// Explain says what a statement may have waited for when its time was over.
func (d *DB) Explain(err error) error {
	if errors.Is(err, context.DeadlineExceeded) && d.found.Load().synchronous {
		return fmt.Errorf("PostgreSQL does not commit, which waits for a standby of synchronous_standby_names: %w", err)
	}
	return err
}
