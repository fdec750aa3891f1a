package pebble

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/committer"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
)

// What a store of an earlier format keeps of a user is merged with what is saved later.
func TestMergeWithEarlierFormats(t *testing.T) {
	t.Parallel()
	e, _ := sweptByHand(t)
	err := e.committer.Do(t.Context(), committer.Mode{Sync: true}, nil, func(c *stage.Changes) error {
		c.Set(format.UserKey(nil, "u", format.MarkPart, "room"), []byte{9, 1, 4}) // read, member, since
		c.Set(format.MemberKey(nil, "room", "u"), nil)
		c.Set(format.UserKey(nil, "u", format.MarkPart, "all"), []byte{3})
		c.Set(format.UserKey(nil, "u", format.DevicePart, "d"), []byte{1})
		c.Set(format.UserKey(nil, "u", format.CursorPart, format.PairName("room", "d")), []byte{8})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.db.Flush(); err != nil {
		t.Fatal(err)
	}
	save := func(read, seq uint64) {
		t.Helper()
		err := e.Save(t.Context(), []engine.Update{{
			User: "u", Marks: []engine.Mark{{Channel: "room", Read: read}, {Channel: "all", Read: read}},
			Devices: []engine.Device{{Name: "d", Used: 2, Cursors: []engine.Cursor{{Channel: "room", Seq: seq}}}},
		}}, true)
		if err != nil {
			t.Fatal(err)
		}
	}
	save(5, 200)
	save(4, 3)
	want := engine.User{
		Marks:       []engine.Mark{{Channel: "all", Read: 5}, {Channel: "room", Read: 9, Since: 4}},
		Memberships: []string{"room"},
		Devices:     []engine.Device{{Name: "d", Used: 2, Cursors: []engine.Cursor{{Channel: "room", Seq: 200}}}},
	}
	for _, when := range []string{"from memory", "from tables", "after a compaction"} {
		if u, err := e.Load(t.Context(), "u"); err != nil || cmp.Diff(want, u) != "" {
			t.Errorf("%s: %v (-want +got):\n%s", when, err, cmp.Diff(want, u))
		}
		err := e.db.Flush()
		if when == "from tables" {
			err = e.db.Compact(t.Context(), []byte{0}, []byte{0xff}, false)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A value that cannot be read does not spoil the one that it is merged with.
func TestMergeUnreadable(t *testing.T) {
	t.Parallel()
	good, bad := []byte{7}, []byte{0x80}
	for _, part := range []byte{format.MarkPart, format.CursorPart} {
		key := format.UserKey(nil, "u", part, "c")
		for name, got := range map[string][]byte{"newer": format.Merge(key, good, bad), "older": format.Merge(key, bad, good)} {
			if string(got) != string(good) {
				t.Errorf("%c, with the %s one unreadable: %x", part, name, got)
			}
		}
	}
}

// A Web Push subscription that cannot be read is damage, and the rest of the user is saved.
func TestSalvageUnreadableSubscription(t *testing.T) {
	t.Parallel()
	disk, e := storeWithTimers(t)
	err := e.Save(t.Context(), []engine.Update{{
		User: "u", Devices: []engine.Device{{Name: "d"}},
		PushSubscriptions: []engine.PushSubscription{{Endpoint: "https://push.example/1"}, {Endpoint: "https://push.example/2"}},
	}}, true)
	if err == nil {
		err = e.committer.Do(t.Context(), committer.Mode{Sync: true}, nil, func(c *stage.Changes) error {
			c.Set(format.UserKey(nil, "u", format.PushPart, "https://push.example/1"), []byte{1, 2, 200})
			return nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Load(t.Context(), "u"); !errors.Is(err, engine.ErrDamaged) {
		t.Errorf("load: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Salvage(disk, "store", "saved")
	if err != nil || len(r.Damage) != 1 || !strings.Contains(r.Damage[0].Problem, `a Web Push subscription of user "u"`) {
		t.Fatalf("salvage: %+v, %v", r, err)
	}
	e, err = Open("saved", Options{FS: disk, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	u, err := e.Load(t.Context(), "u")
	if err != nil || len(u.Devices) != 1 || len(u.PushSubscriptions) != 1 || u.PushSubscriptions[0].Endpoint != "https://push.example/2" {
		t.Errorf("%+v, %v", u, err)
	}
}
