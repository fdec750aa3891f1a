package presence

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestCrowdReconnects: the connections of a room of 5 000 users are lost at the same moment.
// Those that come back within the grace cost the others nothing, and the count is right
// for each client.
func TestCrowdReconnects(t *testing.T) {
	t.Parallel()
	for _, stay := range []int{crowd, crowd - 1, crowd / 2} {
		synctest.Test(t, func(t *testing.T) { testCrowdReconnects(t, stay) })
	}
}

func testCrowdReconnects(t *testing.T, stay int) {
	p := newTestPresence(t)
	l := &loop{}
	frames, pages, bytes := make([]int, crowd), make([]*page, crowd), 0
	watches := make([]*Watch, crowd)
	enter := func(i int) {
		p.Join("room", fmt.Sprint("user-", i), json.RawMessage(`{"name":"Somebody"}`))
		if i%100 != 0 {
			watches[i], _ = p.Watch("room", counter{&frames[i], &bytes}, l)
			return
		}
		pages[i] = &page{t: t}
		w, snapshot := p.Watch("room", pages[i], l)
		watches[i] = w
		pages[i].read(snapshot.In([]byte(`{"type":"ok"}`)))
	}
	later := func(d time.Duration) {
		time.Sleep(d)
		synctest.Wait()
		l.run()
	}
	for i := range crowd {
		enter(i)
	}
	later(time.Second)
	for i, w := range watches {
		w.Stop(l)
		p.Leave("room", fmt.Sprint("user-", i), Lost)
	}
	later(Grace - time.Second)
	clear(frames)
	for i := range stay {
		enter(i)
	}
	later(900 * time.Millisecond)
	if count, list := p.In("room"); count != crowd || len(list) != MaxListed || list[0].User != "user-0" {
		t.Errorf("%d users, %d listed, the first is %q", count, len(list), list[0].User)
	}
	later(time.Minute)
	if count, list := p.In("room"); count != stay || len(list) != min(stay, MaxListed) {
		t.Errorf("%d users, %d listed, want %d", count, len(list), stay)
	}
	most := 0 // frames with changes
	if stay < crowd {
		most = 1
	}
	for i := range stay {
		if frames[i] > most {
			t.Fatalf("user %d of %d is sent %d frames", i, stay, frames[i])
		}
		if pages[i] != nil && (pages[i].count != stay || len(pages[i].users) != min(stay, MaxListed)) {
			t.Fatalf("the page of user %d has %d users and the count %d, want %d", i, len(pages[i].users), pages[i].count, stay)
		}
	}
}
