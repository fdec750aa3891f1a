package wirepost_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/wirepost/wirepost"
)

// maxCursor is the maximum length of a cursor: nginx accepts 8 KiB for a header line or
// a URL, which must also hold a token and a list of channels.
const maxCursor = 2048

// member makes a user a member of many rooms.
func (n *node) member(user string, rooms int) {
	n.t.Helper()
	for i := range rooms {
		if err := n.Join(context.Background(), user, fmt.Sprint("room:", i)); err != nil {
			n.t.Fatal(err)
		}
	}
}

// heard counts messages by their text.
type heard map[string]int

func (h heard) all(t testing.TB, rooms int) {
	t.Helper()
	for i := range rooms {
		if h[fmt.Sprint(i)] == 0 {
			t.Errorf("the message of room %d never came", i)
		}
	}
}

func TestAStreamWithManyMembershipsResumes(t *testing.T) {
	t.Parallel()
	const rooms = 700
	n := newNode(t)
	n.member("42", rooms)
	got, id := heard{}, ""
	for round := 0; len(got) < rooms; round++ {
		var header []string
		if id != "" {
			header = []string{"Last-Event-ID", id}
		}
		e := n.events("42", header...)
		for i := round * 100; i < round*100+100; i++ { // one message for each room
			n.json(fmt.Sprint("room:", i), fmt.Sprint(i))
		}
		for len(got) < (round+1)*100 {
			f := e.frame("message")
			got[fmt.Sprint(f["data"])]++
			if len(e.id) > maxCursor {
				t.Fatalf("a cursor of %d characters", len(e.id))
			}
		}
		id = e.id
		e.body.Close()
		n.gone("42")
	}
	got.all(t, rooms)
	for data, times := range got {
		if times > 1 {
			t.Errorf("message %s came %d times, though every cursor had room for the 100 channels of its stream", data, times)
		}
	}
}

// A stream with more channels than its cursor can hold acknowledges some of them each
// time it is resumed, and finally all.
func TestAStreamOfMoreChannelsThanACursorHolds(t *testing.T) {
	t.Parallel()
	const rooms = 700
	n := newNode(t)
	n.member("42", rooms)
	for i := range rooms {
		n.json(fmt.Sprint("room:", i), fmt.Sprint(i))
	}
	got, id := heard{}, ""
	for left := rooms; left > 0; {
		e := n.events("42", "Last-Event-ID", id)
		now := n.unacknowledged("42", rooms)
		if id != "" && now >= left {
			t.Fatalf("%d channels are not acknowledged, %d were not before", now, left)
		}
		left = now
		for range left {
			got[fmt.Sprint(e.frame("message")["data"])]++
		}
		if left > 0 {
			id = e.id
		}
		if len(id) > maxCursor {
			t.Fatalf("a cursor of %d characters", len(id))
		}
		e.body.Close()
		n.gone("42")
	}
	got.all(t, rooms)
}

// unacknowledged counts a member's rooms whose one message is not acknowledged.
func (n *node) unacknowledged(user string, rooms int) (count int) {
	n.t.Helper()
	info, err := n.User(context.Background(), user)
	if err != nil {
		n.t.Fatal(err)
	}
	for i := range rooms {
		if info.Channels[fmt.Sprint("room:", i)].Devices[""] == 0 {
			count++
		}
	}
	return count
}

func TestPollsWithManyMembershipsBringEverything(t *testing.T) {
	t.Parallel()
	const rooms = 200
	n := newNode(t)
	n.member("42", rooms)
	for i := range rooms {
		n.json(fmt.Sprint("room:", i), fmt.Sprint(i))
	}
	got, cursor, polls := heard{}, "", 0
	for {
		p := n.poll("42&wait=0&after=" + cursor)
		if len(p.Messages) == 0 {
			break
		}
		for _, data := range p.data(t) {
			got[data]++
		}
		if cursor = p.Cursor; len(cursor) > maxCursor {
			t.Fatalf("a cursor of %d characters", len(cursor))
		}
		if polls++; polls > 2*rooms {
			t.Fatalf("after %d polls not everything is acknowledged", polls)
		}
	}
	got.all(t, rooms)
}

// Channels without a membership have no stored cursor: the cursor holds as many as a
// session may request, and the loss of the rest is not silent.
func TestACursorHoldsRequestedChannels(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ channels, most, gaps int }{
		{98, 100, 0}, // with the inbox and All, the default maximum
		{300, 400, 200},
	} {
		n := newNode(t, func(o *wirepost.Options) { o.MaxSubscriptions = test.most })
		var names []string
		for i := range test.channels {
			names = append(names, fmt.Sprint("own:", i))
		}
		query := "42&channels=" + strings.Join(names, ",")
		e := n.events(query)
		n.json("user:42", `"begun"`)
		e.message(`"begun"`)
		id := e.id
		if len(id) > maxCursor {
			t.Fatalf("a cursor of %d characters", len(id))
		}
		e.body.Close()
		n.gone("42")
		for _, name := range names {
			n.json(name, `"while away"`)
		}
		e = n.events(query, "Last-Event-ID", id)
		for _, name := range names {
			n.json(name, `"later"`)
		}
		announced, gaps := map[any]bool{}, 0
		for later := 0; later < test.channels; {
			data, _ := e.next()
			f := frame{}
			if err := json.Unmarshal([]byte(data), &f); err != nil {
				t.Fatal(err)
			}
			switch {
			case f["type"] == "gap":
				gaps++
				announced[f["channel"]] = true
			case f["data"] == "while away":
				announced[f["channel"]] = true
			default:
				later++
				if !announced[f["channel"]] {
					t.Errorf("%s lost a message without a gap", f["channel"])
				}
			}
		}
		if gaps > test.gaps {
			t.Errorf("of %d channels %d have a gap", test.channels, gaps)
		}
	}
}

// A cursor stays valid over a restart of the server.
func TestACursorIsValidAfterARestart(t *testing.T) {
	t.Parallel()
	first := newNode(t)
	p := first.poll("42&channels=news&wait=0")
	if err := first.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := newNode(t, func(o *wirepost.Options) { o.Engine = first.engine })
	again.json("news", `1`)
	if got := again.poll("42&channels=news&after=" + p.Cursor).data(t); len(got) != 1 {
		t.Errorf("after the restart came %v", got)
	}
}

// A page that switches users, while its EventSource continues or with the cookie of the
// next user, sends the cursor of the previous user, which must not acknowledge
// anything.
func TestACursorOfAnotherUserAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for i := range 3 {
		n.json("user:alice", fmt.Sprint(i))
	}
	cursor := n.poll("alice&wait=0").Cursor
	n.json("user:bob", `"not seen"`)
	if got := n.poll("bob&wait=0&after=" + cursor).data(t); len(got) != 1 {
		t.Fatalf("a poll with another user's cursor brought %v", got)
	}
	n.events("bob", "Last-Event-ID", cursor).message(`"not seen"`)
	if got := n.cursor("bob", "user:bob", ""); got != 0 {
		t.Errorf("bob has acknowledged message %d", got)
	}
}
