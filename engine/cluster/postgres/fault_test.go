package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/postgres"
	"github.com/wirepost/wirepost/internal/pgtest"
	"github.com/wirepost/wirepost/internal/testlog"
)

// startServer starts a server for one test.
func startServer(t *testing.T, more ...string) *pgtest.Server {
	t.Helper()
	pgtest.Need(t)
	s, err := pgtest.Start(more...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// startPair starts a server and a standby for which its commits wait.
func startPair(t *testing.T) (primary, standby *pgtest.Server) {
	t.Helper()
	primary = startServer(t)
	standby, err := primary.Standby("standby")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { standby.Close() })
	if err := primary.Await("standby"); err != nil {
		t.Fatal(err)
	}
	return primary, standby
}

// sql makes a statement as an administrator, and returns the number of rows.
func sql(t testing.TB, url, statement string, args ...any) int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // it is gone either way
	tag, err := conn.Exec(t.Context(), statement, args...)
	if err != nil {
		t.Fatal(err)
	}
	return int(tag.RowsAffected())
}

// await waits until a query returns a row.
func await(t testing.TB, url, query string, args ...any) {
	t.Helper()
	for end := time.Now().Add(patience); sql(t, url, query, args...) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no row of %s", query)
		}
	}
}

// load is what nodes propose and follow.
type load struct {
	t       *testing.T
	running sync.WaitGroup
	acked   chan struct{} // each time something was acknowledged

	mu   sync.Mutex
	data map[string]bool // that was acknowledged
}

// startLoad proposes and follows at some nodes until the end of the test, or stop.
func startLoad(t *testing.T, logs ...*postgres.Log) (d *load, stop func()) {
	d = &load{t: t, acked: make(chan struct{}), data: map[string]bool{}}
	ctx, cancel := context.WithCancel(t.Context())
	for i, l := range logs {
		d.running.Go(func() { d.propose(ctx, l, fmt.Sprint("node", i)) })
		d.running.Go(func() { d.follow(ctx, l) })
	}
	stop = func() { cancel(); d.running.Wait() }
	t.Cleanup(stop)
	return d, stop
}

func (d *load) propose(ctx context.Context, l *postgres.Log, name string) {
	for i := 0; ctx.Err() == nil; i++ {
		data := fmt.Sprint(name, " ", i)
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := l.Propose(attempt, 0, []byte(data))
		cancel()
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		d.mu.Lock()
		d.data[data] = true
		d.mu.Unlock()
		select {
		case d.acked <- struct{}{}:
		case <-ctx.Done():
		}
	}
}

// follow follows a log until ctx is done. Nothing that happens to a server may end that.
func (d *load) follow(ctx context.Context, l *postgres.Log) {
	at := uint64(0)
	for entry, err := range l.Follow(ctx, 0, 0) {
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			d.t.Errorf("following failed: %v", err)
			return
		case entry.Position != at+1:
			d.t.Errorf("position %d follows %d", entry.Position, at)
			return
		}
		at = entry.Position
	}
}

// await waits for n further acknowledgements.
func (d *load) await(n int) {
	d.t.Helper()
	for range n {
		select {
		case <-d.acked:
		case <-time.After(patience):
			d.t.Fatal("no acknowledgement")
		}
	}
}

// check looks for what was acknowledged.
func (d *load) check(l *postgres.Log) {
	d.t.Helper()
	first, last, err := l.Bounds(d.t.Context(), 0)
	if err != nil || first != 1 {
		d.t.Fatalf("the log begins at %d, %v", first, err)
	}
	there := map[string]bool{}
	for entry, err := range l.Follow(d.t.Context(), 0, 0) {
		if err != nil {
			d.t.Fatal(err)
		}
		there[string(entry.Data)] = true
		if entry.Position == last {
			break
		}
	}
	for data := range d.data {
		if !there[data] {
			d.t.Errorf("%q was acknowledged and is not in the log", data)
		}
	}
}

