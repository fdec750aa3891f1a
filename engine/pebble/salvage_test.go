package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble"
)

// A store in which everything happened that can happen is found whole, and salvaging
// it changes nothing, not even the epoch.
func TestSalvageWhole(t *testing.T) {
	t.Parallel()
	disk, acks, epoch := busyStore(t)
	r, err := pebble.Check(disk, "store")
	if err != nil || !r.OK() || r.Users != 2 || r.Channels < 5 || r.Epoch != epoch {
		t.Fatalf("check: %+v, %v", r, err)
	}
	if r, err = pebble.Salvage(disk, "store", "saved"); err != nil || !r.OK() {
		t.Fatalf("salvage: %+v, %v", r, err)
	}
	e := openAt(t, disk, "saved")
	if e.Epoch() != epoch {
		t.Errorf("the epoch is %s, before it was %s", e.Epoch(), epoch)
	}
	if u, err := e.Load(t.Context(), "42"); err != nil || len(u.Marks) != 1 || len(u.Devices) != 1 || len(u.Devices[0].Cursors) != 1 {
		t.Errorf("user %+v, %v", u, err)
	}
	if u, err := e.Load(t.Context(), "43"); err != nil || !reflect.DeepEqual(u.PushSubscriptions, []engine.PushSubscription{busySubscription}) {
		t.Errorf("user %+v, %v", u, err)
	}
	if users, err := e.Members(t.Context(), "plain", "", 10); err != nil || len(users) != 1 {
		t.Errorf("members %q, %v", users, err)
	}
	verify(t, e, acks)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err = pebble.Check(disk, "saved"); err != nil || !r.OK() {
		t.Fatalf("check of the new store: %+v, %v", r, err)
	}
}

