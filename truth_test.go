package wirepost_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
)

// A message from before a membership, or before the user was known, was not sent to the
// user: it has no receipts.
func TestReceiptsBeginWithTheMembership(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	receipts := func(channel string, seq uint64) string {
		t.Helper()
		_, list, err := n.Message(t.Context(), channel, seq)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(list)
	}
	early := n.json("room:7", `"early"`)
	earlyAll := n.json("all", `"early"`)
	if err := n.Join(t.Context(), "42", "room:7"); err != nil {
		t.Fatal(err)
	}
	late := n.json("room:7", `"late"`)
	if got := receipts("room:7", early.Seq); got != "[]" {
		t.Errorf("a message from before the membership has the receipts %s", got)
	}
	if got := receipts("room:7", late.Seq); got != "[{42  stored}]" {
		t.Errorf("a message of the membership has the receipts %s", got)
	}
	c, _ := n.dialV1("42&device=d")
	c.message(`"late"`)
	lateAll := n.json("all", `"late"`)
	c.message(`"late"`)
	if got := receipts("all", earlyAll.Seq); got != "[]" {
		t.Errorf("a message from before the user was seen has the receipts %s", got)
	}
	if got := receipts("all", lateAll.Seq); got != "[{42 d sent}]" {
		t.Errorf("a message to all has the receipts %s", got)
	}
	if _, _, err := n.MarkRead(t.Context(), "42", "room:7", late.Seq); err != nil {
		t.Fatal(err)
	}
	if got := receipts("room:7", late.Seq); got != "[{42 d read}]" {
		t.Errorf("a message that was read has the receipts %s", got)
	}
}

// In plain mode only an acknowledgement shows that a message was read.
func TestAPlainAcknowledgementIsRead(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) { o.AckDelay = time.Millisecond })
	if err := n.Join(t.Context(), "42", "room:7"); err != nil {
		t.Fatal(err)
	}
	c := n.dial("42&device=plain")
	for _, channel := range []string{"user:42", "all", "room:7"} {
		n.text(channel, channel)
		c.want(channel)
	}
	go c.ReadMessage() // responses the cursor ping
	unread := func() (n1 [3]uint64) {
		v1, hello := n.dialV1("42&device=v1")
		defer v1.Close()
		for i, channel := range []string{"user:42", "all", "room:7"} {
			n1[i] = hello.channel(channel).num("unread")
		}
		return n1
	}
	eventually(t, "everything is read", func() bool { return unread() == [3]uint64{} })
}

// lagging is an engine whose readers see a record some time before its watchers are
// notified, which is allowed.
type lagging struct {
	engine.Engine
	mu      sync.Mutex
	first   func() // before the first Read
	late    []func()
	lagging bool
}

func (l *lagging) Read(ctx context.Context, channel string, after uint64, maxRecords, maxBytes int) (engine.Page, error) {
	l.mu.Lock()
	first := l.first
	l.first = nil
	l.mu.Unlock()
	if first != nil {
		first()
	}
	return l.Engine.Read(ctx, channel, after, maxRecords, maxBytes)
}

func (l *lagging) Watch(ctx context.Context, channel string, w engine.Watcher) (uint64, error) {
	return l.Engine.Watch(ctx, channel, &late{l, w})
}

func (l *lagging) Unwatch(string, engine.Watcher) {} // the test does not need it

func (l *lagging) notify() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, notify := range l.late {
		notify()
	}
	l.late, l.lagging = nil, false
}

type late struct {
	l *lagging
	w engine.Watcher
}

func (w *late) Appended(records []*engine.Record) {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	if w.l.lagging {
		w.l.late = append(w.l.late, func() { w.w.Appended(records) })
		return
	}
	w.w.Appended(records)
}

// Messages that a client has received, acknowledged or read count, even if the feed is
// not notified of them yet.
func TestAFeedThatLags(t *testing.T) {
	t.Parallel()
	l := &lagging{Engine: memory.New(memory.Options{})}
	n := newNode(t, func(o *wirepost.Options) { o.Engine = l })
	n.json("user:42", "1")
	keep, _ := n.dialV1("42&device=keep&after=1") // so that the feed stays
	l.first = func() {
		l.mu.Lock()
		l.lagging = true
		l.mu.Unlock()
		entry := engine.Entry{Channel: "user:42", ContentType: "application/json", Data: []byte("2")}
		if _, err := l.Append(context.Background(), []engine.Entry{entry}); err != nil {
			t.Error(err)
		}
	}
	p := n.poll("42&device=poll&wait=0")
	if len(p.Messages) != 2 {
		t.Fatalf("the first poll: %s", p.Messages)
	}
	c, _ := n.dialV1("42&device=v1")
	c.message("1")
	c.message("2")
	c.send(`{"type":"read","channel":"user:42","seq":2}`)
	if s := c.frame("state"); s.num("read") != 2 || s.num("unread") != 0 {
		t.Errorf("state: %v", s)
	}
	c.send(`{"type":"ack","channel":"user:42","seq":2}`)
	c.leave()
	c, _ = n.dialV1("42&device=v1")
	response := n.pollSoon("42&device=poll&wait=20s&after=" + p.Cursor)
	eventually(t, "the poll waits", func() bool { return n.online("42") == 3 })
	l.notify()
	n.json("user:42", "3")
	c.message("3")
	if p := <-response; len(p.Messages) != 1 || parseObject(t, p.Messages[0], "message").num("seq") != 3 {
		t.Errorf("the second poll: %s", p.Messages)
	}
	keep.Close()
}