// TestTerminated ends all connections of two nodes again and again.
func TestTerminated(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	url := s.URL("postgres")
	a, b := open(t, url, "test", 1), open(t, url, "test", 1)
	d, stop := startLoad(t, a.Log(), b.Log())
	for ended := 0; ended < 10; { // a node may be between two connections
		d.await(20)
		ended += sql(t, url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'wirepost'")
	}
	d.await(20)
	stop()
	d.check(a.Log())
}

// TestCrash kills the server, and starts it again. The log in memory begins anew then, with
// higher positions.
func TestCrash(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	node := open(t, s.URL("postgres"), "test", 1)
	l := node.Log()
	if err := l.Propose(t.Context(), 1, []byte("in memory")); err != nil {
		t.Fatal(err)
	}
	_, before, err := l.Bounds(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	d, stop := startLoad(t, l)
	d.await(20)
	s.Kill()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	d.await(20)
	stop()
	d.check(l)
	if err := l.Propose(t.Context(), 1, []byte("again")); err != nil {
		t.Fatal(err)
	}
	first, last, err := l.Bounds(t.Context(), 1)
	if err != nil || first <= before || last != first {
		t.Errorf("the log in memory has %d to %d, %v; it ended at %d", first, last, err, before)
	}
	if err := node.Bus().Publish(t.Context(), "topic", nil); err != nil {
		t.Error(err)
	}
}

// TestPromoted kills a server whose commits wait for a standby, and promotes that. A node
// that knows only the standby waits for this.
func TestPromoted(t *testing.T) {
	t.Parallel()
	primary, standby := startPair(t)
	url := primary.URL("postgres", standby)
	a, b := open(t, url, "test", 1), open(t, url, "test", 1)
	d, stop := startLoad(t, a.Log(), b.Log())
	d.await(20)
	readOnly := testlog.NewLines("is a read-only standby")
	opened := make(chan *postgres.DB)
	go func() {
		c, err := postgres.Open(t.Context(), standby.URL("postgres"), postgres.Options{Cluster: "test", Shards: 1, Unreplicated: true, Logger: readOnly.Logger(slog.LevelInfo)})
		if err != nil {
			t.Error(err)
		}
		opened <- c
	}()
	readOnly.Await(t)
	d.await(20)
	primary.Kill()
	if err := standby.Promote(); err != nil {
		t.Fatal(err)
	}
	d.await(20)
	c := <-opened
	t.Cleanup(c.Close)
	stop()
	d.check(a.Log())
	d.check(c.Log())
	if leader := a.Log().Leaders()[0]; !strings.HasPrefix(leader, standby.Dir) {
		t.Errorf("the leader is %q", leader)
	}
}

// TestUnreplicated: an entry that the standby does not have is not followed, although it is
// visible, until the standby has it.
func TestUnreplicated(t *testing.T) {
	t.Parallel()
	primary, standby := startPair(t)
	url := primary.URL("postgres")
	a, b := open(t, url, "test", 1), open(t, url, "test", 1)
	if err := a.Log().Propose(t.Context(), 0, []byte("1")); err != nil {
		t.Fatal(err)
	}
	if err := standby.Stop(); err != nil {
		t.Fatal(err)
	}
	proposed := make(chan error)
	go func() { proposed <- a.Log().Propose(t.Context(), 0, []byte("2")) }()
	const waits = "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE $1"
	await(t, url, "SELECT 1 "+waits, "WITH next%")
	sql(t, url, "SELECT pg_cancel_backend(pid) "+waits, "WITH next%")
	if err := <-proposed; err == nil || !strings.Contains(err.Error(), "did not wait for a standby") {
		t.Errorf("proposed: %v", err)
	}
	if _, last, err := b.Log().Bounds(t.Context(), 0); err != nil || last != 2 {
		t.Errorf("the log ends at %d, %v", last, err)
	}
	entries := make(chan cluster.Entry)
	go func() {
		defer close(entries)
		for entry, err := range b.Log().Follow(t.Context(), 0, 1) {
			if err != nil {
				t.Error(err)
			}
			entries <- entry
			return
		}
	}()
	await(t, url, "SELECT 1 "+waits, "UPDATE wirepost_shard SET last = last %")
	select {
	case entry := <-entries:
		t.Errorf("followed %d, which the standby does not have", entry.Position)
	default:
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := a.Log().Propose(ctx, 0, []byte("3")); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "standby") {
		t.Errorf("proposed without a standby: %v", err)
	}
	if err := standby.Start(); err != nil {
		t.Fatal(err)
	}
	if entry := <-entries; entry.Position != 2 || string(entry.Data) != "2" {
		t.Errorf("followed %d, %q", entry.Position, entry.Data)
	}
}
