package user_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/internal/user"
)

// Two nodes share a store: neither undoes what the other saved, although each saves the
// state that it loaded before.
func TestTwoNodesSaveOneUser(t *testing.T) {
	t.Parallel()
	store := memory.New(memory.Options{})
	node := func() (*user.Users, *user.User) {
		us := user.New(user.Config{
			Store: store, LogOf: func(string) engine.Log { return store }, Logger: slog.New(slog.DiscardHandler),
		})
		t.Cleanup(us.Close)
		u, err := us.Acquire(t.Context(), "42")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { us.Release(u) })
		return us, u
	}
	save := func(us *user.Users, u *user.User) {
		t.Helper()
		if err := us.Save(t.Context(), u, true); err != nil {
			t.Fatal(err)
		}
	}
	stored := func() (member bool, read, seq uint64) {
		t.Helper()
		u, err := store.Load(t.Context(), "42")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range u.Marks {
			if m.Channel == "room" {
				read = m.Read
			}
		}
		for _, d := range u.Devices {
			for _, c := range d.Cursors {
				if c.Channel == "room" {
					seq = c.Seq
				}
			}
		}
		return len(u.Memberships) == 1, read, seq
	}
	usA, a := node()
	usB, b := node()
	for _, u := range []*user.User{a, b} {
		if _, err := u.ConnectDevice("phone", time.Now(), 5); err != nil {
			t.Fatal(err)
		}
	}

	b.Join("room", 10)
	b.AdvanceRead("room", 20)
	b.Acknowledge("phone", "room", 30)
	save(usB, b)
	a.AdvanceRead("room", 15)
	a.Acknowledge("phone", "room", 12)
	save(usA, a)
	if member, read, seq := stored(); !member || read != 20 || seq != 30 {
		t.Errorf("after the slower node: member %v, read %d, acknowledged %d; want true, 20, 30", member, read, seq)
	}

	b.Leave("room")
	save(usB, b)
	a.AdvanceRead("room", 25)
	save(usA, a)
	if member, _, _ := stored(); member {
		t.Error("a read mark made the user a member again")
	}
}

// A mark that a wrong clock put in the future is replaced in the store as well, where
// marks otherwise only move forward.
func TestRevocationFromTheFutureIsReplaced(t *testing.T) {
	t.Parallel()
	store := memory.New(memory.Options{})
	us := user.New(user.Config{Store: store, LogOf: func(string) engine.Log { return store }, Logger: slog.New(slog.DiscardHandler)})
	defer us.Close()
	for _, mark := range []uint64{5000, 2000, 1000} {
		err := us.With(t.Context(), "42", func(u *user.User) error {
			u.RevokeBefore(mark, max(mark, 3000))
			return us.Save(t.Context(), u, true)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	u, err := store.Load(t.Context(), "42")
	if err != nil || len(u.Marks) != 1 || u.Marks[0].Read != 2000 {
		t.Errorf("stored: %+v, %v; want the mark at 2000", u, err)
	}
}
