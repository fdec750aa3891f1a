package load

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// testServer is a server in memory whose URL names the user.
func testServer(t *testing.T) (*wirepost.Server, *Target) {
	t.Helper()
	server, err := wirepost.New(wirepost.Options{Authenticate: func(r *http.Request) (wirepost.Identity, error) {
		user := r.URL.Query().Get("user")
		if strings.HasSuffix(user, "nobody") {
			return wirepost.Identity{}, wirepost.Errorf(wirepost.CodeUnauthorized, "nobody is not known")
		}
		return wirepost.Identity{User: user, Subscribe: []string{"*"}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(server)
	t.Cleanup(func() {
		server.Shutdown(context.Background()) //nolint:errcheck // it is over either way
		h.Close()
	})
	u, err := url.Parse(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	return server, &Target{URL: u}
}

// both runs a test with an epoll for all, where there is one, and with a goroutine for
// each.
func both(t *testing.T, test func(t *testing.T, portable bool)) {
	for _, portable := range []bool{false, true} {
		t.Run(fmt.Sprintf("portable %v", portable), func(t *testing.T) { test(t, portable) })
	}
}

func testPlan(target *Target, size int) clientPlan {
	return clientPlan{
		targets: []*Target{target}, clock: clock{time.Now()}, size: size, channel: "c", marks: newMarks("bench-x", 100),
		user: func(i int) string { return fmt.Sprint("u", i) },
	}
}

// TestClients delivers more than a window to all readers, while others don't read.
func TestClients(t *testing.T) {
	const readers, slow, messages = 18, 2, 600
	both(t, func(t *testing.T, portable bool) {
		for _, v1 := range []bool{false, true} {
			t.Run(fmt.Sprintf("v1 %v", v1), func(t *testing.T) {
				t.Parallel()
				server, target := testServer(t)
				plan := testPlan(target, readers+slow)
				plan.v1, plan.slow, plan.portable = v1, slow, portable
				c, err := connect(t.Context(), plan)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if err := c.await(t.Context(), t.Logf); err != nil {
					t.Fatal(err)
				}
				b := &broadcast{clients: c, readers: readers}
				for n := range uint64(messages) {
					data := plan.marks.appendMessage(nil, n+1, int64(plan.clock.now()))
					if _, err := server.Push(t.Context(), wirepost.Push{To: "c", Data: data}); err != nil {
						t.Fatal(err)
					}
					b.pushed.Add(1)
				}
				if err := b.land(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got, want := c.tallies.counts(), (counts{delivered: readers * messages}); got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
				if h := c.tallies.each(); h.count != readers*messages || h.max > time.Minute {
					t.Errorf("%d latencies up to %s", h.count, h.max)
				}
				c.Close()
				if err := c.Failure(); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

func TestClientsRefused(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		_, target := testServer(t)
		plan := testPlan(target, 300)
		plan.portable = portable
		plan.user = func(i int) string { return map[bool]string{true: "nobody", false: fmt.Sprint("u", i)}[i == 250] }
		c, err := connect(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.await(t.Context(), t.Logf); err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("got %v", err)
		}
	})
}

func TestClientsCutOff(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		server, target := testServer(t)
		plan := testPlan(target, 5)
		plan.portable = portable
		c, err := connect(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.await(t.Context(), t.Logf); err != nil {
			t.Fatal(err)
		}
		server.Shutdown(t.Context()) //nolint:errcheck // what the crowd sees counts
		<-c.Broken()
		if err := c.Failure(); err == nil || !strings.Contains(err.Error(), "1012") {
			t.Errorf("got %v", err)
		}
	})
}

func TestNobodyListens(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		plan := testPlan(&Target{URL: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}}, 5)
		plan.portable = portable
		c, err := connect(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.await(t.Context(), t.Logf); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
			t.Errorf("got %v", err)
		}
	})
}
