package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	connectTimeout = 5 * time.Second // for each host
	idleTime       = time.Minute     // after which a connection is closed
	PingTimeout    = 3 * time.Second // of a connection that was idle
)

// parameters are set in every session.
var parameters = map[string]string{
	// How long a proposal waits for the one before it, which may wait for a standby that
	// is gone. It is less than the engine waits for a proposal, so that those that were
	// given up do not pile up on the server.
	"lock_timeout": "4s",
	// A proposal takes the counter of its shard as the one before left it.
	"default_transaction_isolation": "read committed",
	// It would end the wait for a synchronous standby, see guard.
	"statement_timeout": "0",
	// The server closes the session of a node that is gone, with its locks.
	"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3",
}

// configure parses a URL.
func (d *DB) configure(url string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the URL of PostgreSQL: %w", err) // without the password
	}
	config.MaxConnIdleTime = idleTime
	config.PingTimeout = PingTimeout
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		d.guard(&c.Config)
		return nil
	}
	config.AfterConnect = d.Check
	c := config.ConnConfig
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	if c.ValidateConnect == nil {
		c.ValidateConnect = readWrite
	}
	c.OnNotice = func(conn *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			conn.CustomData()[warningKey] = n.Message
		}
	}
	for name, value := range parameters {
		c.RuntimeParams[name] = value
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "wirepost"
	}
	return config, nil
}

// readWrite refuses a server that does not accept writes, so that the next one of the URL
// is tried.
func readWrite(ctx context.Context, conn *pgconn.PgConn) error {
	err := pgconn.ValidateConnectTargetSessionAttrsReadWrite(ctx, conn)
	if errors.Is(err, pgconn.ErrReadOnlyConnection) {
		return errReadOnly
	}
	return err
}

// guard makes the sockets of a connection close with the database, and prevents the
// connection from asking the server to cancel its statement, which pgx does when the
// context of the statement ends. A proposal that waits for a synchronous standby must
// keep the shard locked: were it canceled, its entry would stay in the table, and every
// attempt to propose it again would add another one.
func (d *DB) guard(c *pgconn.Config) {
	var connected atomic.Bool
	dial, after := c.DialFunc, c.AfterConnect
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if connected.Load() {
			return nil, errors.New("statements are not canceled")
		}
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &socket{conn, context.AfterFunc(d.sockets, func() { conn.Close() })}, nil
	}
	c.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		connected.Store(true)
		if after != nil {
			return after(ctx, conn)
		}
		return nil
	}
}

type socket struct {
	net.Conn
	forget func() bool
}

func (s *socket) Close() error {
	s.forget()
	return s.Conn.Close()
}

// Dedicated makes a connection that is not of the pool.
func (d *DB) Dedicated(ctx context.Context) (*pgx.Conn, error) {
	config := d.config.Copy()
	d.guard(&config.Config)
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := d.Check(ctx, conn); err != nil {
		CloseConn(conn)
		return nil, err
	}
	return conn, nil
}

// CloseConn closes a connection, without waiting for a server that does not respond.
func CloseConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn.Close(ctx) //nolint:errcheck // it is gone either way
}
