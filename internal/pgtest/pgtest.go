// Package pgtest runs PostgreSQL servers for tests: each in a directory of its own, on a
// Unix socket in it, as a user without privileges.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Server is a running PostgreSQL server. Its superuser is postgres, who needs no password.
type Server struct {
	Dir     string // of the socket; the data is below it
	bin     string
	more    []string // settings besides those of every server
	command *exec.Cmd
	exited  chan struct{} // closed when the process has ended
}

// startTimeout limits the start of a server and its stop.
const startTimeout = 2 * time.Minute

// settings are those of every server: small, and as durable as by default.
var settings = []string{
	"shared_buffers=16MB", "max_connections=300", "max_wal_size=128MB", "jit=off", "huge_pages=off",
	"listen_addresses=", "log_min_messages=warning", "log_line_prefix=%m [%p] %q%d ",
	"wal_level=replica", "max_wal_senders=4", "wal_keep_size=256MB", "hot_standby=on", "wal_receiver_status_interval=1s",
}

// Start makes a database in a new directory and starts a server, with further settings as
// "name=value".
func Start(more ...string) (*Server, error) {
	s, err := newServer()
	if err != nil {
		return nil, err
	}
	err = s.run("initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	if err == nil {
		err = s.prepend("pg_hba.conf", "local all "+PasswordUser+" scram-sha-256\n")
	}
	if err == nil {
		err = s.Start(more...)
	}
	if err != nil {
		os.RemoveAll(s.Dir)
		return nil, err
	}
	return s, nil
}

// PasswordUser is the only user who needs a password, and does not exist.
const PasswordUser = "password_user"

// prepend adds text to the beginning of a file.
func (s *Server) prepend(name, text string) error {
	path := filepath.Join(s.data(), name)
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append([]byte(text), old...), 0o600)
}

// Standby makes a copy of a running server and starts it as a standby with a name, which
// belongs into synchronous_standby_names of the primary.
func (s *Server) Standby(name string, more ...string) (*Server, error) {
	standby, err := newServer()
	if err != nil {
		return nil, err
	}
	err = standby.run("pg_basebackup", "-D", standby.data(), "-d", s.conninfo("postgres"), "-X", "stream", "-c", "fast", "--no-sync")
	if err == nil {
		err = os.WriteFile(filepath.Join(standby.data(), "standby.signal"), nil, 0o600)
	}
	if err == nil {
		err = standby.own(filepath.Join(standby.data(), "standby.signal"))
	}
	if err == nil {
		err = standby.Start(append(more, "primary_conninfo="+s.conninfo("")+" application_name="+name)...)
	}
	if err != nil {
		os.RemoveAll(standby.Dir)
		return nil, err
	}
	return standby, nil
}

// ErrMissing is returned where PostgreSQL is not installed.
var ErrMissing = errors.New("these tests need PostgreSQL, whose initdb is not in PATH: " +
	"`make postgres` installs it on Debian and Ubuntu (`make test` does too), and `go test -short` leaves them out")

func newServer() (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	// A socket's path may have 107 bytes, so it is not below a test's own directory.
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return nil, err
	}
	s := &Server{Dir: dir, bin: bin}
	return s, s.own(dir)
}

// binaries returns the directory of the server's programs, which Debian has not in PATH.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb", "/opt/homebrew/opt/postgresql*/bin/initdb"} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return filepath.Dir(slices.Max(found)), nil
		}
	}
	return "", ErrMissing
}

func (s *Server) data() string { return filepath.Join(s.Dir, "data") }

// cmd is a program of PostgreSQL, which refuses to run as root.
func (s *Server) cmd(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), "HOME="+s.Dir, "TZ=UTC")
	demote(cmd)
	return cmd
}

