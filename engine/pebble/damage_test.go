package pebble

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/directory"
)

// A store in which something was damaged is refused, or it has every message that was
// acknowledged, or it says with an error which it cannot read. It never just lacks
// some. Each byte of the last log and of the manifest is damaged in turn (under the race
// detector only some of them), and many of the other files.
func TestDamageIsNeverSilent(t *testing.T) {
	t.Parallel()
	for _, state := range []struct {
		name string
		make func(t *testing.T) (*vfs.MemFS, int)
		// How many of the last messages may be missing without an error if a byte is
		// changed, and if a file is truncated.
		late, cut int
	}{
		{"closed", closedStore, 0, 0},
		{"killed", killedStore, 0, 0},
		{"killed as it started", startedStore, 0, 0},
		{"power cut", func(t *testing.T) (*vfs.MemFS, int) { return cutStore(t, true) }, 0, 0},
		// The last write says how far those before it were synced. The anchor says that
		// there is a log, and how far its first write was synced.
		{"power cut before the anchor", func(t *testing.T) (*vfs.MemFS, int) { return cutStore(t, false) }, 1, messages - 1},
	} {
		t.Run(state.name, func(t *testing.T) {
			t.Parallel()
			disk, acked := state.make(t)
			wantWhole(t, disk.CrashClone(vfs.CrashCloneCfg{}), acked)
			for _, name := range list(t, disk) {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					size := len(content(t, disk, name))
					step := 1 + size/100
					_, isLog := directory.LogNumber(name)
					if Stride == 1 && (isLog || strings.HasPrefix(name, directory.ManifestPrefix)) {
						step = 1
					}
					for at := 0; at < size; at += step * Stride {
						copied := disk.CrashClone(vfs.CrashCloneCfg{})
						flip(t, copied, name, at, byte(1)<<(at%8))
						wantKnown(t, copied, acked-state.late, fmt.Sprintf("byte %d of %d", at, size))
					}
					for length := 0; length < size; length += (1 + size/20) * min(Stride, 5) {
						copied := disk.CrashClone(vfs.CrashCloneCfg{})
						replace(t, copied, name, content(t, disk, name)[:length])
						wantKnown(t, copied, acked-state.cut, fmt.Sprintf("cut to %d of %d", length, size))
					}
					copied := disk.CrashClone(vfs.CrashCloneCfg{})
					if err := copied.Remove("store/" + name); err != nil {
						t.Fatal(err)
					}
					wantKnown(t, copied, acked-state.late, "removed")
				})
			}
		})
	}
}

// Pebble reads the rest of a log for its end where a single flipped bit makes the
// number of the log the next one.
func TestFlippedLogNumber(t *testing.T) {
	t.Parallel()
	disk, _ := cutStore(t, false)
	name := lastLog(t, disk)
	number, _ := directory.LogNumber(name)
	text := content(t, disk, name)
	text[7] = byte(number + 1)
	replace(t, disk, name, text)
	_, err := Open("store", Options{FS: disk, Logger: silent})
	if !errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
	for _, part := range []string{name, "is broken at byte 0", "wirepost check store", "wirepost salvage store OUT"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

// A mark that was lost is written again: the anchor knows the epoch.
func TestLostMark(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "wirepost stone"} {
		disk, acked := closedStore(t)
		before := string(content(t, disk, directory.MarkName))
		if err := disk.Remove("store/" + directory.MarkName); err != nil {
			t.Fatal(err)
		}
		if text != "" {
			replace(t, disk, directory.MarkName, []byte(text))
		}
		wantWhole(t, disk, acked)
		if after := string(content(t, disk, directory.MarkName)); after != before {
			t.Errorf("the mark says %q, before it was %q", after, before)
		}
	}
}

// A store of which only the mark is left is another store: with the old epoch, clients
// would continue after sequences that are assigned again.
func TestNothingButTheMark(t *testing.T) {
	t.Parallel()
	disk, _ := closedStore(t)
	names, err := disk.List("store")
	if err != nil {
		t.Fatal(err)
	}
	before := string(content(t, disk, directory.MarkName))
	for _, name := range names {
		if name != directory.MarkName {
			if err := disk.Remove("store/" + name); err != nil {
				t.Fatal(err)
			}
		}
	}
	e := openTest(t, disk)
	defer e.Close()
	if after := string(content(t, disk, directory.MarkName)); after == before || !strings.Contains(after, e.Epoch()) {
		t.Errorf("the mark says %q, before it was %q", after, before)
	}
	appendTest(t, e, 0, messages)
}

// A store of an earlier version has no anchor, and gets one.
func TestStoreWithoutAnchor(t *testing.T) {
	t.Parallel()
	disk, acked := closedStore(t)
	for _, name := range directory.AnchorNames {
		if err := disk.Remove("store/" + name); err != nil {
			t.Fatal(err)
		}
	}
	wantWhole(t, disk, acked)
	if a, err := directory.ReadAnchor(disk, "store"); err != nil || a == nil || a.Manifest == 0 {
		t.Fatalf("anchor %+v, %v", a, err)
	}
}

var silent = slog.New(slog.DiscardHandler)

// messages is how many a store of these tests has, besides those before its last
// start.
const messages = 12

func openTest(t *testing.T, disk vfs.FS) *Engine {
	t.Helper()
	e, err := Open("store", Options{FS: disk, Logger: silent})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func appendTest(t *testing.T, e *Engine, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		in := engine.Entry{Channel: "room", ID: fmt.Sprint(i), Data: []byte(strings.Repeat("x", 30))}
		if _, err := e.Append(context.Background(), []engine.Entry{in}); err != nil {
			t.Fatal(err)
		}
	}
}

// closedStore has tables, a manifest with several edits and a log that was closed.
func closedStore(t *testing.T) (*vfs.MemFS, int) {
	t.Helper()
	disk := vfs.NewCrashableMem()
	for i := range 3 {
		e := openTest(t, disk)
		appendTest(t, e, i*messages, (i+1)*messages)
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return disk.CrashClone(vfs.CrashCloneCfg{}), 3 * messages
}

// asKilled keeps what was written and not synced: only the process has ended.
func asKilled() vfs.CrashCloneCfg {
	return vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(0, 0))}
}

