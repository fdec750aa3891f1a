package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/postgres"
	"github.com/wirepost/wirepost/internal/pgtest"
	"github.com/wirepost/wirepost/internal/testlog"
)

// with returns the URL of a database for another user.
func with(t *testing.T, s *pgtest.Server, database, user, password string) string {
	t.Helper()
	u, err := url.Parse(s.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("user", user)
	if password != "" {
		q.Set("password", password)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// newDatabase makes an empty database.
func newDatabase(t *testing.T, s *pgtest.Server) string {
	name := newName()
	sql(t, s.URL("postgres"), "CREATE DATABASE "+name)
	return name
}

// TestRefused: what a node refuses at once, and why.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := pgtest.Shared(t)
	for name, c := range map[string]struct {
		prepare []string // in a new database; %s is a new user
		user    bool
		want    string
	}{
		"Asynchronous":  {[]string{"ALTER ROLE %s SET synchronous_commit = off", "ALTER SCHEMA public OWNER TO %s"}, true, "synchronous_commit is off"},
		"NoRights":      {nil, true, "permission denied for schema public"},
		"NoRightsTable": {[]string{"CREATE TABLE wirepost_log (x int)", "GRANT CREATE ON SCHEMA public TO %s"}, true, "has another shape (x integer)"},
		"Missing": {
			[]string{"CREATE TABLE wirepost_version (version integer)"}, false, "1 of 5 are there",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database, user := newDatabase(t, s), "user_"+newName()
			sql(t, s.URL("postgres"), "CREATE ROLE "+user+" LOGIN")
			for _, statement := range c.prepare {
				if strings.Contains(statement, "%s") {
					statement = fmt.Sprintf(statement, user)
				}
				sql(t, s.URL(database), statement)
			}
			at := s.URL(database)
			if c.user {
				at = with(t, s, database, user, "")
			}
			refuse(t, at, c.want)
		})
	}
	t.Run("Database", func(t *testing.T) {
		t.Parallel()
		refuse(t, s.URL("nonesuch"), `database "nonesuch" does not exist`)
	})
	t.Run("Password", func(t *testing.T) {
		t.Parallel()
		refuse(t, with(t, s, "postgres", pgtest.PasswordUser, "hunter2"), "password authentication failed")
	})
	t.Run("URL", func(t *testing.T) {
		t.Parallel()
		refuse(t, "postgres://u:hunter2@host:port/db", "the URL of PostgreSQL")
	})
	t.Run("Version", func(t *testing.T) {
		t.Parallel()
		database := newDatabase(t, s)
		open(t, s.URL(database), "test", 1)
		sql(t, s.URL(database), "UPDATE wirepost_version SET version = 99")
		refuse(t, s.URL(database), "have version 99, this program knows 1")
	})
	t.Run("Shards", func(t *testing.T) {
		t.Parallel()
		name := newName()
		open(t, s.URL("postgres"), name, 2)
		_, err := postgres.Open(t.Context(), s.URL("postgres"), postgres.Options{Cluster: name, Shards: 3, Unreplicated: true, Logger: quiet})
		if err == nil || !strings.Contains(err.Error(), "has 2 shards in PostgreSQL, not 3") {
			t.Errorf("opened: %v", err)
		}
	})
	t.Run("Unreplicated", func(t *testing.T) {
		t.Parallel()
		at := s.URL(newDatabase(t, s))
		d, err := postgres.Open(t.Context(), at, postgres.Options{Cluster: "test", Shards: 1, Logger: quiet})
		if err == nil {
			d.Close()
		}
		if !errors.Is(err, postgres.ErrUnreplicated) || !strings.Contains(err.Error(), "synchronous_standby_names is empty: there is one copy") {
			t.Errorf("opened: %v", err)
		}
	})
	t.Run("Fsync", func(t *testing.T) {
		t.Parallel()
		s := startServer(t, "fsync=off")
		refuse(t, s.URL("postgres"), "fsync is off")
	})
}

func refuse(t *testing.T, url, want string) {
	t.Helper()
	d, err := postgres.Open(t.Context(), url, postgres.Options{Cluster: "test", Shards: 1, Unreplicated: true, Logger: quiet})
	switch {
	case err == nil:
		d.Close()
		t.Error("it was opened")
	case !strings.Contains(err.Error(), want):
		t.Errorf("got %v, want %s", err, want)
	case strings.Contains(err.Error(), "hunter2"):
		t.Errorf("the error has the password: %v", err)
	}
}

// TestChanged: settings that change while a node is running are noticed.
func TestChanged(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	logged := testlog.NewLines("synchronous_standby_names is empty: there is one copy", "fsync is off in PostgreSQL")
	d, err := postgres.Open(t.Context(), s.URL("postgres"), postgres.Options{Cluster: "test", Shards: 1, Unreplicated: true, Logger: logged.Logger(slog.LevelInfo)})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	sql(t, s.URL("postgres"), "ALTER SYSTEM SET fsync = off")
	sql(t, s.URL("postgres"), "SELECT pg_reload_conf()")
	logged.Await(t)
	for end := time.Now().Add(patience); err == nil && time.Now().Before(end); {
		err = d.Log().Propose(t.Context(), 0, nil)
	}
	if err == nil || !strings.Contains(err.Error(), "fsync is off") {
		t.Errorf("proposed: %v", err)
	}
}

// TestReadOnly: a node waits for a server that accepts writes.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	s := pgtest.Shared(t)
	database := newDatabase(t, s)
	sql(t, s.URL("postgres"), "ALTER DATABASE "+database+" SET default_transaction_read_only = on")
	logged := testlog.NewLines("no server of the URL accepts writes")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	refused := make(chan error)
	go func() {
		_, err := postgres.Open(ctx, s.URL(database), postgres.Options{Cluster: "test", Shards: 1, Unreplicated: true, Logger: logged.Logger(slog.LevelInfo)})
		refused <- err
	}()
	logged.Await(t)
	cancel()
	if err := <-refused; err == nil || !strings.Contains(err.Error(), "PostgreSQL cannot be used") {
		t.Errorf("opened: %v", err)
	}
}