func (s *Server) run(name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if out, err := s.cmd(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// Start starts a server that was stopped or killed, with further settings besides those
// that it had.
func (s *Server) Start(more ...string) error {
	s.more = append(s.more, more...)
	args := []string{"-D", s.data(), "-k", s.Dir}
	for _, setting := range append(slices.Clone(settings), s.more...) {
		args = append(args, "-c", setting)
	}
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.command = s.cmd(context.Background(), "postgres", args...)
	s.command.Stdout, s.command.Stderr = log, log
	if err := s.command.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	s.exited = exited
	go func() {
		s.command.Wait() //nolint:errcheck // what matters is in its log
		close(exited)
	}()
	return s.waitReady()
}

// waitReady waits until the server accepts connections.
func (s *Server) waitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for s.cmd(ctx, "pg_isready", "-q", "-h", s.Dir, "-p", s.port(), "-t", "5").Run() != nil {
		select {
		case <-s.exited:
			return fmt.Errorf("PostgreSQL does not start:\n%s", s.Log())
		case <-ctx.Done():
			s.Kill()
			return fmt.Errorf("PostgreSQL does not start in time:\n%s", s.Log())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

func (s *Server) logFile() string { return filepath.Join(s.Dir, "log") }

// Log returns what the server has logged.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// port is the number in the name of the socket, and of the TCP port if there is one.
func (s *Server) port() string {
	port := "5432"
	for _, setting := range s.more {
		if value, ok := strings.CutPrefix(setting, "port="); ok {
			port = value
		}
	}
	return port
}

// conninfo is the address in the form for PostgreSQL's own programs.
func (s *Server) conninfo(database string) string {
	text := "host=" + s.Dir + " port=" + s.port() + " user=postgres"
	if database != "" {
		text += " dbname=" + database
	}
	return text
}

// URL is the address of a database of the server for its superuser, and of others that may
// take its place.
func (s *Server) URL(database string, others ...*Server) string {
	hosts, ports := []string{s.Dir}, []string{s.port()}
	for _, other := range others {
		hosts, ports = append(hosts, other.Dir), append(ports, other.port())
	}
	q := url.Values{"host": {strings.Join(hosts, ",")}, "port": {strings.Join(ports, ",")}, "user": {"postgres"}}
	return "postgres:///" + url.PathEscape(database) + "?" + q.Encode()
}

// Run makes statements as the superuser.
func (s *Server) Run(statements ...string) error {
	_, err := s.query(statements...)
	return err
}

func (s *Server) query(statements ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	args := []string{"-X", "-A", "-t", "-q", "-d", s.conninfo("postgres")}
	for _, statement := range statements {
		args = append(args, "-c", statement)
	}
	out, err := s.cmd(ctx, "psql", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("psql: %w\n%s", err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// Await makes commits wait for a standby, and waits until that has everything.
func (s *Server) Await(standby string) error {
	if err := s.Run("ALTER SYSTEM SET synchronous_standby_names = "+standby, "SELECT pg_reload_conf()"); err != nil {
		return err
	}
	for give := time.Now().Add(startTimeout); ; time.Sleep(20 * time.Millisecond) {
		n, err := s.query("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'")
		if err != nil || n == "1" {
			return err
		}
		if time.Now().After(give) {
			return fmt.Errorf("the standby %s does not follow:\n%s", standby, s.Log())
		}
	}
}

// Promote makes a standby accept writes.
func (s *Server) Promote() error { return s.run("pg_ctl", "promote", "-D", s.data(), "-t", "60") }

// Processes returns the processes of the server, the one that waits for the others first.
func (s *Server) Processes() []int { return processes(s.command.Process.Pid) }

// Signal sends a signal to all processes of the server.
func (s *Server) Signal(sig syscall.Signal) error {
	_, err := signalAll(s.command.Process.Pid, sig)
	return err
}

// Kill kills all processes of the server, as the end of its machine would. Start starts it
// again.
func (s *Server) Kill() {
	all, err := signalAll(s.command.Process.Pid, syscall.SIGKILL)
	if err != nil {
		s.command.Process.Kill() //nolint:errcheck // it may have ended
	}
	<-s.exited
	for _, pid := range all {
		for alive(pid) {
			time.Sleep(time.Millisecond)
		}
	}
}

// Close stops the server and removes its directory.
func (s *Server) Close() error {
	defer os.RemoveAll(s.Dir)
	return s.Stop()
}

// Stop stops the server.
func (s *Server) Stop() error {
	s.command.Process.Signal(syscall.SIGINT) //nolint:errcheck // it may have ended
	select {
	case <-s.exited:
	case <-time.After(startTimeout):
		s.Kill()
		return fmt.Errorf("PostgreSQL did not stop:\n%s", s.Log())
	}
	return nil
}
