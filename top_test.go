package wirepost_test

import (
	"fmt"
	"testing"

	"github.com/wirepost/wirepost"
)

func TestTop(t *testing.T) {
	n := newNode(t, func(o *wirepost.Options) { o.Window = 2 })
	one, _ := n.dialV1("one&channels=news,room:7")
	two, _ := n.dialV1("two&channels=news")
	for i := range 3 {
		n.push(wirepost.Push{To: "news", Data: fmt.Append(nil, i)})
	}
	for range 2 {
		one.frame("message")
		two.frame("message")
	}
	// Both have a full window; one acknowledges.
	eventually(t, "two slow sessions", func() bool { return n.Top(5).SlowCount == 2 })
	one.send(`{"type":"ack","channel":"news","seq":2}`)
	one.frame("message")
	eventually(t, "one slow session", func() bool { return n.Top(5).SlowCount == 1 })

	top := n.Top(3)
	if got := top.Slow[0]; got.User != "two" || got.Reason != wirepost.SlowWindow || got.InFlight != 2 || got.Bytes != 2 || got.Session.Mode != "wirepost.v1" {
		t.Errorf("slow: %+v", got)
	}
	want := []wirepost.TopChannel{
		{Channel: "news", Head: 3, Subscribers: 2}, {Channel: "all", Subscribers: 2}, {Channel: "room:7", Subscribers: 1},
	}
	if fmt.Sprint(top.Channels) != fmt.Sprint(want) {
		t.Errorf("channels: %v, want %v", top.Channels, want)
	}
	if short := n.Top(1); len(short.Channels) != 1 || len(short.Slow) != 1 {
		t.Errorf("a list of one: %+v", short)
	}
}
