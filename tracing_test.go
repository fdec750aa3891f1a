package wirepost_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost"
)

// spanLog is a Tracer that keeps the spans that have ended, in the order of their ends.
type spanLog struct {
	mu    sync.Mutex
	last  byte // the ID of the last span
	spans []endedSpan
}

type endedSpan struct {
	log     *spanLog
	start   wirepost.SpanStart
	context wirepost.TraceContext
	end     wirepost.SpanEnd
}

type callerKey struct{}

func (l *spanLog) Caller(ctx context.Context) wirepost.TraceContext {
	c, _ := ctx.Value(callerKey{}).(wirepost.TraceContext)
	return c
}

func (l *spanLog) Start(s *wirepost.SpanStart) wirepost.Span {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	return &endedSpan{log: l, start: *s, context: wirepost.TraceContext{Trace: s.Parent.Trace, Span: [8]byte{0: l.last}, Flags: s.Parent.Flags}}
}

func (s *endedSpan) Context() wirepost.TraceContext { return s.context }

func (s *endedSpan) End(e *wirepost.SpanEnd) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.end = *e
	s.log.spans = append(s.log.spans, *s)
}

func (l *spanLog) all() []endedSpan {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.spans)
}

// text is the spans, one a line, in the order of their beginnings: "deliver<push 42 plain".
func (l *spanLog) text() string {
	spans := l.all()
	// Not by ID: append begins when a message is stored, and is recorded when the server knows
	// that, which may be after the delivery.
	slices.SortFunc(spans, func(a, b endedSpan) int {
		return cmp.Or(a.start.At.Compare(b.start.At), int(a.context.Span[0])-int(b.context.Span[0]))
	})
	names := map[[8]byte]string{}
	var b strings.Builder
	for _, s := range spans {
		names[s.context.Span] = string(s.start.Name)
		fmt.Fprintf(&b, "%s<%s", s.start.Name, names[s.start.Parent.Span])
		if s.start.User != "" {
			fmt.Fprintf(&b, " %s %s", s.start.User, s.start.Mode)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// want waits for spans, of the trace of parent.
func (l *spanLog) want(t *testing.T, spans ...string) {
	t.Helper()
	text := strings.Join(spans, "\n") + "\n"
	eventually(t, "the spans are "+text, func() bool { return l.text() == text })
	for _, s := range l.all() {
		if s.context.Trace != traceOf(parent) || s.end.At.Before(s.start.At) || s.start.Channel == "" {
			t.Errorf("%+v", s)
		}
	}
}

const (
	parent    = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

func traceOf(text string) (id [16]byte) {
	hex.Decode(id[:], []byte(text[3:35])) //nolint:errcheck // the text is a constant
	return id
}

func traced(l *spanLog) func(*wirepost.Options) {
	return func(o *wirepost.Options) { o.Tracer, o.AckDelay = l, time.Millisecond }
}

// TestTraces: the spans of a push, its delivery to each connection and the acknowledgements
// belong to the caller's trace.
func TestTraces(t *testing.T) {
	t.Parallel()
	l := &spanLog{}
	n := newNode(t, traced(l))
	plain := n.dial("42")
	p := n.push(wirepost.Push{To: "user:42", Data: []byte("1"), TraceParent: parent})
	plain.want("1")
	go plain.ReadMessage() //nolint:errcheck // replies to the cursor ping
	l.want(t, "push<", "append<push", "deliver<push 42 plain", "acknowledge<deliver 42 plain")
	for _, s := range l.all() {
		if s.start.Name != wirepost.SpanPush && s.start.Name != wirepost.SpanAppend && s.start.Message != p.ID {
			t.Errorf("%+v names another message than %s", s, p.ID)
		}
		if s.start.Seq+s.end.Seq != p.Seq && s.start.Name != wirepost.SpanAcknowledge || s.end.Err != nil {
			t.Errorf("%+v: the message is %+v", s, p)
		}
	}
	ended := func(name wirepost.SpanName) int {
		return slices.IndexFunc(l.all(), func(s endedSpan) bool { return s.start.Name == name })
	}
	if ended(wirepost.SpanAppend) > ended(wirepost.SpanPush) {
		t.Error("append ended after push")
	}
}

// TestTracesLater: the trace goes on when a user comes back. It begins with the context of the
// call.
func TestTracesLater(t *testing.T) {
	t.Parallel()
	l := &spanLog{}
	n := newNode(t, traced(l), onDisk(t))
	ctx := context.WithValue(t.Context(), callerKey{}, wirepost.TraceContext{Trace: traceOf(parent), Span: [8]byte{1: 1}, Flags: 1})
	if _, err := n.Push(ctx, wirepost.Push{To: "user:42", Data: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	l.want(t, "push<", "append<push")
	c, _ := n.dialV1("42")
	m := c.frame("message")
	l.want(t, "push<", "append<push", "deliver<push 42 wirepost.v1")
	c.Close()
	n.gone("42")
	c, _ = n.dialV1("42") // not acknowledged: it comes again
	c.frame("message")
	c.send(`{"type":"ack","channel":"user:42","seq":%.0f}`, m["seq"])
	l.want(t, "push<", "append<push", "deliver<push 42 wirepost.v1", "deliver<push 42 wirepost.v1", "acknowledge<deliver 42 wirepost.v1")
}

// TestTracesReturned: a client without a WebSocket acknowledges with the cursor of its next
// request, the delivery that it got last.
func TestTracesReturned(t *testing.T) {
	t.Parallel()
	l := &spanLog{}
	n := newNode(t, traced(l))
	n.push(wirepost.Push{To: "user:42", Data: []byte("1"), TraceParent: parent})
	n.poll("42")
	n.poll("42&device=b")
	p := n.poll("42") // the first response was lost, so to say
	spans := []string{"push<", "append<push", "deliver<push 42 poll", "deliver<push 42 poll", "deliver<push 42 poll"}
	l.want(t, spans...)
	n.poll("42&wait=0&after=" + p.Cursor)
	n.poll("42&wait=0&after=" + p.Cursor)
	spans = append(spans, "acknowledge<deliver 42 poll")
	l.want(t, spans...)
	all := l.all()
	if last, ack := all[len(all)-2], all[len(all)-1]; ack.start.Parent != last.context || ack.start.At.Before(last.end.At) || ack.start.Device != "" || ack.start.Seq != 1 {
		t.Errorf("acknowledged %+v, not %+v", ack, last)
	}

	e := n.events("43")
	n.push(wirepost.Push{To: "user:43", Data: []byte("1"), TraceParent: parent})
	e.message("1")
	e.body.Close()
	spans = append(spans, "push<", "append<push", "deliver<push 43 sse")
	l.want(t, spans...)
	n.events("43", "Last-Event-ID", e.id)
	l.want(t, append(spans, "acknowledge<deliver 43 sse")...)
}

// TestTracesNodes: the trace goes on at another node.
func TestTracesNodes(t *testing.T) {
	l := &spanLog{}
	inCluster(t, 3, func(t *testing.T, ns *nodes) {
		c, _ := ns.all[2].dialV1("42")
		ns.all[0].push(wirepost.Push{To: "user:42", Data: []byte("1"), TraceParent: parent})
		m := c.frame("message")
		c.send(`{"type":"ack","channel":"user:42","seq":%.0f}`, m["seq"])
		synctest.Wait()
		if got, want := l.all(), 4; len(got) != want {
			t.Fatalf("%d spans, want %d: %s", len(got), want, l.text())
		}
		var push wirepost.TraceContext
		for _, s := range l.all() {
			if s.start.Name == wirepost.SpanPush {
				push = s.context
			}
		}
		for _, s := range l.all() {
			if (s.start.Name == wirepost.SpanDeliver || s.start.Name == wirepost.SpanAppend) && s.start.Parent != push {
				t.Errorf("%+v is not below %+v", s, push)
			}
			if s.context.Trace != traceOf(parent) {
				t.Errorf("%+v is of another trace", s)
			}
		}
	}, func(o *wirepost.Options) { o.Tracer = l })
}

// TestUntraced: without a caller that records the trace there are no spans, and nothing is
// stored. What is not a trace context is an error.
func TestUntraced(t *testing.T) {
	t.Parallel()
	l := &spanLog{}
	n := newNode(t, traced(l))
	c, _ := n.dialV1("42")
	for _, p := range []string{"", unsampled} {
		n.push(wirepost.Push{To: "user:42", Data: []byte("1"), TraceParent: p})
		c.frame("message")
	}
	page, err := n.engine.Read(t.Context(), "user:42", 0, 10, 1000)
	if err != nil || len(page.Records) != 2 || page.Records[0].Trace+page.Records[1].Trace != "" {
		t.Errorf("stored %+v, %v", page.Records, err)
	}
	_, err = n.Push(t.Context(), wirepost.Push{To: "user:42", Data: []byte("1"), TraceParent: "00-xyz"})
	if e := wirepost.AsError(err); e == nil || e.Code != wirepost.CodeBadRequest || e.Field != "traceparent" {
		t.Errorf("an invalid trace context: %v", err)
	}
	if got := l.text(); got != "" {
		t.Errorf("there are spans: %s", got)
	}
}

// TestTracedFailure: the span of a push that fails says why, and a repeated one says so.
func TestTracedFailure(t *testing.T) {
	t.Parallel()
	l := &spanLog{}
	n := newNode(t, traced(l))
	for range 2 {
		n.push(wirepost.Push{To: "user:42", Data: []byte("1"), ID: "once", TraceParent: parent})
	}
	if _, err := n.Push(t.Context(), wirepost.Push{To: "user:42", Data: []byte("{"), TraceParent: parent}); err == nil {
		t.Fatal("JSON that is not")
	}
	batch := []wirepost.Push{{To: "user:42", Data: []byte("1"), TraceParent: parent}, {To: "user:42", Data: []byte("{"), TraceParent: parent}}
	if _, err := n.PushAll(t.Context(), batch); err == nil {
		t.Fatal("a batch with JSON that is not")
	}
	if err := n.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Push(t.Context(), wirepost.Push{To: "user:42", Data: []byte("1"), TraceParent: parent}); err == nil {
		t.Fatal("a push after Shutdown")
	}
	l.want(t, "push<", "append<push", "push<", "append<push", "push<", "push<", "push<", "push<")
	var got []string
	for _, s := range l.all() {
		var e *wirepost.Error
		errors.As(s.end.Err, &e)
		switch {
		case e != nil:
			got = append(got, string(s.start.Name)+" "+string(e.Code))
		default:
			got = append(got, fmt.Sprint(s.start.Name, " ", s.end.Duplicate))
		}
	}
	if want := []string{"append false", "push false", "append true", "push true", "push bad_request", "push bad_request", "push bad_request", "push unavailable"}; !slices.Equal(got, want) {
		t.Errorf("the spans say %q, want %q", got, want)
	}
}

// TestTracesScheduled: a push that is made later belongs to the trace of the request that
// scheduled it.
func TestTracesScheduled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &spanLog{}
		n := newPipeNode(t, traced(l))
		c, _ := n.dialV1("42")
		n.push(wirepost.Push{To: "user:42", Data: []byte("1"), Delay: time.Hour, TraceParent: parent})
		c.frame("message")
		l.want(t, "push<", "deliver<push 42 wirepost.v1")
	})
}

// TestManyDeliveries: a message to very many connections does not have as many spans.
func TestManyDeliveries(t *testing.T) {
	t.Parallel()
	l := &spanLog{}
	n := newNode(t, traced(l), func(o *wirepost.Options) { o.Loops = 1 })
	const clients = 200
	all := make([]*client, clients)
	for i := range all {
		all[i] = n.dial(fmt.Sprintf("%d&channels=news", i))
	}
	n.push(wirepost.Push{To: "news", Data: []byte("1"), TraceParent: parent})
	for _, c := range all {
		c.want("1")
	}
	delivered := 0
	for _, s := range l.all() {
		if s.start.Name == wirepost.SpanDeliver {
			delivered++
		}
	}
	if delivered == 0 || delivered > clients/2 {
		t.Errorf("%d of %d deliveries were recorded", delivered, clients)
	}
}

// TestTracesAreFree: without a Tracer, a push with a trace context costs as many allocations
// as one without.
func TestTracesAreFree(t *testing.T) {
	n := newNode(t)
	const pushes = 10 // AllocsPerRun rounds down, and what the server does by itself counts, too
	allocations := func(p wirepost.Push) float64 {
		return testing.AllocsPerRun(50, func() {
			for range pushes {
				n.push(p)
			}
		})
	}
	p := wirepost.Push{To: "user:42", Data: []byte("1")}
	allocations(p) // the channel grows
	without := allocations(p)
	p.TraceParent = parent
	if with := allocations(p); with >= without+pushes {
		t.Errorf("%v allocations of %d pushes, without a trace context %v", with, pushes, without)
	}
}

// TestTracesAreFreePerDelivery: without a Tracer, or with one and a message that is not traced,
// a delivery costs no allocation: what a push costs is shared by its 100 deliveries.
func TestTracesAreFreePerDelivery(t *testing.T) {
	const clients = 100
	perDelivery := func(p wirepost.Push, options ...func(*wirepost.Options)) float64 {
		n := newNode(t, append(options, func(o *wirepost.Options) { o.Heartbeat = time.Hour })...)
		var received, want atomic.Int64
		all := make(chan struct{}, 1)
		for i := range clients {
			in := bufio.NewReader(n.dial(fmt.Sprintf("%d&channels=news", i)).UnderlyingConn())
			go func() {
				for {
					head, err := in.Peek(2) // of a short frame: its opcode and its length
					if err != nil {
						return
					}
					message := head[0]&0xf == websocket.TextMessage // and not a ping, which comes if this takes long
					if _, err := in.Discard(2 + int(head[1])); err != nil {
						return
					}
					if message && received.Add(1) == want.Load() {
						all <- struct{}{}
					}
				}
			}()
		}
		return testing.AllocsPerRun(100, func() {
			want.Add(clients)
			n.push(p)
			<-all
		}) / clients
	}
	p := wirepost.Push{To: "news", Data: []byte("1")}
	untraced := perDelivery(p, traced(&spanLog{}))
	p.TraceParent = parent
	if off := perDelivery(p); off > 0.5 || untraced > 0.5 {
		t.Errorf("%.2f allocations a delivery without a Tracer, and %.2f with one", off, untraced)
	}
}
