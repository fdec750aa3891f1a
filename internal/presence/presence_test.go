package presence

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/ws"
)

// loop runs tasks when the test says so.
type loop struct {
	mu    sync.Mutex
	tasks []conn.Task
}

func (l *loop) Post(t conn.Task) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks = append(l.tasks, t)
	return true
}

func (l *loop) run() {
	l.mu.Lock()
	tasks := l.tasks
	l.tasks = nil
	l.mu.Unlock()
	for _, t := range tasks {
		t.Run()
	}
}

// page is a client: it keeps the list as docs/protocol.md says.
type page struct {
	t     *testing.T
	watch *Watch
	users map[string]string // info by user
	count int
	slow  bool
	bytes int
}

type object struct {
	Type     string
	Users    *[]entry
	Joined   []entry
	Left     []string
	Count    int
	Presence *struct {
		Count int
		Users []entry
	}
}

type entry struct {
	User  string
	Info  json.RawMessage
	Since int64
}

func (p *page) WritePresence(parts ...[]byte) bool {
	if p.slow {
		return false
	}
	p.read(parts)
	return true
}

func (p *page) read(parts [][]byte) {
	frame := slices.Concat(parts...)
	p.bytes += len(frame)
	var o object
	if err := json.Unmarshal(ws.FramePayload(frame), &o); err != nil {
		p.t.Fatalf("%v in %q", err, frame)
	}
	switch {
	case o.Presence != nil:
		p.users = map[string]string{}
		o.Joined, o.Count = o.Presence.Users, o.Presence.Count
	case o.Users != nil:
		p.users = map[string]string{}
		o.Joined = *o.Users
	}
	for _, user := range o.Left {
		delete(p.users, user)
	}
	for _, e := range o.Joined {
		p.users[e.User] = string(e.Info)
	}
	p.count = o.Count
}

func newTestPresence(t *testing.T) *Presence {
	p := New(Config{
		Enabled: func(string) bool { return true },
		Now:     func() int64 { return time.Now().UnixMilli() },
	})
	t.Cleanup(p.Close)
	return p
}

// TestWatchers: whatever happens, each client ends up with the list of the server, also
// those that did not read for a while.
func TestWatchers(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) { testWatchers(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func testWatchers(t *testing.T, random *rand.Rand) {
	p := newTestPresence(t)
	loops := []*loop{{}, {}}
	var pages []*page
	sessions := map[string]int{}
	user := func() string { return fmt.Sprint("u", random.IntN(12)) }
	for range 300 {
		switch u := user(); random.IntN(12) {
		case 0, 1, 2:
			p.Join("room", u, json.RawMessage(fmt.Sprint(random.IntN(3))))
			sessions[u]++
		case 3, 4, 5:
			if sessions[u] > 0 {
				sessions[u]--
				p.Leave("room", u, How(random.IntN(3)))
			}
		case 6:
			p.Update("room", u, json.RawMessage(fmt.Sprint(random.IntN(3))))
		case 7:
			l := loops[random.IntN(2)]
			g := &page{t: t}
			w, snapshot := p.Watch("room", g, l)
			g.watch = w
			g.read(snapshot.In([]byte(`{"type":"ok"}`)))
			pages = append(pages, g)
		case 8:
			if len(pages) > 0 {
				g := pages[random.IntN(len(pages))]
				if g.slow = !g.slow; !g.slow {
					g.watch.Renew()
				}
			}
		case 9:
			for _, l := range loops {
				l.run()
			}
		case 10:
			time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
		case 11:
			time.Sleep(time.Duration(random.IntN(3)) * time.Second)
		}
		synctest.Wait()
	}
	time.Sleep(Grace + time.Second)
	synctest.Wait()
	count, list := p.In("room")
	want := map[string]string{}
	for _, u := range list {
		want[u.User] = string(u.Info)
	}
	maps.DeleteFunc(sessions, func(_ string, n int) bool { return n == 0 })
	if count != len(want) || count != len(sessions) {
		t.Errorf("%d users, %d listed, %d have a connection", count, len(want), len(sessions))
	}
	for _, l := range loops {
		l.run()
	}
	for i, g := range pages {
		g.slow = false
		g.watch.Renew()
		if g.count != count || !maps.Equal(g.users, want) {
			t.Errorf("page %d has %d, %v; the server %d, %v", i, g.count, g.users, count, want)
		}
	}
}

// TestNothingIsKept: a channel that nobody is in takes no memory.
func TestNothingIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newTestPresence(t)
		l := &loop{}
		for i := range 100 {
			channel := fmt.Sprint("room", i)
			p.Join(channel, "a", nil)
			w, _ := p.Watch(channel, &page{t: t}, l)
			w.Stop(l)
			p.Leave(channel, "a", How(i%3))
			p.Elsewhere(channel+"\x00b\x001\x000\x00", true, false)
			p.Elsewhere(channel+"\x00b\x001\x000\x00", false, i%2 == 0)
		}
		time.Sleep(Grace + time.Second)
		synctest.Wait()
		if n := p.rooms.Len(); n != 0 {
			t.Errorf("%d rooms are left", n)
		}
	})
}

// TestCameAndWent: who came and left between two frames is in neither.
func TestCameAndWent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newTestPresence(t)
		l := &loop{}
		p.Join("room", "a", nil)
		g := &page{t: t}
		w, snapshot := p.Watch("room", g, l)
		g.read(snapshot.In([]byte(`{"type":"ok"}`)))
		defer w.Stop(l)
		before := g.bytes
		for range 1000 {
			p.Join("room", "b", nil)
			p.Leave("room", "b", Left)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		l.run()
		if g.bytes != before || g.count != 1 {
			t.Errorf("%d bytes about somebody who is gone, count %d", g.bytes-before, g.count)
		}
	})
}
