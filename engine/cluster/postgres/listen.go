package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/wirepost/wirepost/engine/cluster/postgres/internal/database"
)

// checkEvery is how often the server is checked again, and with it the connection.
const checkEvery = 5 * time.Second

// listener receives notifications until the database is closed, over one connection at a
// time, which also holds the locks of topics.
type listener struct {
	db       *database.DB
	channels channels
	log      *Log
	bus      *Bus
	begun    chan struct{} // closed when it listens for the first time

	mu        sync.Mutex
	changed   bool               // the topics are not those of the last look
	interrupt context.CancelFunc // ends a wait for a notification; nil: there is none
}

func newListener(d *database.DB, c channels) *listener {
	return &listener{db: d, channels: c, begun: make(chan struct{})}
}

func (l *listener) start(log *Log, bus *Bus) {
	l.log, l.bus = log, bus
	l.db.Go(l.run)
}

// subscribed is called when the topics of the bus have changed.
func (l *listener) subscribed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed = true
	if l.interrupt != nil {
		l.interrupt()
	}
}

func (l *listener) run() {
	logged := ""
	begin := sync.OnceFunc(func() { close(l.begun) })
	for l.db.Ctx.Err() == nil {
		err := l.listen(func() { logged = ""; begin() })
		if l.db.Ctx.Err() != nil {
			return
		}
		if text := err.Error(); text != logged {
			l.db.Logger.Warn("notifications of PostgreSQL are interrupted", "error", text)
			logged = text
		}
		select {
		case <-time.After(database.ConnectPause):
		case <-l.db.Ctx.Done():
		}
	}
}

// listen receives notifications until its connection breaks.
func (l *listener) listen(begun func()) error {
	ctx, cancel := l.db.Limit(l.db.Ctx, database.CallTimeout)
	defer cancel()
	conn, err := l.db.Dedicated(ctx)
	if err != nil {
		return err
	}
	defer database.CloseConn(conn)
	for _, channel := range [...]string{l.channels.all, l.channels.own} {
		if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return err
		}
	}
	for _, s := range l.log.shards {
		s.head.miss()
	}
	l.bus.miss()
	begun()
	held, checked := map[topicLock]bool{}, time.Now()
	for {
		if err := l.hold(conn, held); err != nil {
			return err
		}
		if time.Since(checked) >= checkEvery {
			if err := l.check(conn); err != nil {
				return err
			}
			checked = time.Now()
		}
		n, err := l.next(conn, checked.Add(checkEvery))
		if err != nil {
			return err
		}
		if n != nil {
			l.notified(n)
		}
	}
}

// hold makes the connection hold the locks of the topics.
func (l *listener) hold(conn *pgx.Conn, held map[topicLock]bool) error {
	l.mu.Lock()
	changed := l.changed || len(held) == 0
	l.changed = false
	l.mu.Unlock()
	if !changed {
		return nil
	}
	ctx, cancel := l.db.Limit(l.db.Ctx, database.CallTimeout)
	defer cancel()
	return hold(ctx, conn, held, l.bus.locks())
}

// check checks the server. If it cannot be used any more, all connections to it are closed.
func (l *listener) check(conn *pgx.Conn) error {
	ctx, cancel := l.db.Limit(l.db.Ctx, database.PingTimeout)
	defer cancel()
	err := l.db.Check(ctx, conn)
	if err != nil {
		l.db.Pool.Reset()
	}
	return err
}

// next waits for a notification. It returns nil at the deadline, and when topics have
// changed.
func (l *listener) next(conn *pgx.Conn, deadline time.Time) (*pgconn.Notification, error) {
	ctx, cancel := l.db.Limit(l.db.Ctx, time.Until(deadline))
	defer cancel()
	l.mu.Lock()
	if l.changed {
		l.mu.Unlock()
		return nil, nil
	}
	l.interrupt = cancel
	l.mu.Unlock()
	n, err := conn.WaitForNotification(ctx)
	l.mu.Lock()
	l.interrupt = nil
	l.mu.Unlock()
	if err != nil && ctx.Err() != nil && l.db.Ctx.Err() == nil && !conn.IsClosed() {
		return nil, nil
	}
	return n, err
}

// notified takes a notification: the end of shards, or a part of a message of the bus.
func (l *listener) notified(n *pgconn.Notification) {
	if n.Payload == "" {
		return
	}
	kind, rest := n.Payload[0], n.Payload[1:]
	switch kind {
	case kindEnds:
		for shard, position := range decodeEnds(rest) {
			if shard < len(l.log.shards) {
				l.log.shards[shard].head.raise(position, nil)
			}
		}
	case kindPart:
		l.bus.receive(rest)
	}
}
