package postgres

import (
	"context"
	"hash/fnv"

	"github.com/jackc/pgx/v5"

	"github.com/wirepost/wirepost/engine/cluster/postgres/internal/database"
)

// topicLock is the advisory lock that a node holds while it has subscriptions to a topic,
// on the connection on which it listens. So it is known to all nodes whether somebody can
// respond to a request, also after a node has died. Topics may share a lock; then it is not
// known.
type topicLock struct{ cluster, topic uint32 }

func lockOf(channel, topic string) topicLock { return topicLock{hash(channel), hash(topic)} }

func hash(text string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(text)) //nolint:errcheck // it cannot fail
	return h.Sum32()
}

// subscriptions returns the locks that nodes of a cluster hold.
func subscriptions(ctx context.Context, db *database.DB, cluster uint32) (map[topicLock]bool, error) {
	rows, err := db.Pool.Query(ctx, `SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objsubid = 2
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`, cluster)
	if err != nil {
		return nil, err
	}
	topics, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	taken := map[topicLock]bool{}
	for _, topic := range topics {
		taken[topicLock{cluster, uint32(topic)}] = true
	}
	return taken, err
}

// hold takes and releases locks of a connection, so that it has those that are wanted. A
// lock that somebody else holds exclusively is not taken.
func hold(ctx context.Context, conn *pgx.Conn, held, wanted map[topicLock]bool) error {
	for lock := range wanted {
		if !held[lock] {
			if _, err := conn.Exec(ctx, `SELECT pg_try_advisory_lock_shared($1, $2)`, int32(lock.cluster), int32(lock.topic)); err != nil {
				return err
			}
			held[lock] = true
		}
	}
	for lock := range held {
		if !wanted[lock] {
			if _, err := conn.Exec(ctx, `SELECT pg_advisory_unlock_shared($1, $2)`, int32(lock.cluster), int32(lock.topic)); err != nil {
				return err
			}
			delete(held, lock)
		}
	}
	return nil
}
