package database

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
)

// minVersion is the oldest major version that is accepted. Older ones get no fixes.
const minVersion = 14

// errReadOnly passes when the server is promoted.
var errReadOnly = errors.New("the PostgreSQL server is a read-only standby: no server of the URL accepts writes")

// findings are what the last connection found out about the server.
type findings struct {
	server      string // its address, or the path of its socket
	synchronous bool   // a commit waits for a standby
	warnings    []string
}

// Server is the address of the server, or the path of its socket, as the last connection
// found it.
func (d *DB) Server() string { return d.found.Load().server }

// settings are those of a server that decide what it may lose.
type settings struct {
	version        int // 150018 is 15.18
	versionText    string
	readOnly       bool
	fsync          string
	fullPageWrites string
	commit         string // synchronous_commit
	standbys       string // synchronous_standby_names
}

const selectSettings = `SELECT current_setting('server_version_num')::int, current_setting('server_version'),
	pg_is_in_recovery() OR current_setting('transaction_read_only')::bool,
	current_setting('fsync'), current_setting('full_page_writes'),
	current_setting('synchronous_commit'), current_setting('synchronous_standby_names')`

// Check refuses a connection to a server that cannot hold the log. It is called for every
// one, because the server behind an address changes with a failover, and again from time
// to time, because settings do.
func (d *DB) Check(ctx context.Context, conn *pgx.Conn) error {
	var s settings
	if err := conn.QueryRow(ctx, selectSettings).Scan(&s.version, &s.versionText, &s.readOnly,
		&s.fsync, &s.fullPageWrites, &s.commit, &s.standbys); err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return err
	}
	f := &findings{server: conn.PgConn().Conn().RemoteAddr().String()}
	f.synchronous, f.warnings = s.judge()
	if !f.synchronous && !d.single && d.found.Load() == nil {
		return &unreplicatedError{f.warnings[0] + ": set synchronous_standby_names and synchronous_commit so that commits wait for a standby"}
	}
	if old := d.found.Swap(f); old == nil || !slices.Equal(old.warnings, f.warnings) {
		for _, w := range f.warnings {
			d.Logger.Warn("PostgreSQL may lose what it has acknowledged", "server", f.server, "reason", w)
		}
		if f.synchronous && old != nil && !old.synchronous {
			d.Logger.Info("PostgreSQL commits wait for a standby now", "server", f.server)
		}
	}
	return nil
}

// check returns why a server is refused.
func (s *settings) check() error {
	switch {
	case s.version < minVersion*10000:
		return Refused("the server is PostgreSQL %s: %d or newer is needed", s.versionText, minVersion)
	case s.readOnly:
		return errReadOnly
	case s.fsync == "off":
		return Refused("fsync is off in PostgreSQL: a crash of its machine would lose acknowledged messages; set it to on")
	case s.commit == "off":
		return Refused("synchronous_commit is off in PostgreSQL: a crash would lose acknowledged messages; set it to on, for example by ALTER ROLE … SET synchronous_commit = on")
	}
	return nil
}

// judge says what a server that is accepted may lose.
func (s *settings) judge() (synchronous bool, warnings []string) {
	switch {
	case s.standbys == "":
		warnings = append(warnings, "synchronous_standby_names is empty: there is one copy of what was acknowledged, and a failover to a standby loses what it did not receive yet")
	case s.commit == "local":
		warnings = append(warnings, "synchronous_commit is local: there is one copy of what was acknowledged, and a failover to a standby loses what it did not receive yet")
	case s.commit == "remote_write":
		synchronous = true
		warnings = append(warnings, "synchronous_commit is remote_write: a failover together with a crash of the standby's machine loses what the standby did not write to its disk yet")
	default:
		synchronous = true
	}
	if s.fullPageWrites == "off" {
		warnings = append(warnings, "full_page_writes is off: unless the file system writes whole pages, a crash of the machine damages the database")
	}
	return synchronous, warnings
}
