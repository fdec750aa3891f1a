package postgres

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/postgres/internal/database"
)

const (
	// trimStep is how many entries one statement removes.
	trimStep = 256
	// memoryKept is how many entries the log in memory keeps, and memoryTrim how often it
	// removes those before.
	memoryKept = 1024
	memoryTrim = 64
)

// Log is a cluster.Log. All methods are safe for concurrent use.
type Log struct {
	db       *database.DB
	schema   *schema
	shards   []*shard
	proposed func(shard int, position uint64)
}

var (
	_ cluster.Log     = (*Log)(nil)
	_ cluster.Leaders = (*Log)(nil)
)

// shard is a shard of the log, as this node knows it.
type shard struct {
	number int
	memory bool
	head   head
	*statements
}

// statements are those of a pair of tables. Their first arguments are the cluster and the
// shard.
type statements struct{ propose, read, bounds, confirm, first, restart, oldest, remove string }

func statementsOf(counters, entries string) *statements {
	const this = ` WHERE cluster = $1 AND shard = $2`
	return &statements{
		// The row of the counter is locked until the commit, and a commit becomes visible
		// in that time, so nobody sees an entry before those before it.
		propose: `WITH next AS (UPDATE ` + counters + ` SET last = last + 1` + this + ` RETURNING last)
			INSERT INTO ` + entries + ` SELECT $1, $2, last, clock_timestamp(), $3 FROM next RETURNING position, at`,
		// Nothing that was trimmed is read, although it may not be removed yet.
		read: `SELECT position, at, data FROM ` + entries + this + ` AND position > $3 AND position <= $4
			AND EXISTS (SELECT FROM ` + counters + this + ` AND first <= $3 + 1) ORDER BY position LIMIT $5`,
		bounds:  `SELECT first, last FROM ` + counters + this,
		confirm: `UPDATE ` + counters + ` SET last = last` + this + ` RETURNING first, last`,
		first:   `UPDATE ` + counters + ` SET first = least($3, last) + 1` + this + ` AND first <= $3`,
		restart: `UPDATE ` + counters + ` SET first = $3 + 1, last = $3` + this + ` RETURNING first, last`,
		oldest:  `SELECT min(position) FROM ` + entries + this,
		remove:  `DELETE FROM ` + entries + this + ` AND position >= $3 AND position < $4`,
	}
}

var (
	durableStatements = statementsOf("wirepost_shard", "wirepost_log")
	memoryStatements  = statementsOf("wirepost_memory_shard", "wirepost_memory")
)

// newLog makes a log, which calls proposed with the positions of its entries.
func newLog(sc *schema, proposed func(shard int, position uint64)) *Log {
	l := &Log{db: sc.db, schema: sc, proposed: proposed}
	for i := range sc.shards + 1 {
		s := &shard{number: i, memory: i == sc.shards, statements: durableStatements}
		if s.memory {
			s.statements = memoryStatements
		}
		s.head.grown = make(chan struct{})
		l.shards = append(l.shards, s)
	}
	return l
}

// Leaders implements cluster.Leaders: the server leads all shards.
func (l *Log) Leaders() map[int]string {
	server := l.db.Server()
	leaders := make(map[int]string, l.schema.shards)
	for i := range l.schema.shards {
		leaders[i] = server
	}
	return leaders
}

// Propose implements cluster.Log. The entry is committed as durably as the database does
// that. A context that ends does not end the statement on the server.
func (l *Log) Propose(ctx context.Context, shard int, data []byte) error {
	ctx, cancel := l.db.Limit(ctx, database.CallTimeout)
	defer cancel()
	s := l.shards[shard]
	entry := cluster.Entry{Data: append([]byte(nil), data...)}
	var at time.Time
	err := l.row(ctx, s, l.db.Durable, s.propose, []any{data}, &entry.Position, &at)
	if err != nil {
		return l.db.Explain(err)
	}
	entry.Time = at.UnixMilli()
	s.head.raise(entry.Position, &entry)
	l.proposed(shard, entry.Position)
	if s.memory && entry.Position%memoryTrim == 0 {
		if err := l.Trim(ctx, shard, entry.Position-memoryKept); err != nil {
			l.db.Logger.Debug("the log in memory was not trimmed", "error", err)
		}
	}
	return nil
}

