package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/postgres/internal/database"
)

// layout is the version of the tables. A change of their shape is a new version.
const layout = 1

// tables are the tables in the order in which they are created, with their columns as the
// catalog shows them.
//
// The counters have one row for each shard: the positions of its first and its last
// entry. The rows are updated for every entry, so their pages have room for new versions,
// which are pruned without a vacuum. Entries are stored without compression, which would
// cost more than it saves for batches of small messages.
var tables = []struct{ name, columns, create string }{
	{
		"wirepost_version", "version integer",
		`CREATE TABLE wirepost_version (version integer NOT NULL)`,
	},
	{
		"wirepost_shard", "cluster text, shard integer, first bigint, last bigint",
		`CREATE TABLE wirepost_shard (cluster text, shard integer, first bigint NOT NULL, last bigint NOT NULL,
			PRIMARY KEY (cluster, shard)) WITH (fillfactor = 10)`,
	},
	{
		"wirepost_log", "cluster text, shard integer, position bigint, at timestamp with time zone, data bytea",
		`CREATE TABLE wirepost_log (cluster text, shard integer, position bigint, at timestamptz NOT NULL, data bytea NOT NULL,
			PRIMARY KEY (cluster, shard, position));
		ALTER TABLE wirepost_log ALTER data SET STORAGE EXTERNAL`,
	},
	{
		"wirepost_memory_shard", "cluster text, shard integer, first bigint, last bigint",
		`CREATE UNLOGGED TABLE wirepost_memory_shard (cluster text, shard integer, first bigint NOT NULL, last bigint NOT NULL,
			PRIMARY KEY (cluster, shard)) WITH (fillfactor = 10)`,
	},
	{
		"wirepost_memory", "cluster text, shard integer, position bigint, at timestamp with time zone, data bytea",
		`CREATE UNLOGGED TABLE wirepost_memory (cluster text, shard integer, position bigint, at timestamptz NOT NULL, data bytea NOT NULL,
			PRIMARY KEY (cluster, shard, position));
		ALTER TABLE wirepost_memory ALTER data SET STORAGE EXTERNAL`,
	},
}

// createLock is the advisory lock under which tables are created: "wirepost" as a number.
const createLock = 0x77697265706f7374

// channels are the channels of notifications.
type channels struct {
	all string // for all nodes of the cluster
	own string // for this node
}

// schema is what the database has of a cluster.
type schema struct {
	db      *database.DB
	cluster string
	shards  int
}

// prepare creates what is missing in the database, and waits for it until ctx is done.
func (s *schema) prepare(ctx context.Context) (channels, error) {
	logged := ""
	for {
		c, err := s.createAll(ctx)
		if err == nil || database.Final(err) {
			return c, err
		}
		if ctx.Err() != nil {
			return c, fmt.Errorf("PostgreSQL cannot be used: %w", err)
		}
		if text := err.Error(); text != logged {
			s.db.Logger.Warn("PostgreSQL cannot be used yet", "error", text)
			logged = text
		}
		select {
		case <-time.After(database.ConnectPause):
		case <-ctx.Done():
		}
	}
}

// createAll creates what is missing, and refuses what is of another shape.
func (s *schema) createAll(ctx context.Context) (c channels, err error) {
	ctx, cancel := s.db.Limit(ctx, database.CallTimeout)
	defer cancel()
	err = pgx.BeginFunc(ctx, s.db.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(createLock)); err != nil {
			return err
		}
		if err := createTables(ctx, tx); err != nil {
			return err
		}
		c, err = s.createShards(ctx, tx)
		return err
	})
	if err == nil {
		err = s.createMemory(ctx, 0)
	}
	if err != nil {
		return c, fmt.Errorf("the log in PostgreSQL: %w", err)
	}
	return c, nil
}

func createTables(ctx context.Context, tx pgx.Tx) error {
	found := 0
	for _, table := range tables {
		columns, err := columnsOf(ctx, tx, table.name)
		switch {
		case err != nil:
			return err
		case columns == "":
			continue
		case columns != table.columns:
			return database.Refused("the table %s has another shape (%s): it is not of this version of Wirepost", table.name, columns)
		}
		found++
	}
	switch found {
	case 0:
		for _, table := range tables {
			if _, err := tx.Exec(ctx, table.create, pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("create the table %s: %w", table.name, err)
			}
		}
		_, err := tx.Exec(ctx, `INSERT INTO wirepost_version VALUES ($1)`, layout)
		return err
	case len(tables):
	default:
		return database.Refused("some of Wirepost's tables are missing: %d of %d are there", found, len(tables))
	}
	var version int
	err := tx.QueryRow(ctx, `SELECT version FROM wirepost_version`).Scan(&version)
	if err == nil && version != layout {
		return database.Refused("the tables in PostgreSQL have version %d, this program knows %d", version, layout)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return database.Refused("the table wirepost_version is empty")
	}
	return err
}

// columnsOf returns the columns of a table; "" if there is none.
func columnsOf(ctx context.Context, tx pgx.Tx, table string) (string, error) {
	rows, err := tx.Query(ctx, `SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute
		WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`, table)
	if err != nil {
		return "", err
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(all, ", "), err
}

// createShards creates the shards of the cluster, and names its channels.
func (s *schema) createShards(ctx context.Context, tx pgx.Tx) (c channels, err error) {
	var count int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM wirepost_shard WHERE cluster = $1`, s.cluster).Scan(&count); err != nil {
		return c, err
	}
	if count != 0 && count != s.shards {
		return c, database.Refused("the cluster %q has %d shards in PostgreSQL, not %d", s.cluster, count, s.shards)
	}
	if count == 0 {
		if _, err := tx.Exec(ctx, `INSERT INTO wirepost_shard SELECT $1, s, 1, 0 FROM generate_series(0, $2) s`, s.cluster, s.shards-1); err != nil {
			return c, err
		}
	}
	// Notifications are for a whole database, tables for a schema of it.
	var table uint32
	if err := tx.QueryRow(ctx, `SELECT 'wirepost_log'::regclass::oid`).Scan(&table); err != nil {
		return c, err
	}
	h := fnv.New64a()
	h.Write([]byte(s.cluster)) //nolint:errcheck // it cannot fail
	c.all = fmt.Sprintf("wirepost_%d_%x", table, h.Sum64())
	c.own = "wirepost_" + strings.ToLower(rand.Text())
	return c, nil
}

// createMemory begins the log in memory after a position, unless it has begun. The database
// loses it when it crashes or fails over.
func (s *schema) createMemory(ctx context.Context, known uint64) error {
	start := max(cluster.MemoryStart(time.Now()), known+1)
	_, err := s.db.Pool.Exec(ctx, `INSERT INTO wirepost_memory_shard VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, s.cluster, s.shards, start, start-1)
	return err
}