// A mark that is not a membership, such as a user's in the channel all, is no member
// to the check, and becomes none in what salvage writes. One without a channel, such as the
// time before which the user's tokens are revoked, is not a sequence that is missing.
func TestCheckTakesMarksForWhatTheyAre(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	e := openAt(t, disk, "store")
	want := []engine.Mark{{Channel: "all", Read: 3, Since: 2}, {Channel: "room", Read: 2, Since: 1}, {Channel: "user:42", Read: 1}}
	for _, m := range want {
		entries := make([]engine.Entry, m.Read)
		for i := range entries {
			entries[i].Channel = m.Channel
		}
		if _, err := e.Append(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
	}
	want = append([]engine.Mark{{Read: 1795840584720}}, want...)
	if err := e.Save(t.Context(), []engine.Update{{User: "42", Join: []string{"room"}, Marks: want}}, true); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = openAt(t, disk, "store") // what was saved is in a table now
	for range 2 {
		older := engine.Update{User: "42", Marks: []engine.Mark{{Channel: "all", Read: 2}, {Channel: "room"}}}
		if err := e.Save(t.Context(), []engine.Update{older}, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := pebble.Check(disk, "store"); err != nil || !r.OK() {
		t.Errorf("check: %+v, %v", r, err)
	}
	if _, err := pebble.Salvage(disk, "store", "saved"); err != nil {
		t.Fatal(err)
	}
	e = openAt(t, disk, "saved")
	defer e.Close()
	u, err := e.Load(t.Context(), "42")
	slices.SortFunc(u.Marks, func(a, b engine.Mark) int { return strings.Compare(a.Channel, b.Channel) })
	if err != nil || !slices.Equal(u.Marks, want) {
		t.Errorf("marks %+v, %v; want %+v", u.Marks, err, want)
	}
	for channel, want := range map[string]int{"all": 0, "room": 1, "user:42": 0} {
		if names, err := e.Members(t.Context(), channel, "", 10); err != nil || len(names) != want {
			t.Errorf("members of %s: %q, %v; want %d", channel, names, err, want)
		}
	}
}

// A block of a table is damaged. The check says what is missing, and the new store has
// all the rest, says to readers that something was lost, and has another epoch.
func TestSalvageDamagedTable(t *testing.T) {
	t.Parallel()
	for where := 2; where <= 4; where += pebble.Stride {
		t.Run(fmt.Sprint(where, " fifths"), func(t *testing.T) {
			t.Parallel()
			disk := vfs.NewMem()
			const messages = 3000
			fill(t, disk, messages)
			name := largest(t, disk, ".sst")
			text := readAll(t, disk, name)
			text[len(text)*where/5] ^= 1
			overwrite(t, disk, name, string(text))

			r, err := pebble.Check(disk, "store")
			if err != nil || r.OK() || len(r.Lost) != 1 {
				t.Fatalf("check: %+v, %v", r, err)
			}
			lost := r.Lost[0]
			if lost.Channel != "room" || lost.Messages == 0 || lost.Messages > messages/4 || lost.To-lost.From+1 != lost.Messages {
				t.Fatalf("check: %+v", r)
			}
			if !strings.HasPrefix(r.Damage[0].File, "0") || r.Records != messages-int(lost.Messages) {
				t.Errorf("check: %+v", r)
			}
			if _, err := pebble.Salvage(disk, "store", "saved"); err != nil {
				t.Fatal(err)
			}
			e := openAt(t, disk, "saved")
			if e.Epoch() == r.Epoch {
				t.Error("the epoch is the same")
			}
			for after, next := uint64(0), uint64(0); after < messages; after = next {
				page, err := e.Read(t.Context(), "room", after, 100, 1<<20)
				if err != nil || len(page.Records) == 0 {
					t.Fatalf("after %d: %d records, %v", after, len(page.Records), err)
				}
				first := page.Records[0].Seq
				if after+1 < lost.From && first != after+1 || after >= lost.To && first != after+1 || first >= lost.From && first <= lost.To {
					t.Fatalf("after %d comes %d, and %+v", after, first, lost)
				}
				if page.Lost != (after < lost.To) {
					t.Fatalf("after %d: lost is %v, and %+v", after, page.Lost, lost)
				}
				next = page.Next
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			if r, err = pebble.Check(disk, "saved"); err != nil || !r.OK() {
				t.Fatalf("check of the new store: %+v, %v", r, err)
			}
		})
	}
}

// Whatever file is missing or unreadable, the rest of a store can be salvaged.
func TestSalvageWithoutFiles(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"MANIFEST-", "marker.manifest", "marker.format", "OPTIONS-", "WIREPOST", "ANCHOR-1", ".log"} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			disk := vfs.NewMem()
			const messages = 200
			fill(t, disk, messages)
			name := largest(t, disk, part)
			text := readAll(t, disk, name)
			if len(text) > 0 {
				text[len(text)/2] ^= 0xff
				overwrite(t, disk, name, string(text))
			} else if err := disk.Remove("store/" + name); err != nil {
				t.Fatal(err)
			}
			r, err := pebble.Salvage(disk, "store", "saved")
			if err != nil {
				t.Fatal(err)
			}
			e := openAt(t, disk, "saved")
			if n, err := e.Count(t.Context(), "room", 0); err != nil || n != messages {
				t.Errorf("%d messages, %v; %+v", n, err, r)
			}
		})
	}
}