// killedStore is what a process leaves that was killed before it wrote another anchor
// than that of its first message.
func killedStore(t *testing.T) (*vfs.MemFS, int) {
	t.Helper()
	disk, e, acked := runningStore(t)
	defer e.Close()
	return disk.CrashClone(asKilled()), acked
}

// cutStore is what a power cut leaves, with the anchor written after the last message,
// or as in killedStore.
func cutStore(t *testing.T, anchored bool) (*vfs.MemFS, int) {
	t.Helper()
	disk, e, acked := runningStore(t)
	defer e.Close()
	if anchored {
		e.keeper.WriteAnchor()
	}
	return disk.CrashClone(vfs.CrashCloneCfg{}), acked
}

func runningStore(t *testing.T) (*vfs.MemFS, *Engine, int) {
	t.Helper()
	disk, before := closedStore(t)
	e := openTest(t, disk)
	e.keeper.End()
	appendTest(t, e, before, before+messages)
	return disk, e, before + messages
}

// startedStore is what a process leaves that was killed before it wrote its first
// anchor: Pebble has begun another manifest, and removed the log of the process before.
func startedStore(t *testing.T) (*vfs.MemFS, int) {
	t.Helper()
	disk, acked := killedStore(t)
	anchors := make(map[string][]byte)
	for _, name := range directory.AnchorNames {
		anchors[name] = content(t, disk, name)
	}
	e := openTest(t, disk)
	defer e.Close()
	disk = disk.CrashClone(asKilled())
	for name, text := range anchors {
		replace(t, disk, name, text)
	}
	return disk, acked
}

// wantWhole opens a store, which has to have all messages.
func wantWhole(t *testing.T, disk vfs.FS, acked int) {
	t.Helper()
	e := openTest(t, disk)
	defer e.Close()
	if page, err := e.Read(t.Context(), "room", 0, 1000, 1<<20); err != nil || len(page.Records) != acked {
		t.Fatalf("%d messages, %v; want %d", len(page.Records), err, acked)
	}
}

// wantKnown wants that a store which lacks messages says so.
func wantKnown(t *testing.T, disk vfs.FS, acked int, what string) {
	t.Helper()
	if s, err := directory.TakeSurvey(disk, "store"); err != nil || s.Refusal() != nil {
		return // as Open does, and much sooner
	}
	e, err := Open("store", Options{FS: disk, Logger: silent})
	if err != nil {
		return
	}
	defer e.Close()
	page, err := e.Read(t.Context(), "room", 0, 1000, 1<<20)
	if err == nil && len(page.Records) < acked {
		t.Errorf("%s: %d messages, %d were acknowledged, and nothing was said", what, len(page.Records), acked)
	}
}

func list(t *testing.T, disk vfs.FS) (names []string) {
	t.Helper()
	all, err := disk.List("store")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if name != "LOCK" {
			names = append(names, name)
		}
	}
	return names
}

func lastLog(t *testing.T, disk vfs.FS) (last string) {
	t.Helper()
	for _, name := range list(t, disk) {
		if _, ok := directory.LogNumber(name); ok {
			last = max(last, name)
		}
	}
	return last
}

func content(t *testing.T, disk vfs.FS, name string) []byte {
	t.Helper()
	text, err := directory.ReadFile(disk, "store/"+name, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func replace(t *testing.T, disk vfs.FS, name string, text []byte) {
	t.Helper()
	if err := directory.CreateSynced(disk, "store", name, text); err != nil {
		t.Fatal(err)
	}
}

func flip(t *testing.T, disk vfs.FS, name string, at int, bits byte) {
	t.Helper()
	text := content(t, disk, name)
	text[at] ^= bits
	replace(t, disk, name, text)
}
