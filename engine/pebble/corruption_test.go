package pebble_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble"
)

// damagedStore has a damaged block in its largest table, which has the given name.
func damagedStore(t *testing.T) (disk *vfs.MemFS, table string) {
	t.Helper()
	disk = vfs.NewMem()
	fill(t, disk, 3000)
	return disk, damageLargest(t, disk)
}

func damageLargest(t *testing.T, disk *vfs.MemFS) (table string) {
	t.Helper()
	table = largest(t, disk, ".sst")
	text := readAll(t, disk, table)
	text[len(text)/2] ^= 1
	overwrite(t, disk, table, string(text))
	return table
}

// A damaged block fails the reads that need it, and nothing else: not other reads, and
// not writes.
func TestDamagedBlock(t *testing.T) {
	t.Parallel()
	disk, table := damagedStore(t)
	var logged lines
	e, err := pebble.Open("store", pebble.Options{FS: disk, Logger: logged.logger(), MemTableBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, err := e.Read(t.Context(), "room", 1400, 1000, 1<<30)
		if !errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), `read "room" after 1400`) {
			t.Fatalf("read of a damaged block: %v", err)
		}
	}
	if page, err := e.Read(t.Context(), "room", 2000, 1000, 1<<30); err != nil || len(page.Records) != 1000 {
		t.Fatalf("%d records after the damaged block, %v", len(page.Records), err)
	}
	for i := range 20 {
		for _, channel := range []string{"room", "another", "zoo"} {
			if err := push(e, channel, fmt.Sprint(i)); err != nil {
				t.Fatalf("push %d to %q: %v", i, channel, err)
			}
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if n := logged.count("a file of the store is damaged"); n != 1 || logged.count(table) == 0 {
		t.Errorf("the log says it %d times: %s", n, &logged)
	}
}

// A compaction that meets a damaged block, in L0 and below, stops no writes and is not
// tried again and again, however much is pushed afterwards. What was pushed can be
// read, and the damage is still reported as before.
func TestCompactionMeetsDamage(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T) (*vfs.MemFS, string){
		"L0": damagedStore,
		"below": func(t *testing.T) (*vfs.MemFS, string) {
			disk := vfs.NewMem()
			fill(t, disk, 3000)
			e := openSmall(t, disk, slog.New(slog.DiscardHandler))
			pushMany(t, e, "early", 1000)
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			return disk, damageLargest(t, disk)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk, table := prepare(t)
			var logged lines
			e := openSmall(t, disk, logged.logger())
			pushMany(t, e, "late", 3500)
			if err := e.Ready(); err != nil {
				t.Errorf("ready: %v", err)
			}
			for _, channel := range []string{"late", "zoo"} {
				if l := stored(t, e, channel); l.count != int(l.bounds.Head) {
					t.Errorf("%d of %d messages in %q", l.count, l.bounds.Head, channel)
				}
			}
			if logged.count("a compaction read a damaged file") != 1 || logged.count("a file of the store is damaged") != 1 || logged.count(table) == 0 {
				t.Errorf("the log: %s", &logged)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			if r, err := pebble.Check(disk, "store"); err != nil || len(r.Damage) != 1 || r.Damage[0].File != table {
				t.Errorf("check: %+v, %v", r, err)
			}
		})
	}
}

// A store whose tables are damaged where they have to be compacted opens, every time.
func TestOpenDamaged(t *testing.T) {
	t.Parallel()
	disk, _ := damagedStore(t)
	for i := range 12 { // each start flushes what the run before has left in its log
		e := openSmall(t, disk, slog.New(slog.DiscardHandler))
		for _, channel := range []string{"another", "room", "zoo"} {
			if err := push(e, channel, fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A start that has to read what is damaged in a table says so in one line, with the
// commands that help, and the log has no stacks.
func TestStartMeetsDamage(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	fill(t, disk, 3000)
	table := largest(t, disk, ".sst")
	text := readAll(t, disk, table)
	text[len(text)-20] ^= 1 // in the footer
	overwrite(t, disk, table, string(text))
	var logged lines
	e, err := pebble.Open("store", pebble.Options{FS: disk, Logger: logged.logger(), MemTableBytes: 256 << 10})
	if err == nil {
		t.Fatal("it starts", e.Close())
	}
	if said := err.Error(); !errors.Is(err, engine.ErrDamaged) || strings.Contains(said, "\n") ||
		!strings.Contains(said, "wirepost salvage") || strings.Count(said, engine.ErrDamaged.Error()) != 1 {
		t.Errorf("the start says %q", said)
	}
	if logged.count("stack") != 0 || logged.count(".go:") != 0 {
		t.Errorf("the log has stacks: %s", &logged)
	}
}

func openSmall(t *testing.T, disk vfs.FS, log *slog.Logger) *pebble.Engine {
	t.Helper()
	e, err := pebble.Open("store", pebble.Options{FS: disk, Logger: log, MemTableBytes: 256 << 10, SweepEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// pushMany pushes to one channel, and every third to two others.
func pushMany(t *testing.T, e engine.Engine, channel string, n int) {
	t.Helper()
	data := strings.Repeat("x", 10<<10)
	for i := range n {
		to := []string{channel}
		if i%3 == 0 {
			to = append(to, "another", "zoo")
		}
		for _, channel := range to {
			if err := push(e, channel, fmt.Sprint(i, data)); err != nil {
				t.Fatalf("push %d to %q: %v", i, channel, err)
			}
		}
	}
}

// lines is what was logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) count(part string) int { return strings.Count(l.String(), part) }