// row makes a query about a shard that must return a row. The log in memory begins anew
// when it has none.
func (l *Log) row(ctx context.Context, s *shard, query func(context.Context, string, []any, ...any) error, sql string, args []any, to ...any) error {
	args = append([]any{l.schema.cluster, s.number}, args...)
	err := query(ctx, sql, args, to...)
	if errors.Is(err, pgx.ErrNoRows) && s.memory {
		if err = l.schema.createMemory(ctx, s.head.known()); err == nil {
			err = query(ctx, sql, args, to...)
		}
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return database.Refused("the database has no shard %d of the cluster %q any more", s.number, l.schema.cluster)
	}
	return err
}

// exec makes a change of a shard.
func (l *Log) exec(ctx context.Context, s *shard, sql string, args ...any) error {
	ctx, cancel := l.db.Limit(ctx, database.CallTimeout)
	defer cancel()
	_, err := l.db.Pool.Exec(ctx, sql, append([]any{l.schema.cluster, s.number}, args...)...)
	return err
}

// Bounds implements cluster.Log.
func (l *Log) Bounds(ctx context.Context, shard int) (first, last uint64, err error) {
	ctx, cancel := l.db.Limit(ctx, database.CallTimeout)
	defer cancel()
	s := l.shards[shard]
	known := s.head.known()
	if err = l.row(ctx, s, l.db.Row, s.bounds, nil, &first, &last); err != nil || last >= known {
		return first, last, err
	}
	if s.memory { // what nodes have seen must not come again
		err = l.row(ctx, s, l.db.Row, s.restart, []any{known}, &first, &last)
		return first, last, err
	}
	s.head.lower(known, last)
	return first, last, nil
}

// Trim implements cluster.Log. The log begins later at once, then the entries are removed
// in steps. What is not removed if that fails is removed by the next Trim.
func (l *Log) Trim(ctx context.Context, shard int, through uint64) error {
	s := l.shards[shard]
	if err := l.exec(ctx, s, s.first, through); err != nil {
		return err
	}
	return l.remove(ctx, s)
}

// remove removes the entries before the first one, in steps.
func (l *Log) remove(ctx context.Context, s *shard) error {
	first, _, err := l.Bounds(ctx, s.number)
	if err != nil {
		return err
	}
	for {
		oldest, err := l.oldest(ctx, s)
		if err != nil || oldest == nil || *oldest >= first {
			return err
		}
		if err := l.exec(ctx, s, s.remove, *oldest, min(*oldest+trimStep, first)); err != nil {
			return err
		}
	}
}

// oldest returns the position of the first row of a shard, or nil.
func (l *Log) oldest(ctx context.Context, s *shard) (oldest *uint64, err error) {
	ctx, cancel := l.db.Limit(ctx, database.CallTimeout)
	defer cancel()
	err = l.db.Row(ctx, s.statements.oldest, []any{l.schema.cluster, s.number}, &oldest)
	return oldest, err
}

// Restart implements cluster.Log.
func (l *Log) Restart(ctx context.Context, shard int, after uint64) error {
	s := l.shards[shard]
	known := s.head.known()
	limited, cancel := l.db.Limit(ctx, database.CallTimeout)
	defer cancel()
	var first, last uint64
	if err := l.row(limited, s, l.db.Durable, s.restart, []any{after}, &first, &last); err != nil {
		return err
	}
	s.head.lower(known, last)
	return l.remove(ctx, s)
}

// Follow implements cluster.Log. It waits while the database cannot be reached, and yields
// an error when that does not help.
func (l *Log) Follow(ctx context.Context, shard int, after uint64) iter.Seq2[cluster.Entry, error] {
	return func(yield func(cluster.Entry, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(l.db.Ctx, func() { cancel(database.ErrClosed) })()
		f := follower{l: l, s: l.shards[shard], after: after, limit: minRead, poll: time.NewTimer(pollEvery)}
		defer f.poll.Stop()
		if err := f.run(ctx, yield); err != nil {
			yield(cluster.Entry{}, err)
		}
	}
}
