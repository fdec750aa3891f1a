package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/client"
)

func withPresence(o *wirepost.Options) {
	o.Channels = []wirepost.Policy{{Pattern: "room:*", Presence: true}}
	o.Authenticate = func(r *http.Request) (wirepost.Identity, error) {
		id, err := byQuery(r)
		id.Info = json.RawMessage(`{"name":"` + id.User + `"}`)
		return id, err
	}
}

func wantRoom(t *testing.T, room *client.Room, want string) {
	t.Helper()
	time.Sleep(time.Second)
	got := []string{fmt.Sprint(room.Count())}
	for _, u := range room.Users() {
		if string(u.Info) != `{"name":"`+u.User+`"}` || u.Since.IsZero() {
			t.Errorf("user %+v", u)
		}
		got = append(got, u.User)
	}
	if got := strings.Join(got, " "); got != want {
		t.Errorf("present %s, want %s", got, want)
	}
}

// TestPresence: a room is kept up to date, also across a restart of the server.
func TestPresence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, withPresence)
		a := s.dial("a")
		room, err := a.Presence(t.Context(), "room:1")
		if err != nil {
			t.Fatal(err)
		}
		wantRoom(t, room, "1 a")
		<-room.Changed()
		b := s.dial("b")
		if _, err := b.Presence(t.Context(), "room:1"); err != nil {
			t.Fatal(err)
		}
		<-room.Changed()
		wantRoom(t, room, "2 a b")
		if same, err := a.Presence(t.Context(), "room:1"); err != nil || same != room {
			t.Errorf("another room, error %v", err)
		}
		if err := b.Unsubscribe(t.Context(), "room:1"); err != nil {
			t.Fatal(err)
		}
		wantRoom(t, room, "1 a")
		s.stop()
		s.start()
		time.Sleep(time.Minute)
		c := s.dial("c&channels=room:1")
		wantRoom(t, room, "2 a c")
		c.Close()
		time.Sleep(6 * time.Second)
		wantRoom(t, room, "1 a")
		var refused *client.CommandError
		if _, err := a.Presence(t.Context(), "news"); !errors.As(err, &refused) {
			t.Errorf("without a policy: %v", err)
		}
		count, users, err := s.backend().Presence(t.Context(), "room:1")
		if err != nil || count != 1 || len(users) != 1 || users[0].User != "a" {
			t.Errorf("for a backend: %d, %v, %v", count, users, err)
		}
	})
}

// TestHistory reads pages backwards.
func TestHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		for i := range 5 {
			s.push("news", fmt.Sprint(i))
		}
		c := s.dial("a")
		for _, tt := range []struct {
			before uint64
			want   string
		}{{0, "5 4 next 4"}, {4, "3 2 next 2"}, {2, "1 next 1"}, {1, "next 1"}} {
			list, next, err := c.History(t.Context(), "news", tt.before, 2)
			if err != nil {
				t.Fatal(err)
			}
			from := tt.before
			if from == 0 {
				from = math.MaxUint64
			}
			same, _, err := s.backend().History(t.Context(), "news", from, 2)
			if err != nil || len(same) != len(list) {
				t.Errorf("for a backend: %v, %v", same, err)
			}
			var got []string
			for _, m := range list {
				got = append(got, fmt.Sprint(m.Seq))
			}
			if got := strings.Join(append(got, "next", fmt.Sprint(next)), " "); got != tt.want {
				t.Errorf("before %d: %s, want %s", tt.before, got, tt.want)
			}
		}
	})
}