// Records after the damage in a log are saved, too. They also reveal the loss before
// them.
func TestSalvageDamagedLog(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	fill(t, disk, 10)
	e := openAt(t, disk, "store")
	for i := range 20 {
		if err := push(e, "other", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	name := largest(t, disk, ".log")
	text := readAll(t, disk, name)
	text[len(text)/2] ^= 1
	overwrite(t, disk, name, string(text))
	if _, err := pebble.Open("store", pebble.Options{FS: disk, Logger: quiet}); !errors.Is(err, pebble.ErrDamaged) {
		t.Fatal(err)
	}
	r, err := pebble.Salvage(disk, "store", "saved")
	if err != nil || len(r.Lost) != 1 || r.Lost[0].Messages != 1 || r.Lost[0].Channel != "other" {
		t.Fatalf("%+v, %v", r, err)
	}
	e = openAt(t, disk, "saved")
	if n, err := e.Count(t.Context(), "other", 0); err != nil || n != 19 {
		t.Errorf("%d messages, %v", n, err)
	}
}

// A store in use is refused, and so is a directory with anything in it.
func TestSalvageRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e, err := pebble.Open(dir, pebble.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := pebble.Check(vfs.Default, dir); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("check of a store in use: %v", err)
	}
	disk := vfs.NewMem()
	fill(t, disk, 1)
	if _, err := pebble.Salvage(disk, "store", "store"); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("salvage into the store itself: %v", err)
	}
	if err := disk.MkdirAll("empty", 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := pebble.Check(disk, "empty"); err == nil {
		t.Error("an empty directory passes for a store")
	}
}

var busySubscription = engine.PushSubscription{Endpoint: "https://push.example/1", P256dh: []byte{4, 1}, Auth: []byte{2}, Device: "e", Since: 3}

// busyStore is a store after many appends of all kinds, with its tables, as a process
// leaves it that was killed.
func busyStore(t *testing.T) (disk *vfs.MemFS, acks []ack, epoch string) {
	t.Helper()
	fs := vfs.NewCrashableMem()
	e, err := pebble.Open("store", pebble.Options{FS: fs, Logger: quiet, MemTableBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var mu sync.Mutex
	stop := make(chan struct{})
	pushAll(e, 0, 4, stop, func(a ack) {
		mu.Lock()
		defer mu.Unlock()
		if acks = append(acks, a); len(acks) == 3000 {
			close(stop)
		}
	})
	if err := e.Save(t.Context(), []engine.Update{
		{
			User: "42", Join: []string{"plain"}, Marks: []engine.Mark{{Channel: "plain", Read: 3}},
			Devices: []engine.Device{{Name: "d", Used: 1, Cursors: []engine.Cursor{{Channel: "plain", Seq: 5}}}},
		},
		{User: "43", Devices: []engine.Device{{Name: "e"}}, PushSubscriptions: []engine.PushSubscription{busySubscription}},
	}, true); err != nil {
		t.Fatal(err)
	}
	return fs.CrashClone(vfs.CrashCloneCfg{}), acks, e.Epoch()
}

// fill makes a store whose messages are in tables.
func fill(t *testing.T, disk vfs.FS, messages int) {
	t.Helper()
	e := openAt(t, disk, "store")
	entries := make([]engine.Entry, messages)
	for i := range entries {
		entries[i] = engine.Entry{Channel: "room", ID: fmt.Sprint(i), Data: []byte(fmt.Sprintf("%0100d", i*7919))}
	}
	if _, err := e.Append(context.Background(), entries); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second start flushes what the first has left in its log
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		e = openAt(t, disk, "store")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// openAt opens a store and closes it at the end of the test, if it is open still.
func openAt(t *testing.T, disk vfs.FS, dir string) *pebble.Engine {
	t.Helper()
	e, err := pebble.Open(dir, pebble.Options{FS: disk, Logger: quiet, SweepEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil && !errors.Is(err, engine.ErrClosed) {
			t.Error(err)
		}
	})
	return e
}

// largest is the largest file whose name has a part; the last of those of one size.
func largest(t *testing.T, disk vfs.FS, part string) (found string) {
	t.Helper()
	names, err := disk.List("store")
	if err != nil {
		t.Fatal(err)
	}
	most := int64(-1)
	for _, name := range names {
		if info, err := disk.Stat("store/" + name); err != nil {
			t.Fatal(err)
		} else if strings.Contains(name, part) && (info.Size() > most || info.Size() == most && name > found) {
			found, most = name, info.Size()
		}
	}
	if found == "" {
		t.Fatalf("no file has %q in its name", part)
	}
	return found
}

func readAll(t *testing.T, disk vfs.FS, name string) []byte {
	t.Helper()
	f, err := disk.Open("store/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
