//go:build unix

package httpapi

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/payload"
)

// direct calls the handler of a server with one request, again and again, without a
// network.
type direct struct {
	h      http.Handler
	r      *http.Request
	body   bytes.Reader
	text   []byte
	header http.Header
	status int

	readDeadlines, writeDeadlines int // how often they were set
}

func newDirect(t testing.TB, path, contentType, body string) *direct {
	d := &direct{h: New(newServer(t), quiet(Options{})), text: []byte(body), header: http.Header{}}
	d.r = httptest.NewRequest("POST", "http://localhost"+path, http.NoBody)
	d.r.Header.Set("Authorization", "Bearer "+testKey)
	d.r.Header.Set("Content-Type", contentType)
	d.r.ContentLength = int64(len(body))
	d.r.Body = io.NopCloser(&d.body)
	return d
}

func (d *direct) Header() http.Header         { return d.header }
func (d *direct) Write(b []byte) (int, error) { return len(b), nil }
func (d *direct) WriteHeader(status int)      { d.status = status }

func (d *direct) SetReadDeadline(time.Time) error  { d.readDeadlines++; return nil }
func (d *direct) SetWriteDeadline(time.Time) error { d.writeDeadlines++; return nil }

func (d *direct) serve(t testing.TB) {
	d.body.Reset(d.text)
	clear(d.header)
	if d.h.ServeHTTP(d, d.r); d.status != http.StatusAccepted {
		t.Fatalf("status %d", d.status)
	}
}

// pushes are the forms of a push with 256 bytes of data.
var pushes = []struct {
	name, path, contentType, body string
	allocs                        float64
}{
	{"compact", "/v1/push", "application/json", benchBody(1, 1), 11},
	{"spaced", "/v1/push", "application/json", strings.NewReplacer(`":`, `": `, `,"`, `, "`).Replace(benchBody(1, 1)), 11},
	{"list", "/v1/push", "application/json", strings.Replace(benchBody(1, 1), `"user:32"`, `["user:1","user:2","user:3","user:4"]`, 1), 31},
	{"raw text", "/v1/push/user:1", formType, strings.Repeat("x", 256), 9},
	{"raw json", "/v1/push/user:1", "application/json", `"` + strings.Repeat("x", 254) + `"`, 9},
}

// TestPushAllocations bounds the allocations of a push, from the handler to the store in
// memory. The slack is for a collection during the test, which empties a sync.Pool.
func TestPushAllocations(t *testing.T) {
	const slack = 2
	for _, tt := range pushes {
		d := newDirect(t, tt.path, tt.contentType, tt.body)
		if got := testing.AllocsPerRun(200, func() { d.serve(t) }); got > tt.allocs+slack && !raceEnabled {
			t.Errorf("%s: %.0f allocations, want at most %.0f", tt.name, got, tt.allocs)
		}
		d.readDeadlines, d.writeDeadlines = 0, 0
		if d.serve(t); d.readDeadlines != 2 || d.writeDeadlines != 1 { // each costs about 1 % of a push
			t.Errorf("%s: the read deadline is set %d times, the write deadline %d times", tt.name, d.readDeadlines, d.writeDeadlines)
		}
	}
}

// BenchmarkHandler is the CPU time of a push without the network and net/http.
func BenchmarkHandler(b *testing.B) {
	for _, tt := range pushes {
		b.Run(tt.name, func(b *testing.B) {
			d := newDirect(b, tt.path, tt.contentType, tt.body)
			b.ReportAllocs()
			for b.Loop() {
				d.serve(b)
			}
		})
	}
}

// TestCheckedOnce: the server takes the data of a push as checked if a payload.Data was
// made of it, and only then.
func TestCheckedOnce(t *testing.T) {
	t.Parallel()
	newPush := payload.NewPush.(func(payload.Data) wirepost.Push)
	typ, err := payload.ParseType("", "")
	if err != nil {
		t.Fatal(err)
	}
	data, err := typ.Check([]byte("[1]"), false)
	if err != nil {
		t.Fatal(err)
	}
	srv := newServer(t)
	checked := newPush(data)
	checked.To = "a"
	checked.Data[0] = '{' // nobody may; it shows who looks
	if _, err := srv.Push(context.Background(), checked); err != nil {
		t.Errorf("checked data is checked again: %v", err)
	}
	if _, err := srv.Push(context.Background(), wirepost.Push{To: "a", Data: checked.Data}); err == nil {
		t.Error("data that was not checked is accepted")
	}
	if _, err := srv.Push(context.Background(), newPush(payload.Data{})); err == nil {
		t.Error("a push without a channel is accepted")
	}
}
