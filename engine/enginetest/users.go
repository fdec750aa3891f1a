package enginetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/wirepost/wirepost/engine"
)

func save(t *testing.T, e engine.Engine, updates ...engine.Update) {
	t.Helper()
	if err := e.Save(t.Context(), updates, len(updates)%2 == 0); err != nil {
		t.Fatalf("save: %v", err)
	}
}

// load loads a user and sorts its lists.
func load(t *testing.T, e engine.Engine, user string) engine.User {
	t.Helper()
	u, err := e.Load(t.Context(), user)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	sortUser(&u)
	return u
}

func sortUser(u *engine.User) {
	slices.Sort(u.Memberships)
	slices.SortFunc(u.Marks, func(a, b engine.Mark) int { return strings.Compare(a.Channel, b.Channel) })
	slices.SortFunc(u.Devices, func(a, b engine.Device) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(u.PushSubscriptions, func(a, b engine.PushSubscription) int { return strings.Compare(a.Endpoint, b.Endpoint) })
	for _, d := range u.Devices {
		slices.SortFunc(d.Cursors, func(a, b engine.Cursor) int { return strings.Compare(a.Channel, b.Channel) })
	}
}

func testUpdate(t *testing.T, e engine.Engine, _ *Clock) {
	equal(t, "nobody", load(t, e, "u"), engine.User{})
	save(t, e, engine.Update{
		User:  "u",
		Join:  []string{"news", "empty"},
		Marks: []engine.Mark{{Channel: "news", Read: 3, Since: 2}, {Channel: "user:u", Read: 7}},
		Devices: []engine.Device{
			{Name: "", Used: 100, Cursors: []engine.Cursor{{Channel: "news", Seq: 5}}},
			{Name: "d1", Used: 200, Cursors: []engine.Cursor{{Channel: "news", Seq: 6}, {Channel: "user:u", Seq: 8}}},
		},
	})
	want := engine.User{
		Marks:       []engine.Mark{{Channel: "empty"}, {Channel: "news", Read: 3, Since: 2}, {Channel: "user:u", Read: 7}},
		Memberships: []string{"empty", "news"},
		Devices: []engine.Device{
			{Name: "", Used: 100, Cursors: []engine.Cursor{{Channel: "news", Seq: 5}}},
			{Name: "d1", Used: 200, Cursors: []engine.Cursor{{Channel: "news", Seq: 6}, {Channel: "user:u", Seq: 8}}},
		},
	}
	equal(t, "stored", load(t, e, "u"), want)

	// Only what an update names changes; several updates apply in order.
	save(t, e,
		engine.Update{User: "u", Marks: []engine.Mark{{Channel: "news", Read: 4}}},
		engine.Update{User: "u", Devices: []engine.Device{{Name: "d1", Used: 300, Cursors: []engine.Cursor{{Channel: "news", Seq: 9}}}}},
		engine.Update{User: "u", Leave: []string{"empty"}},
	)
	want.Marks, want.Memberships = want.Marks[1:], want.Memberships[1:]
	want.Marks[0].Read = 4
	want.Devices[1].Used, want.Devices[1].Cursors[0].Seq = 300, 9
	equal(t, "changed", load(t, e, "u"), want)

	save(t, e, engine.Update{User: "u", Leave: []string{"news", "unknown"}})
	want.Marks, want.Memberships = want.Marks[1:], nil
	want.Devices[0].Cursors, want.Devices[1].Cursors = nil, want.Devices[1].Cursors[1:]
	equal(t, "left", load(t, e, "u"), want)

	save(t, e, engine.Update{User: "u", RemoveDevices: []string{"d1", "unknown"}})
	want.Devices = want.Devices[:1]
	equal(t, "device removed", load(t, e, "u"), want)

	// Within one update removals apply before the other fields.
	save(t, e, engine.Update{
		User:          "u",
		Leave:         []string{"x", "user:u"},
		Join:          []string{"x"},
		Marks:         []engine.Mark{{Channel: "x", Read: 1}},
		RemoveDevices: []string{"d2", ""},
		Devices:       []engine.Device{{Name: "d2", Used: 1, Cursors: []engine.Cursor{{Channel: "x", Seq: 2}}}, {Name: "d3"}},
	})
	equal(t, "all parts", load(t, e, "u"), engine.User{
		Marks:       []engine.Mark{{Channel: "x", Read: 1}},
		Memberships: []string{"x"},
		Devices:     []engine.Device{{Name: "d2", Used: 1, Cursors: []engine.Cursor{{Channel: "x", Seq: 2}}}, {Name: "d3"}},
	})
}

// testPushSubscriptions: they are stored whole, replaced and removed by their endpoints, and
// independent of the rest of the user.
func testPushSubscriptions(t *testing.T, e engine.Engine, _ *Clock) {
	a := engine.PushSubscription{
		Endpoint: "https://push.example/a?b=c", P256dh: []byte{4, 0, 255}, Auth: []byte{0, 1}, Device: "d1", Since: 100, Expires: 1 << 45,
	}
	b := engine.PushSubscription{Endpoint: "https://push.example/a", P256dh: []byte{4}, Auth: []byte{2}, Since: 200}
	subscriptions := func(u string, want ...engine.PushSubscription) {
		t.Helper()
		equal(t, "subscriptions", load(t, e, u).PushSubscriptions, want)
	}
	save(t, e, engine.Update{User: "u", PushSubscriptions: []engine.PushSubscription{a, b}},
		engine.Update{User: "u1", PushSubscriptions: []engine.PushSubscription{b}})
	subscriptions("u", b, a)
	save(t, e, engine.Update{
		User: "u", Join: []string{"c"}, Marks: []engine.Mark{{Channel: "c", Read: 1}},
		Devices: []engine.Device{{Name: "d1", Cursors: []engine.Cursor{{Channel: "c", Seq: 1}}}},
	})
	a.Auth, a.Since, a.Expires, a.Device = []byte{7, 7}, 300, 0, ""
	save(t, e, engine.Update{User: "u", PushSubscriptions: []engine.PushSubscription{a}})
	subscriptions("u", b, a)
	save(t, e, engine.Update{User: "u", Leave: []string{"c"}, RemoveDevices: []string{"d1"}})
	subscriptions("u", b, a)
	names, err := e.ListUsers(t.Context(), "", "", 10)
	equal(t, "error", err, nil)
	equal(t, "users", names, []string{"u", "u1"})

	// Removals come first in an update.
	save(t, e, engine.Update{
		User: "u", RemovePushSubscriptions: []string{a.Endpoint, b.Endpoint, "https://push.example/"},
		PushSubscriptions: []engine.PushSubscription{b},
	})
	subscriptions("u", b)
	save(t, e, engine.Update{User: "u", RemovePushSubscriptions: []string{b.Endpoint}})
	equal(t, "nothing left", load(t, e, "u"), engine.User{})
	subscriptions("u1", b)
	names, err = e.ListUsers(t.Context(), "", "", 10)
	equal(t, "error", err, nil)
	equal(t, "users with subscriptions", names, []string{"u1"})
}

// testMerge: of the sequences that two nodes save, the highest is kept, whatever their
// order, in one call or in several.
func testMerge(t *testing.T, e engine.Engine, _ *Clock) {
	saves := func(read, since, seq uint64) engine.Update {
		return engine.Update{
			User: "u", Marks: []engine.Mark{{Channel: "c", Read: read, Since: since}},
			Devices: []engine.Device{{Name: "d", Cursors: []engine.Cursor{{Channel: "c", Seq: seq}}}},
		}
	}
	stored := func(read, since, seq uint64) engine.User {
		return engine.User{
			Marks:   []engine.Mark{{Channel: "c", Read: read, Since: since}},
			Devices: []engine.Device{{Name: "d", Cursors: []engine.Cursor{{Channel: "c", Seq: seq}}}},
		}
	}
	save(t, e, saves(300, 5, 1000))
	save(t, e, saves(2, 70_000, 999))
	equal(t, "in two calls", load(t, e, "u"), stored(300, 70_000, 1000))
	save(t, e, saves(400, 0, 3), saves(7, 1<<40, 1<<50), saves(0, 0, 0))
	equal(t, "in one call", load(t, e, "u"), stored(400, 1<<40, 1<<50))

	// After a removal a lower sequence may be saved.
	save(t, e, engine.Update{User: "u", Leave: []string{"c"}})
	save(t, e, saves(1, 1, 2))
	equal(t, "after leaving", load(t, e, "u"), stored(1, 1, 2))
	save(t, e, saves(9, 9, 9), engine.Update{User: "u", Leave: []string{"c"}, RemoveDevices: []string{"d"}}, saves(1, 0, 1))
	equal(t, "removed within one call", load(t, e, "u"), stored(1, 0, 1))
}

// testMembershipsAreOperations: a node that saves its copy of a mark does not undo another
// node's change of the membership.
func testMembershipsAreOperations(t *testing.T, e engine.Engine, _ *Clock) {
	mark := engine.Update{User: "u", Marks: []engine.Mark{{Channel: "c", Read: 5}}}
	member := func(want bool) {
		t.Helper()
		u := load(t, e, "u")
		equal(t, "membership", slices.Contains(u.Memberships, "c"), want)
		members, err := e.Members(t.Context(), "c", "", 10)
		equal(t, "members", err, nil)
		equal(t, "is listed", slices.Contains(members, "u"), want)
	}
	save(t, e, mark)
	member(false)
	save(t, e, engine.Update{User: "u", Join: []string{"c"}})
	member(true)
	save(t, e, mark)
	member(true)
	save(t, e, engine.Update{User: "u", Join: []string{"c"}})
	equal(t, "mark of another join", load(t, e, "u").Marks, mark.Marks)
	save(t, e, engine.Update{User: "u", Leave: []string{"c"}})
	member(false)
	save(t, e, mark)
	member(false)
	save(t, e, engine.Update{User: "u", Join: []string{"c"}}, engine.Update{User: "u", Leave: []string{"c"}})
	member(false)
	equal(t, "mark", len(load(t, e, "u").Marks), 0)
}

func testSimilarUsers(t *testing.T, e engine.Engine, _ *Clock) {
	names := []string{"1", "11", "1m", "1d", "2", "ÿ"}
	for i, name := range names {
		save(t, e, engine.Update{
			User:    name,
			Join:    []string{"c"},
			Marks:   []engine.Mark{{Channel: "c", Read: uint64(i + 1)}, {Channel: "cc", Read: 1}},
			Devices: []engine.Device{{Name: "d", Cursors: []engine.Cursor{{Channel: "c", Seq: 1}, {Channel: "cc", Seq: 2}}}},
		})
	}
	save(t, e, engine.Update{User: "1", Leave: []string{"c"}})
	for i, name := range names[1:] {
		u := load(t, e, name)
		if len(u.Marks) != 2 || u.Marks[0].Read != uint64(i+2) || len(u.Devices[0].Cursors) != 2 {
			t.Fatalf("user %q: %+v", name, u)
		}
	}
	equal(t, "cursors", load(t, e, "1").Devices[0].Cursors, []engine.Cursor{{Channel: "cc", Seq: 2}})
}

func testMembers(t *testing.T, e engine.Engine, _ *Clock) {
	for _, name := range []string{"b", "a", "ab", "c", "d"} {
		save(t, e, engine.Update{User: name, Join: []string{"r", "room"}, Marks: []engine.Mark{{Channel: "rooms"}}})
	}
	save(t, e,
		engine.Update{User: "c", Leave: []string{"room"}},
		engine.Update{User: "d", Leave: []string{"room"}})
	members := func(channel, after string, limit int, want ...string) {
		t.Helper()
		got, err := e.Members(t.Context(), channel, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "members of "+channel, got, want)
	}
	members("room", "", 10, "a", "ab", "b")
	members("room", "", 2, "a", "ab")
	members("room", "a", 2, "ab", "b")
	members("room", "aa", 2, "ab", "b")
	members("room", "b", 2)
	members("r", "", 10, "a", "ab", "b", "c", "d")
	members("rooms", "", 10)
	members("none", "", 10)
}

func testSaveConcurrent(t *testing.T, e engine.Engine, _ *Clock) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			user := fmt.Sprint("u", i%4)
			device := fmt.Sprint("d", i)
			for n := range 30 {
				err := e.Save(t.Context(), []engine.Update{{User: user, Devices: []engine.Device{{
					Name: device, Used: int64(n), Cursors: []engine.Cursor{{Channel: "c", Seq: uint64(n)}},
				}}}}, n%10 == 0)
				if err != nil {
					t.Error(err)
					return
				}
				u, err := e.Load(t.Context(), user) // what was saved can be loaded
				at := slices.IndexFunc(u.Devices, func(d engine.Device) bool { return d.Name == device })
				if err != nil || at < 0 || u.Devices[at].Used != int64(n) {
					t.Errorf("load after save %d: %+v, %v", n, u, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
