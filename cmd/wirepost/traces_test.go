package main

import (
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/wirepost/wirepost/internal/testlog"
)

const (
	testTrace  = "0af7651916cd43dd8448eb211c80319c"
	testParent = "00-" + testTrace + "-b7ad6b7169203331-01"
)

// spanCollector is a collector of OTLP over HTTP.
type spanCollector struct {
	*httptest.Server
	mu       sync.Mutex
	status   int // of its responses
	requests int
	service  string
	spans    []*otlp.Span
}

func newSpanCollector(t *testing.T) *spanCollector {
	t.Helper()
	c := &spanCollector{status: http.StatusOK}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.requests++
		if c.status != http.StatusOK {
			w.WriteHeader(c.status)
			return
		}
		var in collector.ExportTraceServiceRequest
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = proto.Unmarshal(body, &in)
		}
		if err != nil || r.URL.Path != tracesPath {
			t.Errorf("%s: %v", r.URL, err)
		}
		c.add(&in)
	}))
	t.Cleanup(c.Close)
	return c
}

// add takes the spans of a request.
func (c *spanCollector) add(in *collector.ExportTraceServiceRequest) {
	for _, resource := range in.GetResourceSpans() {
		for _, a := range resource.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				c.service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
}

// byName returns the spans by name.
func (c *spanCollector) byName() map[string]*otlp.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string]*otlp.Span{}
	for _, s := range c.spans {
		all[s.GetName()] = s
	}
	return all
}

// TestTraces: the spans of a push arrive at the collector, in the trace of the request and
// below each other.
func TestTraces(t *testing.T) {
	t.Parallel()
	at := newSpanCollector(t)
	ctx, stop := context.WithCancel(t.Context())
	_, address, done := testApp(t, ctx, func(c *Config) {
		if err := c.TracesEndpoint.UnmarshalText([]byte(at.URL)); err != nil {
			t.Error(err)
		}
	})
	dialer := websocket.Dialer{Subprotocols: []string{"wirepost.v1"}}
	c, _, err := dialer.Dial("ws"+strings.TrimPrefix(address, "http")+"/ws?user=42", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	status, answer := ask(t, "POST", address+"/v1/push", "", `{"to":"user:42","data":1}`, "Content-Type: application/json", "Traceparent: "+testParent)
	if status != http.StatusCreated {
		t.Fatalf("%d %s", status, answer)
	}
	for {
		var m struct {
			Type string
			Seq  uint64
		}
		if err := c.ReadJSON(&m); err != nil {
			t.Fatal(err)
		}
		if m.Type == "message" {
			if err := c.WriteJSON(map[string]any{"type": "ack", "channel": "user:42", "seq": m.Seq}); err != nil {
				t.Fatal(err)
			}
			if err := c.WriteJSON(map[string]any{"type": "call", "ref": 1, "method": "x"}); err != nil {
				t.Fatal(err)
			}
		}
		if m.Type == "error" { // the response to the call, so the acknowledgement has arrived
			break
		}
	}
	// What is left at a shutdown has a second at most.
	eventually(t, "the collector has the spans", func() bool { return len(at.byName()) == 4 })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	spans := at.byName()
	parent, _ := hex.DecodeString("b7ad6b7169203331")
	for _, want := range []struct{ name, below string }{{"push", ""}, {"append", "push"}, {"deliver", "push"}, {"acknowledge", "deliver"}} {
		s := spans[want.name]
		if s == nil {
			t.Fatalf("there is no span %s: %v", want.name, spans)
		}
		above := parent
		if want.below != "" {
			above = spans[want.below].GetSpanId()
			if s.GetStartTimeUnixNano() < spans[want.below].GetStartTimeUnixNano() {
				t.Errorf("%s began before %s", want.name, want.below)
			}
		}
		if hex.EncodeToString(s.GetTraceId()) != testTrace || string(s.GetParentSpanId()) != string(above) || s.GetEndTimeUnixNano() < s.GetStartTimeUnixNano() {
			t.Errorf("%s is not below %q in the trace: %v", want.name, want.below, s)
		}
	}
	if at.service != "wirepost" {
		t.Errorf("the service is called %q", at.service)
	}
	if len(at.spans) != 4 {
		t.Errorf("%d spans", len(at.spans))
	}
}

// TestCollectorDown: pushes do not wait for a collector that fails, and it is logged once, and
// once more when it is back.
func TestCollectorDown(t *testing.T) {
	t.Parallel()
	at := newSpanCollector(t)
	at.status = http.StatusBadRequest // which is not tried again
	var log testlog.Buffer
	_, address, _ := testApp(t, t.Context(), func(c *Config) { c.TracesEndpoint = traceEndpoint(at.URL) }, &log)
	push := func() {
		t.Helper()
		if status, answer := ask(t, "POST", address+"/v1/push/user:42", "", "hi", "Traceparent: "+testParent); status != http.StatusAccepted {
			t.Fatalf("%d %s", status, answer)
		}
	}
	requests := func() int {
		at.mu.Lock()
		defer at.mu.Unlock()
		return at.requests
	}
	// More than fit in the queue. The rest is dropped; what is sent fails several times.
	for range 3000 {
		push()
	}
	eventually(t, "several requests failed", func() bool { return requests() >= 2 })
	at.mu.Lock()
	at.status = http.StatusOK
	at.mu.Unlock()
	eventually(t, "traces are sent again", func() bool { push(); return strings.Contains(log.String(), "traces are sent again") })
	if n := strings.Count(log.String(), "traces are lost"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, log.String())
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so: %s", what)
		}
	}
}