// TestEngineRefuses: a node whose replica does not fit the log takes no changes, and says why.
func TestEngineRefuses(t *testing.T) {
	t.Parallel()
	s := pgtest.Shared(t)
	for name, c := range map[string]struct {
		harm func(t *testing.T, cluster string) (other string)
		want string
	}{
		"Foreign": {func(t *testing.T, name string) string {
			other := newName()
			e := push(t, s, other, vfs.NewMem())
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			return other
		}, "the log belongs to another cluster"},
		"Restored": {func(t *testing.T, name string) string { // a backup from before the last entries
			sql(t, s.URL("postgres"), "UPDATE wirepost_shard SET last = last - 2 WHERE cluster = $1 AND last > 2", name)
			sql(t, s.URL("postgres"), "DELETE FROM wirepost_log l USING wirepost_shard s WHERE s.cluster = l.cluster AND s.shard = l.shard AND position > last AND l.cluster = $1", name)
			return name
		}, "the log lost acknowledged batches"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			name, fs := newName(), vfs.NewMem()
			e := push(t, s, name, fs)
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			log := open(t, s.URL("postgres"), c.harm(t, name), engineShards).Log()
			e, err := openNode(t, log, nil, "a", fs, time.Hour)
			if err == nil {
				defer e.Close()
				retry := func() bool {
					return err == nil || strings.Contains(err.Error(), "catch") || strings.Contains(err.Error(), "behind")
				}
				for end := time.Now().Add(patience); retry() && time.Now().Before(end); {
					_, err = append1(t, e, "later")
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// push opens a node and pushes something to each shard.
func push(t *testing.T, s *pgtest.Server, name string, fs vfs.FS) *cluster.Engine {
	t.Helper()
	e, err := openNode(t, open(t, s.URL("postgres"), name, engineShards).Log(), nil, "a", fs, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if _, err := append1(t, e, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func append1(t *testing.T, e *cluster.Engine, channel string) (engine.Result, error) {
	t.Helper()
	results, err := e.Append(t.Context(), []engine.Entry{{Channel: channel, Data: []byte("x")}})
	if err != nil {
		return engine.Result{}, err
	}
	return results[0], results[0].Err
}
